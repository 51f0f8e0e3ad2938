"""`plans.run` as an operation: the whole chain by a worker, whatever happens to the worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from operation_desk import Desk, until
from test_operations_cleansing import leftovers, upload
from test_operations_processes import process  # noqa: F401 (a fixture)

from yunhe.compute import service as compute
from yunhe.custody import service as custody
from yunhe.governance import service as governance
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, ManualClock
from yunhe.ledger import service as ledger
from yunhe.models import service as models
from yunhe.notices import service as notices
from yunhe.operations import measures
from yunhe.operations.handlers.plans_run import run_plan
from yunhe.plans import service as plans
from yunhe.plans.service import STAGES
from yunhe.storage.kept_errors import restored
from yunhe.storage.service import Storage

ROOT = Path(__file__).parents[2]
PLAN = (ROOT / "examples" / "hotline" / "plan.yaml").read_text("utf-8")
EASY = PLAN
for _old, _new in (
    ("at_least: 0.75", "at_least: 0.2"),
    ("over_baseline: 0.03", "over_baseline: 0"),
    ("kind: keywords, keywords_file: keywords.yaml", "kind: majority"),
    ("valid_days: 180", "valid_days: 390"),  # longer than the yearly check
):
    assert EASY.count(_old) == 1
    EASY = EASY.replace(_old, _new)


@pytest.fixture(scope="module")
def tickets(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("tickets")
    script = ROOT / "examples" / "hotline" / "generate.py"
    command = [sys.executable, str(script), "--count", "500", "--seed", "7", "-o", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "tickets.jsonl").read_bytes()


@pytest.fixture
def office(desk, tickets) -> Office:
    return Office(desk, tickets)


class Office:
    """An operator who uploads a plan and asks for its run."""

    def __init__(self, desk: Desk, tickets: bytes, plan: str = EASY) -> None:
        self.desk, self.storage = desk, desk.storage
        self.organisation, self.member = desk.people("office", "operator", "operator")
        self.plan, self.tickets = self.upload(plan.encode()), self.upload(tickets)

    def upload(self, data: bytes) -> str:
        return upload(self.desk, data, organisation=self.organisation, member=self.member)

    def ask(self, key: str = "k", *, plan: str | None = None, member: str | None = None, **files):
        return self.desk.ask(
            "plans.run",
            key,
            organisation=self.organisation,
            member=member or self.member,
            plan=plan or self.plan,
            files={"tickets.jsonl": self.tickets} | files,
        )

    def assert_sound(self, *, trainings: int = 1) -> None:
        """Ledger and log hold, nothing is held any more, and each training was paid once."""
        with self.storage.database.read() as tx:
            assert ledger.replay(tx).ok
            assert ledger.holds_open(tx) == []
            known = [one for one in compute.workloads(tx) if one.usage is not None]
        assert len(known) == trainings
        assert all(one.state in ("settled", "cancelled") for one in known)
        assert self.desk.platform.audit(None).ok
        assert leftovers(self.desk) == []


class At:
    """Runs plans, and does something when the run comes to a certain step."""

    def __init__(self, step: str, then) -> None:
        self.step_, self.then, self.hit = step, then, False

    def __call__(self, platform, task, *, progress, halt):
        outer = self

        class Told:
            def step(self, what, *, done, total=None):
                progress.step(what, done=done, total=total)
                at_work = what == outer.step_
                if outer.step_ == "training":
                    at_work = not what.startswith(("plans.", "corpus."))
                if at_work and not outer.hit:
                    outer.hit = True
                    outer.then()
                    progress._look()  # the test does not wait for its second

        return run_plan(platform, task, progress=Told(), halt=halt)


def test_an_uploaded_plan_runs_to_a_verified_answer_and_its_reports(office):
    desk = office.desk
    desk.started({"plans.run": run_plan}, slots=2)  # the other slot may take the training
    asked = office.ask()
    ended = desk.wait(asked)
    assert ended.state == "done", restored(ended.error)
    assert ended.result["ok"] is True
    pages = {
        language: office.storage.blobs.read(digest).decode()
        for language, digest in ended.result["reports"].items()
    }
    assert 'lang="en"' in pages["en"]
    assert 'lang="zh' in pages["zh"]
    receipt = office.storage.blobs.read(ended.result["receipt"])
    assert custody.verify(receipt, custody.trust(desk.platform.settings.home)).ok
    office.assert_sound()
    assert_reminded(office)
    again = desk.wait(office.ask("again"))
    assert again.result["run"] == ended.result["run"]
    office.assert_sound()


def assert_reminded(office) -> None:
    """The officer of the model's owner hears of its measures before their evidence runs out."""
    storage = office.storage
    now_us = storage.clock.now_us()
    with storage.database.read() as tx:
        [version] = models.versions(tx)
        [release] = governance.releases(tx, version.id)
        due_us = [
            state.due_at_us
            for state in governance.measures_due(tx, release.risk, now_us=now_us)
            if state.due_at_us is not None and state.due_at_us < release.valid_until_us
        ]
    assert due_us
    for days, told in ((31, False), (29, True)):
        clock = ManualClock(min(due_us) - days * DAY_US)
        reminded = measures.remind(Storage(storage.database, storage.blobs, clock))
        assert (reminded > 0) is told
    with storage.database.read() as tx:
        officers = identity.members_with_role(tx, "risk_officer")
        [told] = [
            notice
            for officer in officers
            for notice in notices.feed(tx, officer.id)
            if notice.kind == "measure_expiring"
        ]
    assert told.subject == version.id
    assert "governance.measure" not in told.message("en")


