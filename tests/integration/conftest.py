"""What tests share: two clinics with rows and accounts, and the API on them; people with encrypted contacts."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import access_world
import psycopg
import pytest
from access_world import Api, World

from infra.database import Server, connect
from infra.encryption.field_codec import FieldCodec
from infra.roles import Login
from tests.integration.hooking import Endpoint, only_endpoint
from tests.integration.sealed_people import add_person, codec_of, number


@pytest.fixture(scope="module")
def api(world: World) -> Iterator[Api]:
    with access_world.client(world.server) as running:
        yield running


@pytest.fixture
def running(fresh: World) -> Iterator[Api]:
    """The API on it."""
    with access_world.client(fresh.server) as api:
        yield api


@pytest.fixture(scope="module")
def manager(api: Api) -> dict[str, str]:
    """Headers of a manager's sign-in."""
    return access_world.sign_in(api, "manager.north")


@pytest.fixture
def to(tmp_path: Path, world: World) -> Iterator[Endpoint]:
    """Where webhooks of the module's world lead, which has no other."""
    with only_endpoint(world, tmp_path) as found:
        yield found


@pytest.fixture
def importer(server: Server) -> Iterator[psycopg.Connection]:
    with connect(Login.IMPORTER, at=server, autocommit=True) as connection:
        yield connection


@pytest.fixture
def codec(server: Server) -> FieldCodec:
    return codec_of(server)


@pytest.fixture
def known(importer: psycopg.Connection, codec: FieldCodec) -> dict[UUID, str]:
    """Five people and their phone numbers."""
    return {add_person(importer, codec, number(index)): number(index) for index in range(5)}
