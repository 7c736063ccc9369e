"""A server whose log would hold values of patients is none for production."""

import pytest
from psycopg import sql

from infra.database import Server, connect_admin
from infra.errors import Misconfigured
from infra.roles import Login
from infra.server_log import refuse_wordy_log, wordy_settings
from infra.settings import Mode, Settings


def test_the_embedded_servers_log_holds_no_value(server: Server) -> None:
    assert wordy_settings(server) == []


@pytest.mark.check(51)
@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"log_error_verbosity": "default"}, "log_error_verbosity = default"),
        ({"log_parameter_max_length_on_error": "-1"}, "log_parameter_max_length_on_error = -1"),
        ({"log_statement": "all", "log_parameter_max_length": "-1"}, "log_parameter_max_length = -1"),
    ],
)
def test_production_refuses_a_wordy_log_and_names_the_setting(
    server: Server, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], named: str
) -> None:
    role = sql.Identifier(server.roles.of(Login.SERVICE))
    with connect_admin(server) as admin:
        try:
            for name, value in changed.items():
                admin.execute(
                    sql.SQL("alter role {} set {} = {}").format(role, sql.Identifier(name), sql.Literal(value))
                )
            refuse_wordy_log(Settings(mode=Mode.DEMO), server)
            with pytest.raises(Misconfigured, match=named):
                refuse_wordy_log(Settings(mode=Mode.PRODUCTION), server)
        finally:
            for name in changed:
                admin.execute(sql.SQL("alter role {} reset {}").format(role, sql.Identifier(name)))
