"""Nobody reaches patient data past the gateway: what the code says about itself."""

import ast
import re
from pathlib import Path

import pytest

import api

FOLDER = Path(api.__file__).parent
MODULES = {path.relative_to(FOLDER).as_posix(): ast.parse(path.read_text()) for path in FOLDER.rglob("*.py")}

# Who talks to the database without a grant, and why that shows no patient.
WITHOUT_A_GRANT = {
    "gateway.py",  # makes the grants
    "grants.py",  # reads and records for whoever holds one
    "work.py",  # changes and records, the same
    "recording.py",  # writes the log
    "directory.py",  # clinics and freshness
    "database.py",  # the pool itself
    "app.py",  # `select 1`
    "audit/tree.py",  # hashes and keys of the sealed log
    "services.py",  # hands connections to identity
    "pages/entry/book.py",  # the same, to find as whom a public page books
    "bookings/releasing.py",  # of no request: what nobody proved in time, each recorded
    "legal_guardians/expiring.py",  # of no request: sealed addresses are forgotten, none is read
    "accounts.py",  # accounts, on this machine only
    "account_care.py",  # the same
    "demo_accounts.py",  # the same
    "demo_people.py",  # the same
    "messages/asking_again.py",  # of the sender's process, as its role
    "system_keys.py",  # the same
    "segments/signals.py",  # numbers of clinics' runs
    "messages/addresses.py",  # the messenger, a login that sees addresses and no record
    "messages/campaigns.py",  # the same
    "messages/sender.py",  # the same
    "messages/post.py",  # counts of messages, on this machine only
    "messages/queueing.py",  # a statement for those who queue messages
    "webhooks/courier.py",  # looks where something is due
    "webhooks/feed.py",  # a clinic's feed, as its reader, each patient recorded by the statement that reads
    "webhooks/notices.py",  # which accounts are managers'
    "webhooks/queue.py",  # endpoints and deliveries, which say nothing of a patient but the id
    "webhooks/sender.py",  # runs these in transactions
}

GRANTS = {"Grant", "PersonGrant", "Work"}
# Columns that several repositories share.
REPOSITORIES = (
    "repository.py", "segments/members.py", "segments/verdict_text.py", "segments/withheld.py", "profiles/columns.py",
    "me/statements.py", "appointments/statements.py", "bookings/statements.py", "messages/reach.py", "sealing.py",
)  # fmt: skip
# Clinics are the directory's; pages ask the same services as the API; identity has tests of its own.
# Says in other words what the services of other folders answer, which record it.
BY_OTHER_SERVICES = {"fhir"}
WITHOUT_PATIENTS = {"clinics", "pages", "identity"}
STATEMENT = re.compile(
    r"\b(select|insert into|update|delete from)\b.*\b(from|set|values|into)\b|\bcopy\b.*\b(to|from)\b.*\bstd(in|out)\b",
    re.I | re.S,
)
# Every way to a connection, and from one to its rows.
WAYS_IN = (
    "execute", "executemany", "copy", "cursor", "connection", "getconn", "connect", "connect_admin", "make_pool",
)  # fmt: skip


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    """Calls of a function or method of that name."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and name in (getattr(node.func, "id", None), getattr(node.func, "attr", None))
    ]


def ways_in(tree: ast.AST) -> set[str]:
    """Which ways to the database a module goes itself."""
    pools = {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "psycopg_pool"
    }
    return {name for name in WAYS_IN if calls(tree, name)} | pools


def statements(tree: ast.AST) -> list[int]:
    """Lines with a text that is a statement."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.search(node.value)
    ]


def grants_made(tree: ast.AST) -> set[str]:
    """Which kinds of grants a module makes, or takes under another name."""
    renamed = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in GRANTS and alias.asname
    }
    return renamed | {kind for kind in GRANTS if calls(tree, kind)}


def alternatives(annotation: ast.expr) -> set[str]:
    """The types that an annotation allows, by name, such as `Grant | Work`; whatever else it says by its own words."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return alternatives(annotation.left) | alternatives(annotation.right)
    return {annotation.id if isinstance(annotation, ast.Name) else ast.unparse(annotation)}


def is_identity(path: str) -> bool:
    """Of who signs in, which has no clinic's rows; its routes are like any others."""
    return path.startswith("identity/") and not path.endswith("routes.py")


