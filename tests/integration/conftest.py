"""What the tests of access share: two clinics with rows and accounts, and the API on them."""

from collections.abc import Iterator

import access_world
import pytest
from access_world import Api, World

from infra.database import Server


@pytest.fixture(scope="module")
def world(module_server: Server) -> World:
    return access_world.build(module_server)


@pytest.fixture(scope="module")
def api(world: World) -> Iterator[Api]:
    with access_world.client(world.server) as running:
        yield running
