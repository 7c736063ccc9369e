"""The pipeline's book: how each step of a run went in each clinic. Ids, counts and SQLSTATEs only."""

from dataclasses import dataclass, field

from infra.database import Server, connect
from infra.roles import Login


@dataclass(frozen=True)
class Fault:
    """Where and how a clinic failed."""

    step: str
    sqlstate: str | None
    constraint: str | None

    def __str__(self) -> str:
        return f"{self.step} (SQLSTATE {self.sqlstate}{', ' + self.constraint if self.constraint else ''})"


@dataclass(frozen=True)
class Ledger:
    """The steps done in each clinic, and the first fault of each clinic that has one."""

    done: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, Fault] = field(default_factory=dict)

    def is_done(self, clinic: str, step: str) -> bool:
        """Whether a step is done in a clinic, and nothing failed there."""
        return step in self.done.get(clinic, ()) and clinic not in self.failed


def note(at: Server, run_id: str, clinic: str, fault: Fault) -> None:
    """Write down how a clinic failed."""
    with connect(Login.PIPELINE, at=at) as connection:
        connection.execute(
            "insert into pipeline.clinic_run (invocation_id, model, clinic, status, sqlstate, constraint_name)"
            " values (%s, %s, %s, 'failed', %s, %s)",
            [run_id, fault.step, clinic, fault.sqlstate, fault.constraint],
        )


def read(at: Server, run_id: str) -> Ledger:
    """What the book says about a run."""
    with connect(Login.PIPELINE, at=at) as connection:
        rows = connection.execute(
            "select clinic, model, status, sqlstate, constraint_name from pipeline.clinic_run"
            " where invocation_id = %s and status <> 'skipped' order by finished_at, model",
            [run_id],
        ).fetchall()
    ledger = Ledger()
    for clinic, step, status, sqlstate, constraint in rows:
        if status == "done":
            ledger.done.setdefault(clinic, []).append(step)
        else:
            ledger.failed.setdefault(clinic, Fault(step, sqlstate, constraint))
    return ledger
