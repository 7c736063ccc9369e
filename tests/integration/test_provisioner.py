"""Clinics come into being whole, once, and behind walls."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from infra import provisioner
from infra.database import Server, clinic_transaction, connect, connect_admin
from infra.errors import DatabaseUnavailable, InvalidInput
from infra.provisioner import Clinic, add_clinics, set_up
from infra.roles import ClinicKind, Group, Login


def test_setting_up_again_changes_nothing(server: Server) -> None:
    assert set_up(server) == []


def test_two_provisioners_at_once_make_a_clinic_once(server: Server) -> None:
    wanted = [Clinic("east", "East")]
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: add_clinics(server, wanted, requested_by="t"), range(2)))
    assert sorted(map(len, made)) == [0, 1]


def test_two_who_set_up_at_once_make_one_database(template: Server) -> None:
    new = replace(template, admin={**template.admin, "dbname": f"new_{template.roles.prefix}"})
    try:
        with ThreadPoolExecutor(4) as pool:
            assert sorted(map(bool, pool.map(lambda _: set_up(new), range(4)))) == [False, False, False, True]
    finally:
        with connect_admin(new, dbname="postgres") as admin:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(new.admin["dbname"])))


@pytest.mark.parametrize("slug", ["", "Nord", "a-b", "a" * 41, 'x"; drop schema audit', "ñ"])
def test_a_slug_that_is_none_is_refused_by_name(server: Server, slug: str) -> None:
    with pytest.raises(InvalidInput, match="is no clinic slug"):
        add_clinics(server, [Clinic(slug, "X")], requested_by="t")


def test_the_longest_slug_fits_every_name(server: Server) -> None:
    assert add_clinics(server, [Clinic("a" * 40, "Long")], requested_by="t") == ["a" * 40]


def test_a_clinic_role_does_not_see_the_other_clinics_schema(server: Server) -> None:
    with connect(Login.PIPELINE, at=server) as connection:
        with clinic_transaction(connection, server.roles, "north", ClinicKind.BUILDER):
            assert connection.execute("select count(*) from raw_patients").fetchone() == (0,)
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            clinic_transaction(connection, server.roles, "north", ClinicKind.BUILDER),
        ):
            connection.execute("select count(*) from clinic_south.raw_patients")


@pytest.mark.parametrize("login", Login)
def test_no_statement_of_any_login_goes_on_for_ever(server: Server, login: Login) -> None:
    with connect(login, at=server) as connection:
        assert connection.execute("show statement_timeout").fetchone() == ("1h",)


def test_an_old_server_is_refused_by_name(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provisioner, "OLDEST_SERVER", 990_000)
    with pytest.raises(DatabaseUnavailable, match=r"PostgreSQL \d+ is too old"):
        set_up(server)


@pytest.mark.check(4)
@pytest.mark.parametrize("login", [login for login in Login if login is not Login.PROVISIONER])
def test_no_login_of_a_service_can_become_the_owner(server: Server, login: Login) -> None:
    """Whoever owns a table is above its row security; to be a member of the owner is as good."""
    asked = "select pg_has_role(current_user, %s, 'member'), rolsuper, rolbypassrls from pg_roles where rolname = %s"
    with connect(login, at=server) as connection:
        found = connection.execute(asked, [server.roles.of(Group.OWNER), server.roles.of(login)]).fetchone()
    assert found == (False, False, False)