def test_only_the_gateway_makes_a_grant() -> None:
    assert {path: grants_made(tree) for path, tree in MODULES.items() if grants_made(tree)} == {"gateway.py": GRANTS}


def test_nothing_but_a_read_comes_out_of_a_grant() -> None:
    """Private parts of the gateway, a grant's connection first of all, are touched in the gateway alone."""
    private = {"_connection", "_pool", "_event", "_parameters", "_granted", "_deny"}
    for path, tree in MODULES.items():
        touched = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in private}
        assert not touched or path in {"gateway.py", "grants.py", "work.py", "directory.py"}, (path, touched)


def test_every_feature_folder_reads_through_a_repository() -> None:
    """A folder whose routes answer with data of patients has a repository; what has none shows no patient."""
    folders = {path.split("/")[0] for path in MODULES if "/" in path and path.endswith("routes.py")}
    with_repository = {path.split("/")[0] for path in MODULES if path.endswith("/repository.py")}
    assert with_repository <= folders
    assert folders - with_repository <= WITHOUT_PATIENTS | BY_OTHER_SERVICES


def test_services_and_routes_name_no_table() -> None:
    """Statements lie in repositories and in what works without a grant, whatever folder comes to be."""
    for path, tree in MODULES.items():
        if path not in WITHOUT_A_GRANT and not is_identity(path) and not path.endswith(REPOSITORIES):
            assert statements(tree) == [], path


@pytest.mark.parametrize(
    ("cheat", "found"),
    [
        ("rows = await pool.connection().execute('select name from person')", ({"execute", "connection"}, [1], set())),
        ("held = await pool.getconn()", ({"getconn"}, [], set())),
        ("held.cursor().copy('copy operational.registration to stdout')", ({"cursor", "copy"}, [1], set())),
        ("from psycopg_pool import AsyncConnectionPool", ({"psycopg_pool"}, [], set())),
        ("grant = Grant(connection, event)", (set(), [], {"Grant"})),
        ("from api.grants import Grant as G", (set(), [], {"Grant"})),
        ("rows = await grant.read(_NAMES, order)", (set(), [], set())),
    ],
)
def test_the_lint_finds_what_it_looks_for(cheat: str, found: tuple[set[str], list[int], set[str]]) -> None:
    tree = ast.parse(cheat)
    assert (ways_in(tree), statements(tree), grants_made(tree)) == found


def test_every_repository_function_takes_a_grant() -> None:
    repositories = {path: tree for path, tree in MODULES.items() if path.endswith("repository.py")}
    assert len(repositories) >= 2
    for path, tree in repositories.items():
        public = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and not node.name.startswith("_")
        ]
        assert public
        for function in public:
            first = function.args.args[0].annotation
            assert first and alternatives(first) <= GRANTS, f"{path}: {function.name}"


def test_nobody_else_runs_statements_or_takes_connections() -> None:
    for path, tree in MODULES.items():
        if path not in WITHOUT_A_GRANT and not is_identity(path):
            assert ways_in(tree) == set(), path


def test_the_exceptions_are_still_needed() -> None:
    assert set(MODULES) >= WITHOUT_A_GRANT
    identity = [path for path in MODULES if path.startswith("identity/") and calls(MODULES[path], "execute")]
    assert identity, "no module of identity runs a statement any more"


def test_patients_and_marts_are_named_in_repositories_alone() -> None:
    words = ("raw_patients", "segment_member", "operational.person", "operational.profile", "audit.disclosure")
    for path, tree in MODULES.items():
        texts = [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        found = [word for word in words for text in texts if word in text]
        assert (
            not found
            or path.endswith(REPOSITORIES)
            or (path, set(found))
            in (
                ("recording.py", {"audit.disclosure"}),
                ("messages/addresses.py", {"operational.person", "operational.profile"}),
                ("webhooks/feed.py", {"raw_patients"}),
                # The names of checks of the data, in words.
                ("pages/check_words.py", {"segment_member"}),
            )
        ), (path, found)