@pytest.mark.slow
def test_cancelled_at_every_stage_in_turn_it_ends_at_once_and_the_next_goes_on_from_there(office):
    desk, steps = office.desk, [f"plans.stage.{name}" for name, _ in STAGES]
    for step in [*steps[:4], "training", *steps[4:-1]]:
        asked = office.ask(step)
        made = desk.worker({"plans.run": At(step, lambda asked=asked: desk.cancel(asked))})
        assert made.run_once()
        assert desk.see(asked).state == "cancelled", step
        with office.storage.database.read() as tx:
            assert ledger.holds_open(tx) == [], step
    last = office.ask("last")
    assert desk.worker({"plans.run": run_plan}).run_once()
    ended = desk.see(last)
    assert ended.state == "done", restored(ended.error)
    office.assert_sound(trainings=2)  # the one that was cancelled while it ran was paid, too


def test_a_worker_that_stops_inside_the_training_leaves_it_to_another_and_it_is_paid_once(office):
    desk = office.desk
    stopping = At("training", lambda: first._stopping.set())  # noqa: PLW0108 (bound below)
    first = desk.started({"plans.run": stopping})
    asked = office.ask()
    until(lambda: stopping.hit, "the training")
    assert first.stop(15)
    back = desk.see(asked)
    assert (back.state, back.workers_lost) == ("waiting", 0)
    with office.storage.database.read() as tx:
        [training] = compute.workloads(tx)
    assert (training.state, training.usage) == ("placed", None)
    desk.started({"plans.run": run_plan})
    assert desk.wait(asked).state == "done"
    office.assert_sound()


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_of_a_run_is_replaced_and_nothing_is_doubled(
    office,
    process,  # noqa: F811
):
    desk = office.desk
    asked = office.ask()
    for _ in range(2):
        doomed = process("real")
        until(lambda: desk.see(asked).state == "running", "the beginning")
        seen = desk.see(asked).step
        until(lambda: desk.see(asked).step not in ("", seen), "a stage")  # noqa: B023
        doomed.kill()
    desk.started({"plans.run": run_plan})
    ended = desk.wait(asked)
    assert ended.state == "done", restored(ended.error)
    assert ended.workers_lost == 2
    until(lambda: leftovers(desk) == [] or desk.worker({})._sweep(), "the sweeping")
    office.assert_sound()


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "../../secrets.key", "keys/../../x.yaml", "other.yaml"]
)
def test_a_plan_can_not_name_files_of_the_server(office, name):
    """Each file it names must have come with it, under a name that stays in its folder."""
    plan = PLAN.replace("keywords_file: keywords.yaml", f"keywords_file: {name}")
    made = office.desk.worker({"plans.run": run_plan})
    left_out = office.ask("left out", plan=office.upload(plan.encode()))
    assert made.run_once()
    error = restored(office.desk.see(left_out).error)
    assert error.code == "operations.plan_files"
    assert [finding.params for finding in error.findings] == [(("name", name),)]
    if name == "other.yaml":
        return
    brought = office.ask("brought", plan=office.upload(plan.encode()), **{name: office.tickets})
    assert made.run_once()
    assert office.desk.see(brought).error["code"] == "operations.payload_invalid"


def test_only_an_operator_may_have_a_plan_run_as_it_acts_for_everybody(office):
    _, trainer = office.desk.people("uni", "university", "trainer")
    made = office.desk.worker({"plans.run": run_plan})
    asked = office.ask(member=trainer)
    assert made.run_once()
    assert office.desk.see(asked).error["code"] == "identity.role_missing"


def test_faults_of_a_plan_are_told_whole_with_their_places(office):
    plan = EASY.replace("currency: CNY", "currency: yuan").replace("seed: 12345", "seed: x")
    made = office.desk.worker({"plans.run": run_plan})
    asked = office.ask(plan=office.upload(plan.encode()))
    assert made.run_once()
    error = restored(office.desk.see(asked).error)
    assert error.code == "plans.invalid"
    assert len(error.findings) >= 2
    assert all(finding.where.startswith("plan.yaml:") for finding in error.findings)


def test_a_run_whose_gate_failed_has_ended_and_its_notice_says_so(office):
    hard = EASY.replace("at_least: 0.2", "at_least: 0.99")
    made = office.desk.worker({"plans.run": run_plan})
    for key in ("once", "again"):
        asked = office.ask(key, plan=office.upload(hard.encode()))
        while made.run_once():
            pass
        ended = office.desk.see(asked)
        assert (ended.state, ended.result["ok"]) == ("done", False)
        with office.storage.database.read() as tx:
            state = plans.run_state(tx, ended.result["run"])
            told = notices.feed(tx, office.member)
        assert state.passed is False
        assert state.finished_at_us is not None
        assert state.stages[-1] == "evaluation"
        [notice] = [each for each in told if each.subject == asked.id]
        assert "without passing" in notice.message("en")
        assert "未通过" in notice.message("zh")
