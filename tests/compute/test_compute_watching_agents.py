"""What an agent sees of its runs' devices, and that its reports carry it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from test_compute_agent_beside import JOB, Table, nothing
from test_compute_watching_sites import DOWN, PaperWatch

from yunhe.client.wire.agents import AgentEnd, AgentReport
from yunhe.compute.providers.agent_beside import Beside, Word
from yunhe.compute.providers.agent_folder import AgentFolder, Note
from yunhe.compute.providers.agent_run import Desk, Run, _said
from yunhe.compute.providers.agent_watch import EVERY_SECONDS, AgentWatch, Using
from yunhe.compute.providers.seam import Metered
from yunhe.compute.utilisation.domain import Look, Used
from yunhe.kernel.clock import SECOND_US


class Watched(Table):
    """A scheduler on paper whose devices somebody watches."""

    def __init__(self, tmp_path, *, chips=("cpu",)) -> None:
        super().__init__(tmp_path)
        self.watch = PaperWatch(says={JOB.id: 120}, chips=chips)
        self.site.watch = self.watch
        self.beside = Beside(self.site, rest=self.rest, clock=lambda: self.steady)
        self.use, self.taken = Using(), []

    def rest(self, seconds: float) -> None:
        self.steady += EVERY_SECONDS
        self.taken.append(self.use.taken())
        super().rest(seconds)

    def run(self, *steps):
        self.next = list(steps)
        word = Word(self.stopped, lambda: None, self.heard, self.use)
        return self.beside.run(JOB, blobs=self.blobs, word=word)


def test_a_run_beside_a_scheduler_is_watched_while_it_runs_and_told_with_its_end(tmp_path):
    table = Watched(tmp_path)
    outcome = table.run(nothing, table.begin, nothing, nothing, table.end)
    assert table.watch.asked == [[JOB.id]] * 3
    assert [each for each in table.taken if each != (None, None)] == [(120, None)] * 3
    metered = outcome.metered
    assert (metered.utilisation_per_thousand, metered.utilisation_samples) == (120, 3)
    assert not metered.unwatched
    end = AgentEnd.model_validate(_said(outcome))
    assert (end.utilisation_per_thousand, end.unwatched) == (120, False)


@pytest.mark.parametrize("fault", [None, DOWN], ids=["unseen", "down"])
def test_a_run_that_nobody_saw_is_told_as_unwatched(tmp_path, fault):
    table = Watched(tmp_path)
    table.watch.says, table.watch.fault = {}, fault
    outcome = table.run(nothing, table.begin, nothing, table.end)
    assert set(table.taken) == {(None, None)}
    assert (outcome.metered.utilisation_per_thousand, outcome.metered.unwatched) == (None, True)
    assert AgentEnd.model_validate(_said(outcome)).unwatched


def test_a_chip_that_nobody_watches_is_told_of_as_before(tmp_path):
    table = Watched(tmp_path, chips=())
    outcome = table.run(nothing, table.begin, nothing, table.end)
    assert (table.watch.asked, outcome.metered.unwatched) == ([], False)


class Minutes:
    """A steady clock and the time, moved by hand."""

    def __init__(self) -> None:
        self.steady = 0.0

    def now_us(self) -> int:
        return int((1_000 + self.steady) * SECOND_US)


def test_all_runs_are_looked_at_together_and_no_sooner_than_it_is_time():
    clock, watch = Minutes(), PaperWatch(says={"a": 10, "b": 30})
    seen = AgentWatch(watch, clock=lambda: clock.steady, now_us=clock.now_us)
    for _ in range(5):
        for name in ("a", "b"):
            seen.follow(replace(JOB, id=name), name)
    assert watch.asked == [["a"]]
    clock.steady += EVERY_SECONDS
    seen.follow(replace(JOB, id="a"), "a")
    assert watch.asked == [["a"], ["a", "b"]]
    assert (seen.latest("a"), seen.latest("a"), seen.latest("b")) == (10, None, 30)
    assert seen.told("a", Metered(1, 0, 0, 0)).utilisation_samples == 2
    assert seen.told("a", Metered(1, 0, 0, 0)).unwatched  # it was let go


def test_a_look_is_not_counted_for_a_run_that_ended_meanwhile():
    clock = Minutes()

    class Slow(PaperWatch):
        def look(self, subjects, *, now_us):
            seen.told("a", Metered(1, 0, 0, 0))
            return Look({"a": Used(5, 1, 5)}, now_us)

    seen = AgentWatch(Slow(), clock=lambda: clock.steady, now_us=clock.now_us)
    seen.follow(replace(JOB, id="a"), "a")
    assert seen.latest("a") is None


def test_between_two_reports_the_busiest_look_and_the_last_processor_time_count_once():
    use = Using()
    for said in (0, 700, 20):
        use.utilised(said)
        use.used(said)
    assert (use.taken(), use.taken()) == ((700, 20), (None, None))


class Platform:
    """Takes reports."""

    def __init__(self) -> None:
        self.agents, self.reports = self, []

    def report(self, site: str, job: str, said: AgentReport) -> None:
        self.reports.append((site, job, said))


class Busy:
    """A provider whose job uses so much and then ends."""

    def __init__(self, run_at) -> None:
        self.run_at = run_at

    def run(self, job, *, blobs, progress, stopped, live):
        live.used(50)
        live.utilised(640)
        self.run_at().send_use()
        self.run_at().send_use()  # nothing is new
        raise SystemExit


def test_a_report_of_a_run_on_this_machine_carries_what_its_instruments_say(tmp_path):
    platform, made = Platform(), SimpleNamespace(run=None)
    folder = AgentFolder(tmp_path)
    with folder.entered():
        provider = Busy(lambda: made.run)
        desk = Desk(platform, "yard", folder, provider, lambda: 3)
        asked = {"entry_point": "x", "devices": 1, "wall_seconds_max": 1, "cpu_seconds_max": 1}
        made.run = Run(desk, Note("w-1", 1, {**asked, "memory_bytes_max": 1}))
        with pytest.raises(SystemExit):
            made.run._ended()
    using = [said.using for _, _, said in platform.reports if said.using is not None]
    assert [(one.per_thousand, one.cpu_ms) for one in using] == [(640, 50)]
    assert platform.reports[0][2].using is None  # it has begun


def test_where_nobody_watches_the_processor_time_that_the_scheduler_tells_is_said(tmp_path):
    table = Watched(tmp_path, chips=())
    table.site.live = SimpleNamespace(used=lambda job: 70 if job == JOB.id else None)
    table.run(nothing, table.begin, nothing, table.end)
    assert (None, 70) in table.taken


def test_where_somebody_watches_processor_time_is_no_sign(tmp_path):
    table = Watched(tmp_path)
    table.site.live = SimpleNamespace(used=lambda job: 70)
    table.watch.says = {}
    table.run(nothing, table.begin, nothing, table.end)
    assert set(table.taken) == {(None, None)}
