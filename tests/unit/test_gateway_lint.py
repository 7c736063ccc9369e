"""Nobody reaches patient data past the gateway: what the code says about itself."""

import ast
import re
from pathlib import Path

import api

FOLDER = Path(api.__file__).parent
MODULES = {path.relative_to(FOLDER).as_posix(): ast.parse(path.read_text()) for path in FOLDER.rglob("*.py")}

# Who talks to the database without a grant, and why that shows no patient.
WITHOUT_A_GRANT = {
    "gateway.py",  # makes the grants
    "grants.py",  # reads and records for whoever holds one
    "recording.py",  # writes the log
    "directory.py",  # clinics and freshness
    "database.py",  # the pool itself
    "app.py",  # `select 1`
    "audit/tree.py",  # hashes and keys of the sealed log
    "services.py",  # hands connections to identity
    "accounts.py",  # accounts, on this machine only
    "account_care.py",  # the same
    "demo_accounts.py",  # the same
    "system_keys.py",  # the same
    "messages/addresses.py",  # the messenger, a login that sees addresses and no record
    "messages/sender.py",  # the same
    "messages/post.py",  # counts of messages, on this machine only
}

GRANTS = {"Grant", "PersonGrant", "Work"}
# Columns that several repositories share.
REPOSITORIES = ("repository.py", "profiles/columns.py", "me/statements.py", "sealing.py")
# Clinics are the directory's; pages ask the same services as the API; identity has tests of its own.
WITHOUT_PATIENTS = {"clinics", "pages", "identity"}
STATEMENT = re.compile(r"\b(select|insert into|update|delete from)\b.*\b(from|set|values|into)\b", re.I | re.S)


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    """Calls of a function or method of that name."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and name in (getattr(node.func, "id", None), getattr(node.func, "attr", None))
    ]


def test_only_the_gateway_makes_a_grant() -> None:
    for kind in GRANTS:
        assert [path for path, tree in MODULES.items() if calls(tree, kind)] == ["gateway.py"], kind


def test_nothing_but_a_read_comes_out_of_a_grant() -> None:
    """Private parts of the gateway, a grant's connection first of all, are touched in the gateway alone."""
    private = {"_connection", "_pool", "_event", "_parameters", "_granted", "_deny"}
    for path, tree in MODULES.items():
        touched = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in private}
        assert not touched or path in {"gateway.py", "grants.py", "directory.py"}, (path, touched)


def test_every_feature_folder_reads_through_a_repository() -> None:
    """A folder whose routes answer with data of patients has a repository; what has none shows no patient."""
    folders = {path.split("/")[0] for path in MODULES if "/" in path and path.endswith("routes.py")}
    with_repository = {path.split("/")[0] for path in MODULES if path.endswith("/repository.py")}
    assert with_repository <= folders
    assert folders - with_repository <= WITHOUT_PATIENTS


def test_services_and_routes_name_no_table() -> None:
    """Statements lie in repositories and in what works without a grant, whatever folder comes to be."""
    for path, tree in MODULES.items():
        if path in WITHOUT_A_GRANT or path.startswith("identity/") or path.endswith(REPOSITORIES):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not STATEMENT.search(node.value), (path, node.lineno)


def test_the_lint_finds_what_it_looks_for() -> None:
    """Each rule fails on a module that breaks it."""
    cheat = ast.parse("async def read(grant):\n    rows = await pool.connection().execute('select name from person')")
    assert calls(cheat, "execute") and calls(cheat, "connection") and not calls(cheat, "Grant")
    texts = [node.value for node in ast.walk(cheat) if isinstance(node, ast.Constant)]
    assert any(STATEMENT.search(text) for text in texts)


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
            assert isinstance(first, ast.Name) and first.id in GRANTS, f"{path}: {function.name}"


def test_nobody_else_runs_statements_or_takes_connections() -> None:
    for path, tree in MODULES.items():
        if path not in WITHOUT_A_GRANT and not path.startswith("identity/"):
            assert not calls(tree, "execute") and not calls(tree, "connection"), path
            assert not calls(tree, "connect") and not calls(tree, "connect_admin"), path


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
            )
        ), (path, found)
