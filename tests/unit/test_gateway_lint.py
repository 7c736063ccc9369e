"""Nobody reaches patient data past the gateway: what the code says about itself."""

import ast
from pathlib import Path

import api

FOLDER = Path(api.__file__).parent
MODULES = {path.relative_to(FOLDER).as_posix(): ast.parse(path.read_text()) for path in FOLDER.rglob("*.py")}

# Who talks to the database without a grant, and why that shows no patient.
WITHOUT_A_GRANT = {
    "gateway.py",  # makes the grants
    "recording.py",  # writes the log
    "directory.py",  # clinics and freshness
    "database.py",  # the pool itself
    "app.py",  # `select 1`
    "services.py",  # hands connections to identity
    "accounts.py",  # accounts, on this machine only
    "account_care.py",  # the same
    "demo_accounts.py",  # the same
    "system_keys.py",  # the same
}


def calls(tree: ast.AST, name: str) -> list[ast.Call]:
    """Calls of a function or method of that name."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and name in (getattr(node.func, "id", None), getattr(node.func, "attr", None))
    ]


def test_only_the_gateway_makes_a_grant() -> None:
    assert [path for path, tree in MODULES.items() if calls(tree, "Grant")] == ["gateway.py"]


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
            assert isinstance(first, ast.Name) and first.id == "Grant", f"{path}: {function.name}"


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
            or path.endswith("repository.py")
            or (path, set(found))
            == (
                "recording.py",
                {"audit.disclosure"},
            )
        ), (path, found)
