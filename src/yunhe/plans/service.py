"""Runs a plan: each stage once, whatever happens in between."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from yunhe.kernel.canonical import JsonObject, digest_of
from yunhe.kernel.errors import Conflict, NotFound, YunheError
from yunhe.kernel.progress import Progress
from yunhe.plans import store
from yunhe.plans.domain import Plan, RunState
from yunhe.plans.outcome import page_of, write_outcome
from yunhe.plans.reading import PLAN_BYTES_MAX, parse_plan, read_plan
from yunhe.plans.run import Equipment, Run, Source, run_id
from yunhe.plans.stages.compute import abandon as abandon_workloads
from yunhe.plans.stages.compute import train
from yunhe.plans.stages.corpus import cleanse
from yunhe.plans.stages.evaluation import evaluate
from yunhe.plans.stages.exchange import trade
from yunhe.plans.stages.governance import release
from yunhe.plans.stages.models import register
from yunhe.plans.stages.people import people
from yunhe.plans.stages.serving import serve
from yunhe.plans.stages.verification import verify
from yunhe.plans.store import StoredRun
from yunhe.storage import leases
from yunhe.storage.database import Transaction
from yunhe.storage.leases import LEASE_SECONDS, Claim
from yunhe.storage.service import Storage

__all__ = [
    "PLAN_BYTES_MAX",
    "STAGES",
    "Equipment",
    "Run",
    "Source",
    "abandon",
    "checked",
    "execute",
    "files_of",
    "finished",
    "keywords_of",
    "page_of",
    "prepare",
    "reopen",
    "run_state",
    "run_states",
    "write_outcome",
]

STAGES: tuple[tuple[str, Callable[[Run], JsonObject]], ...] = (
    ("people", people),
    ("corpus", cleanse),
    ("exchange", trade),
    ("compute", train),
    ("models", register),
    ("evaluation", evaluate),
    ("governance", release),
    ("serving", serve),
    ("verification", verify),
)
"""In the order in which they build on each other."""
_WORK = "plans.run"


def prepare(equipment: Equipment, path: Path, given: Source | None, progress: Progress) -> Run:
    """Read a plan and its input and write the run down; the same ones give the same run.

    ``given`` replaces the plan's input; its empty columns mean the plan's. Errors: of
    `read_plan`; `NotFound` ``plans.no_input``.
    """
    plan = read_plan(path)
    source = _source(plan, path.parent, given)
    plan_digest = equipment.storage.blobs.put(path.read_bytes()).digest
    columns = [source.text, source.label, source.id]
    beside = [source.truth, _keywords_of(plan, path.parent)]
    input_digest = digest_of(
        [_digest_of_file(source.path), columns]
        + [_digest_of_file(each) if each is not None else None for each in beside]
    )
    run = run_id(plan_digest, input_digest)
    now_us = equipment.storage.clock.now_us()
    with equipment.storage.database.begin() as tx:
        store.add_run(
            tx,
            run=run,
            plan=plan.name,
            plan_digest=plan_digest,
            input_digest=input_digest,
            input_path=str(source.path.resolve()),
            at_us=now_us,
        )
        leases.enqueue(tx, kind=_WORK, key=run, payload={}, at_us=now_us)
        stored = store.find_run(tx, run)
    started_us = stored.started_at_us if stored else now_us
    return Run(run, started_us, plan, path.parent, source, equipment, progress)


def files_of(raw: bytes) -> tuple[str, ...]:
    """The names of all files that a plan's text names; none of them is opened.

    Errors: `Invalid` ``plans.invalid`` with one finding per fault of form.
    """
    return _named(parse_plan(raw, Path("plan.yaml"), meaning=False))


def checked(folder: Path) -> None:
    """Return when ``plan.yaml`` there says what can be run, with what lies beside it.

    Errors: `Invalid` ``plans.invalid`` with one finding per fault, as for a run.
    """
    read_plan(folder / "plan.yaml")


def keywords_of(raw: bytes) -> str | None:
    """The one file that a plan is judged by before it runs; errors as `files_of`."""
    return parse_plan(raw, Path("plan.yaml"), meaning=False).evaluation.baseline.keywords_file


def _named(plan: Plan) -> tuple[str, ...]:
    named = (plan.data.input, plan.data.truth, plan.evaluation.baseline.keywords_file)
    return tuple(name for name in named if name is not None)


def reopen(equipment: Equipment, run: str | None, progress: Progress) -> Run:
    """A run that was started before (the latest when None), with what its stages left, to look at.

    Errors: `NotFound` ``plans.no_run``.
    """
    with equipment.storage.database.read() as tx:
        stored = store.find_run(tx, run)
        if stored is None:
            raise NotFound("plans.no_run", home=str(equipment.home))
        done = store.finished_stages(tx, stored.id)
    path = Path(f"{stored.plan}.yaml")
    plan = parse_plan(equipment.storage.blobs.read(stored.plan_digest), path, meaning=False)
    source = Source(Path(stored.input_path), None, plan.data.columns.text, None, None)
    found = Run(stored.id, stored.started_at_us, plan, path.parent, source, equipment, progress)
    found.results.update({name: stage.result for name, stage in done.items()})
    return found


def run_states(
    tx: Transaction, *, after: tuple[int, str] = (0, ""), limit: int = 50
) -> list[RunState]:
    """Runs, newest first; ``after``: start and id of the last one already seen."""
    return _states(tx, store.newest_runs(tx, after=after, limit=limit))


def run_state(tx: Transaction, run: str) -> RunState:
    """A run as it stands. Errors: `NotFound` ``plans.run_unknown``."""
    found = store.find_run(tx, run)
    if found is None:
        raise NotFound("plans.run_unknown", run=run[:64])
    return _states(tx, [found])[0]


def _states(tx: Transaction, found: Sequence[StoredRun]) -> list[RunState]:
    done = store.stages_of(tx, [run.id for run in found])
    return [
        RunState(
            id=run.id,
            plan=run.plan,
            plan_digest=run.plan_digest,
            started_at_us=run.started_at_us,
            finished_at_us=run.finished_at_us,
            passed=run.passed,
            stages=tuple(done[run.id]),
        )
        for run in found
    ]


def _source(plan: Plan, folder: Path, given: Source | None) -> Source:
    columns = plan.data.columns
    if given is None:
        truth = folder / plan.data.truth if plan.data.truth else None
        source = Source(folder / plan.data.input, truth, columns.text, columns.label, columns.id)
    else:
        beside = given.path.parent / "truth.jsonl"
        source = Source(
            given.path,
            given.truth or (beside if beside.is_file() else None),
            given.text or columns.text,
            given.label or columns.label,
            given.id or columns.id,
        )
    if not source.path.is_file():
        raise NotFound("plans.no_input", path=str(source.path))
    return source


def _keywords_of(plan: Plan, folder: Path) -> Path | None:
    name = plan.evaluation.baseline.keywords_file
    return folder / name if name is not None else None


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as handle:
        return "sha256:" + hashlib.file_digest(handle, "sha256").hexdigest()


def finished(run: Run) -> frozenset[str]:
    """The stages that are done."""
    with run.storage.database.read() as tx:
        return frozenset(store.finished_stages(tx, run.id))


def execute(run: Run) -> bool:
    """Do every stage that is not done; whether the gate was passed and the whole chain verified.

    What an interrupted stage had begun, the next call goes on with. Errors: `Conflict`
    ``plans.running`` while another process executes the run; whatever a stage refuses. Asked to
    stop through its progress or ``equipment.halt``, it raises `Stopped` with finished stages kept.
    """
    with run.storage.database.read() as tx:
        done = store.finished_stages(tx, run.id)
    run.results.update({name: stage.result for name, stage in done.items()})
    if len(done) == len(STAGES):
        return bool(run.results["verification"]["ok"])
    with _held(run.storage, run.id) as claim:
        for position, (name, _) in enumerate(STAGES):
            if name not in done:
                _do(run, claim, position)
            if name == "evaluation" and not run.results[name]["passed"]:
                _stopped_by_gate(run)
                return False
    return bool(run.results["verification"]["ok"])


def abandon(run: Run) -> None:
    """End what an unfinished run has started elsewhere, as nobody will go on with it."""
    abandon_workloads(run)


def _do(run: Run, claim: Claim, position: int) -> None:
    name, stage = STAGES[position]
    run.progress.step(f"plans.stage.{name}", done=position, total=len(STAGES))
    began = time.monotonic_ns()
    run.results[name] = result = stage(run)
    with run.storage.database.begin() as tx:
        store.finish_stage(
            tx,
            run=run.id,
            stage=name,
            position=position,
            milliseconds=(time.monotonic_ns() - began) // 1_000_000,
            result=result,
        )
        if position == len(STAGES) - 1:
            passed = bool(result["ok"])
            store.finish_run(tx, run=run.id, passed=passed, at_us=run.storage.clock.now_us())
            leases.finish(tx, claim, result={})


def _stopped_by_gate(run: Run) -> None:
    """Nothing comes after a gate that was not passed; a later call finds the same results."""
    with run.storage.database.begin() as tx:
        store.finish_run(tx, run=run.id, passed=False, at_us=run.storage.clock.now_us())


@contextmanager
def _held(storage: Storage, run: str) -> Iterator[Claim]:
    """The run, for this process alone; handed back unless its last stage finished it."""
    claim = leases.claim(storage, [_WORK], key=run)
    if claim is None:
        with storage.database.read() as tx:
            holder = leases.holder_of(tx, kind=_WORK, key=run) or ""
        raise Conflict("plans.running", holder=holder.rsplit("/", 2)[1] if holder else "?")
    stop = threading.Event()
    beating = threading.Thread(target=_beat, args=(storage, claim, stop), daemon=True)
    beating.start()
    try:
        yield claim
    finally:
        stop.set()
        beating.join()
        # Finished, taken over, or the disk is full: whichever it is, another error already tells.
        with suppress(YunheError), storage.database.begin() as tx:
            leases.hand_back(tx, claim)


def _beat(storage: Storage, claim: Claim, stop: threading.Event) -> None:
    while not stop.wait(LEASE_SECONDS / 3):
        try:
            leases.heartbeat(storage, claim)
        except YunheError:
            return  # the apply at the end will say so, with the reason
