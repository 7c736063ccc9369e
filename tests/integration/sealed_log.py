"""A sealed log for tests to tamper with, as the superuser."""

from pathlib import Path
from uuid import UUID, uuid4

from infra.audit_tree.export import export
from infra.audit_tree.status import newest_checkpoint, public_keys
from infra.audit_tree.streams import ACCESS, IMPERSONATION, Stream
from infra.audit_tree.verify_file import verify_file
from infra.database import Server, connect_admin
from policies.audit.verify import Verified
from tests.integration.sealing import add_batch, add_events, add_impersonations, add_pull, seal_all

TABLES = (
    "access_event", "disclosure", "disclosure_chunk", "batch_patient", "impersonation_event", "leaf", "tree_node",
    "checkpoint",
)  # fmt: skip
NORTH, SOUTH = 1, 2
# Of one chunk.
PULLED = [UUID(f"abc00000-0000-4000-8000-00000000000{number}") for number in range(3)]


class Log:
    """A log of a few hundred events at two clinics, sealed in steps, and a checkpoint that was kept from before."""

    def __init__(self, at: Server, folder: Path) -> None:
        self.at, self.folder = at, folder
        self.patients = [uuid4() for _ in range(3)]
        add_events(at, 10, NORTH, self.patients)
        add_impersonations(at, 3)
        seal_all(at)
        add_events(at, 10, SOUTH, self.patients)
        add_impersonations(at, 3)
        seal_all(at)
        self.older = folder / "older"
        self.older.write_text(newest_checkpoint(at, ACCESS))
        self.older_impersonation = folder / "older-impersonation"
        self.older_impersonation.write_text(newest_checkpoint(at, IMPERSONATION))
        add_events(at, 300, NORTH, self.patients[:1])
        add_impersonations(at, 10)
        self.batch = add_batch(at, NORTH, "forms", self.patients)
        self.pull = add_pull(at, NORTH, PULLED)
        seal_all(at)
        self.keys = folder / "keys"
        self.keys.write_text("\n".join(map(str, public_keys(at))))
        with connect_admin(at) as admin:
            for table in TABLES:
                admin.execute(f"create table public.saved_{table} as select * from audit.{table}")

    def change(self, *statements: str) -> None:
        """As the superuser, past triggers and walls."""
        with connect_admin(self.at) as admin, admin.transaction():
            admin.execute("set local session_replication_role = replica")
            for statement in statements:
                admin.execute(statement)

    def restore(self) -> None:
        self.change(*(f"delete from audit.{t}" for t in TABLES))
        self.change(*(f"insert into audit.{t} select * from public.saved_{t}" for t in TABLES))

    def verified(self, clinic: str | None = None, name: str = "export.gz") -> Verified:
        """Export, and verify it."""
        made = export(self.at, self.folder / name, clinic=clinic)
        return verify_file(made.path, [str(self.keys)], [self.older])

    def impersonations(self, name: str = "impersonations.gz") -> Verified:
        """The same of the other log."""
        made = export(self.at, self.folder / name, IMPERSONATION)
        return verify_file(made.path, [str(self.keys)], [self.older_impersonation])

    def event(self, index: int, stream: Stream = ACCESS) -> UUID:
        query = "select event_id from audit.leaf where stream = %s and index = %s"
        with connect_admin(self.at) as admin:
            return admin.execute(query, [stream.name, index]).fetchone()[0]  # type: ignore[index]

    def index(self, event: UUID) -> int:
        with connect_admin(self.at) as admin:
            row = admin.execute("select index from audit.leaf where event_id = %s", [event]).fetchone()
            return row[0]  # type: ignore[index, no-any-return]
