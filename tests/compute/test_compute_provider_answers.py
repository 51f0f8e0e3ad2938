"""What a scheduler answers, odd and hostile answers too: understood, or said to be nonsense.

The server is a table of answers, so that every shape can be given which no real one gives on
demand; what a real controller gives is in `test_compute_slurm.py`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.providers import slurm, slurm_rest
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.ray_jobs import RayProvider
from yunhe.compute.providers.rest import REASON_LETTERS_MAX, Rest, shown
from yunhe.compute.providers.seam import Job
from yunhe.compute.providers.slurm import SlurmOptions, SlurmProvider
from yunhe.compute.providers.staging import Staging
from yunhe.compute.remote import store
from yunhe.kernel.clock import SECOND_US, ManualClock
from yunhe.kernel.errors import NotAllowed, Unavailable
from yunhe.storage.blobs import LocalBlobs

CHIPS = {"a100": "gpu:a100", "cpu": ""}
HUGE = 10**40


@dataclass
class Said:
    """One answer."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def said(value: object, status: int = 200, **headers: str) -> Said:
    return Said(json.dumps(value).encode(), status, headers)


@dataclass
class Scripted:
    """Answers by method and the end of the path; keeps what it was asked."""

    answers: dict[str, Said | Callable[[], Said]]
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)

    def request(self, method, url, *, headers, content, bytes_max, seconds_max) -> Said:
        path = url.split("://", 1)[1].partition("/")[2]
        self.asked.append((method, path, content))
        for end, answer in self.answers.items():
            wanted, _, tail = end.partition(" ")
            if method == wanted and path.endswith(tail):
                return answer() if callable(answer) else answer
        raise AssertionError(f"nobody expected {method} {path}")


OPENAPI = said({"paths": {"/slurm/v0.0.38/jobs": {}}})
NO_JOBS = said({"jobs": []})
NODES = {
    "nodes": [
        {"name": "g1", "state": "idle", "cpus": 64, "idle_cpus": 60, "real_memory": 512_000,
         "gres": "gpu:a100:8(S:0-1),gpu:l40:2", "gres_used": "gpu:a100:3(IDX:0,2-3),gpu:l40:0"},
    ]
}  # fmt: skip


def slurm_at(folder: Path, answers: dict, **over) -> tuple[SlurmProvider, Scripted]:
    (folder / "key").write_bytes(b"k" * 32)
    options = SlurmOptions(
        address="http://slurm.test/",
        user="u",
        partition="work",
        chips=CHIPS,
        key_file=folder / "key",
    )
    shared = folder / "shared"
    staging = Staging(shared, str(shared), {TRIAL: TRIAL_ENTRY_POINT})
    server = Scripted({"GET openapi/v3": OPENAPI, "GET nodes": said(NODES), **answers})
    made = SlurmProvider(
        "centre",
        replace(options, **over),
        staging=staging,
        outbound=server,
        clock=ManualClock(),
    )
    return made, server


def ray_at(folder: Path, answers: dict, **over) -> tuple[RayProvider, Scripted]:
    shared = folder / "shared"
    server = Scripted(answers)
    made = RayProvider(
        "lab",
        address="http://ray.test",
        chips=over.pop("chips", {"a100": "GPU", "cpu": "CPU", "npu": "ascend910b"}),
        staging=Staging(shared, str(shared), {TRIAL: TRIAL_ENTRY_POINT}),
        outbound=server,
        **over,
    )
    return made, server


def job(**over) -> Job:
    plain = Job(
        id="workload_1-1",
        entry_point=TRIAL,
        arguments={"action": "copy", "word": "x"},
        inputs={},
        devices=1,
        wall_seconds_max=60,
        cpu_seconds_max=60,
        memory_bytes_max=1 << 30,
        chip="a100",
        approved=frozenset({find_program(TRIAL, TRIAL_ENTRY_POINT).digest}),
    )
    return replace(plain, **over)


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


def slurm_job(**over) -> dict:
    return {
        "job_id": 7,
        "name": "workload_1-1",
        "job_state": "RUNNING",
        "state_reason": "None",
        "start_time": 1_000,
        "end_time": 2_000,
        "exit_code": 0,
        "restart_cnt": 0,
        "nodes": "g1",
        **over,
    }


def report_of(folder: Path, **over):
    provider, _ = slurm_at(
        folder,
        {"GET jobs": said({"jobs": [slurm_job(**over)]}), "GET diag": said({"statistics": {}})},
    )
    (report,) = provider.status(["workload_1-1"]).reports
    return report


@pytest.mark.parametrize(
    ("state", "over", "phase"),
    [
        ("PENDING", {"nodes": "", "start_time": 0}, "queued"),
        ("CONFIGURING", {}, "queued"),
        ("RUNNING", {}, "running"),
        ("SUSPENDED", {}, "running"),
        (["CANCELLED", "COMPLETING"], {}, "running"),
        ("COMPLETED", {}, "succeeded"),
        ("FAILED", {"exit_code": 256}, "failed"),
        ("TIMEOUT", {}, "failed"),
        ("DEADLINE", {"nodes": ""}, "failed"),
        ("OUT_OF_MEMORY", {}, "failed"),
        ("CANCELLED", {}, "lost"),  # nobody here asked for it
        ("NODE_FAIL", {}, "lost"),
        ("PREEMPTED", {}, "lost"),
        ("BOOT_FAIL", {"nodes": ""}, "lost"),
        ("FAILED", {"exit_code": 76 << 8}, "lost"),  # the station would not have it
        ("FAILED", {"exit_code": 77 << 8}, "lost"),
        ("FAILED", {"nodes": "", "start_time": 0}, "lost"),  # never got a node
        ("FAILED", {"state_reason": "JobLaunchFailure"}, "lost"),
        ("PENDING", {"state_reason": "launch failed requeued held"}, "lost"),
        ("PENDING", {"state_reason": "JobHeldAdmin"}, "lost"),
        ("PENDING", {"state_reason": "JobHeldUser"}, "queued"),
        # As 22.05 says it of a launch that failed: the reason alone is that of a user's own hold.
        (
            "PENDING",
            {"state_reason": "JobHeldUser", "state_description": "launch failed requeued held"},
            "lost",
        ),
        ("SOMETHING_NEW", {}, "queued"),
        ("", {}, "queued"),
        (None, {}, "queued"),
    ],
)
def test_every_state_of_slurm_is_a_phase(tmp_path: Path, state, over, phase) -> None:
    assert report_of(tmp_path, job_state=state, **over).phase == phase


def test_a_program_of_ours_may_end_with_the_stations_own_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "shared" / "workload_1-1"
    folder.mkdir(parents=True)
    (folder / "ended.json").write_text('{"status": 76}')
    assert report_of(tmp_path, job_state="FAILED", exit_code=76 << 8).phase == "failed"


def test_what_was_cancelled_from_here_is_stopped_and_not_lost(tmp_path: Path) -> None:
    folder = tmp_path / "shared" / "workload_1-1"
    folder.mkdir(parents=True)
    (folder / "cancelled").touch()
    report = report_of(tmp_path, job_state="CANCELLED", nodes="", start_time=1_000)
    assert (report.phase, report.ran) == ("stopped", False)


def test_a_reason_is_shown_only_while_it_waits_and_never_as_none(tmp_path: Path) -> None:
    waiting = report_of(
        tmp_path, job_state="PENDING", state_reason="Resources\n\x1b[31m" + "x" * 999
    )
    said_of = dict(waiting.why.params)["reason"]
    assert said_of.startswith("Resources [31mx")
    assert len(said_of) == REASON_LETTERS_MAX
    assert report_of(tmp_path, job_state="PENDING", state_reason="None").why is None
    assert report_of(tmp_path, job_state="RUNNING", state_reason="Resources").why is None


@settings(deadline=None)
@given(st.text(max_size=300))
def test_a_schedulers_words_are_shown_in_one_short_printable_line(words: str) -> None:
    line = shown(words)
    assert len(line) <= REASON_LETTERS_MAX
    assert line.isprintable()
    assert line == line.strip()
    line.encode()


@pytest.mark.parametrize(
    ("gres", "cards"),
    [
        ("gpu:a100:8(S:0-1),gpu:l40:2", {"gpu:a100": 8, "gpu:l40": 2}),
        ("gpu:a100:3(IDX:0,2-3),gpu:a100:2(IDX:4-5)", {"gpu:a100": 5}),
        ("gres:gpu:ascend910b:16", {"gpu:ascend910b": 16}),
        ("gres/gpu:a100:1", {"gpu:a100": 1}),
        ("gpu:a100:0", {"gpu:a100": 0}),
        ("(null)", {}),
        ("", {}),
    ],
)
def test_cards_are_read_by_kind_and_type(gres, cards) -> None:
    assert slurm_rest.cards_of(gres) == cards


def test_capacity_is_what_nodes_have_and_nobody_uses(tmp_path: Path) -> None:
    provider, _ = slurm_at(tmp_path, {})
    found = {(one.name, one.chip): one for one in provider.capacity().nodes}
    assert (found["g1", "a100"].devices, found["g1", "a100"].free) == (8, 5)
    assert (found["g1", "cpu"].devices, found["g1", "cpu"].free) == (64, 60)
    assert (found["g1", "a100"].cpu_milli, found["g1", "a100"].memory_mib) == (64_000, 512_000)


@pytest.mark.parametrize(
    ("state", "flags", "expected"),
    [
        ("idle", [], "up"),
        ("mixed", ["DRAIN"], "drained"),
        ("idle", ["MAINTENANCE"], "drained"),
        ("down", ["DRAIN"], "down"),
        ("idle", ["NOT_RESPONDING"], "down"),
        (["IDLE", "DRAIN"], [], "drained"),
        (["DOWN", "DRAIN"], None, "down"),
    ],
)
def test_the_worst_of_a_nodes_states_counts(tmp_path: Path, state, flags, expected) -> None:
    node = {**NODES["nodes"][0], "state": state, "state_flags": flags}
    provider, _ = slurm_at(tmp_path, {"GET nodes": said({"nodes": [node]})})
    for one in provider.capacity().nodes:
        assert (one.state, one.free > 0) == (expected, expected == "up")


@pytest.mark.parametrize("body", [b"{}", b"", b"[]", b"[1]", b'{"meta": {}}'])
def test_an_answer_without_what_was_asked_for_is_nonsense_and_never_an_empty_site(
    tmp_path: Path, body
) -> None:
    """An empty list of jobs would mean that every job is lost, and each would be run again."""
    provider, _ = slurm_at(tmp_path, {"GET jobs": Said(body), "GET nodes": Said(body)})
    for ask in (provider.capacity, lambda: provider.status(["a-1"])):
        with pytest.raises(Unavailable) as caught:
            ask()
        assert caught.value.code == "compute.remote_nonsense"


@pytest.mark.parametrize("body", [b"{}", b"", b'{"error": "sign in"}', b'{"jobs": []}'])
def test_ray_too_must_answer_with_a_list(tmp_path: Path, body) -> None:
    provider, _ = ray_at(tmp_path, {"GET api/jobs/": Said(body)})
    for ask in (
        lambda: provider.status(["a-1"]),
        lambda: provider.meter(["a-1"]),
        lambda: provider.cancel("a-1"),
    ):
        with pytest.raises(Unavailable) as caught:
            ask()
        assert caught.value.code == "compute.remote_nonsense"
    empty, _ = ray_at(tmp_path, {"GET api/jobs/": Said(b"[]")})
    assert empty.status(["a-1"]).reports == ()


@pytest.mark.parametrize("status", [301, 302, 304])
def test_an_answer_that_sends_elsewhere_is_no_answer(tmp_path: Path, status) -> None:
    provider, _ = slurm_at(tmp_path, {"GET jobs": Said(b"", status)})
    with pytest.raises(Unavailable):
        provider.status(["a-1"])
    ray, _ = ray_at(tmp_path, {"GET api/jobs/": Said(b"<a href=/login>", status)})
    with pytest.raises(Unavailable):
        ray.status(["a-1"])


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe", b"<html>", b"[" * 100_000, b"9" * 5_000, b'{"jobs": [', b'"a" "b"'],
)
def test_what_is_no_json_is_nonsense(tmp_path: Path, body) -> None:
    provider, _ = slurm_at(tmp_path, {"GET jobs": Said(body)})
    with pytest.raises(Unavailable) as caught:
        provider.status(["a-1"])
    assert caught.value.code == "compute.remote_nonsense"


NUMBERS = ("job_id", "start_time", "end_time", "restart_cnt", "node_count", "cpus", "exit_code")


ODD = (HUGE, -HUGE, 1.5, "7", None, True, [], {"set": True}, {"set": True, "number": HUGE})


def test_any_number_a_controller_says_can_be_kept(tmp_path: Path, storage) -> None:
    """One odd row must not stop a whole site: what does not fit a column is bounded or nothing."""
    for place, (name, value) in enumerate(itertools.product(NUMBERS, ODD)):
        done = slurm_job(job_state="COMPLETED", name=f"w-{place}", **{name: value})
        provider, _ = slurm_at(
            tmp_path,
            {
                "GET jobs": said({"jobs": [done]}),
                "GET diag": said({"statistics": {"req_time": value}}),
            },
        )
        seen = provider.status([f"w-{place}"])
        (report,) = seen.reports
        with storage.database.begin() as tx:
            store.add_job(tx, report.job, workload="w", attempt=place, adapter="c", at_us=0)
            store.change_job(tx, report.job, run=report.run, handle=report.handle[:200])
            store.set_site(tx, "c", clock_ahead_us=seen.clock_us or 0)
            for event in provider.meter([report.job]):
                judged = store.Judged(event, counts=False, finding="compute.usage_future")
                store.add_usage(tx, "c", [judged], at_us=0)
                assert event.job in store.usage_of(tx, [event.job])


@pytest.mark.parametrize("value", [HUGE, -HUGE, -5, float("inf"), float("nan"), "x", None])
def test_any_capacity_a_site_says_can_be_kept(tmp_path: Path, value) -> None:
    node = {**NODES["nodes"][0], "cpus": value, "idle_cpus": value, "real_memory": value}
    provider, _ = slurm_at(tmp_path, {"GET nodes": said({"nodes": [node]})})
    usage = {"loadMetricsReport": {"usageByNode": {"n": {"GPU": [value, 8.0], "CPU": [value]}}}}
    raylet = {"nodeId": "n", "state": "ALIVE", "resourcesTotal": {"GPU": value, "memory": value,
                                                                  "CPU": 4.0}}  # fmt: skip
    ray, _ = ray_at(
        tmp_path,
        {
            "GET summary": said({"data": {"summary": [{"raylet": raylet}]}}),
            "GET cluster_status": said({"data": {"clusterStatus": usage}}),
        },
    )
    for site in (provider, ray):
        for one in site.capacity().nodes:
            assert 0 <= one.free <= one.devices
            assert one.memory_mib >= 0
        assert store.capacity_text(site.capacity()).startswith("[")


@pytest.mark.parametrize(
    ("wall", "minutes"), [(1, 3), (59, 3), (60, 3), (61, 4), (3_600, 62), (86_401, 1_443)]
)
def test_slurms_limit_is_never_shorter_than_the_jobs_own(tmp_path, blobs, wall, minutes) -> None:
    provider, server = slurm_at(
        tmp_path, {"GET jobs": NO_JOBS, "POST job/submit": said({"job_id": 9})}
    )
    assert provider.submit(job(wall_seconds_max=wall), blobs=blobs) == "9"
    asked = json.loads(server.asked[-1][2])["job"]
    assert asked["time_limit"] == minutes
    assert asked["memory_per_node"] == 1_024 + slurm.MIB_PER_JOB
    assert asked["gres"] == "gpu:a100:1"


@pytest.mark.parametrize(
    ("devices", "nodes", "each"), [(1, 1, 1), (8, 1, 8), (16, 2, 8), (24, 3, 8)]
)
def test_more_cards_than_a_node_has_are_whole_nodes(tmp_path, blobs, devices, nodes, each) -> None:
    provider, server = slurm_at(
        tmp_path, {"GET jobs": NO_JOBS, "POST job/submit": said({"job_id": 9})}
    )
    provider.submit(job(devices=devices), blobs=blobs)
    asked = json.loads(server.asked[-1][2])["job"]
    assert (asked["nodes"], asked["tasks"], asked["gres"]) == (nodes, nodes, f"gpu:a100:{each}")


@pytest.mark.parametrize("devices", [9, 12, 17])
def test_cards_that_are_no_whole_nodes_are_refused(tmp_path, blobs, devices) -> None:
    provider, _ = slurm_at(tmp_path, {"GET jobs": NO_JOBS})
    with pytest.raises(NotAllowed) as caught:
        provider.submit(job(devices=devices), blobs=blobs)
    assert caught.value.code == "compute.remote_uneven"


def test_a_chip_the_site_does_not_name_is_refused(tmp_path: Path, blobs) -> None:
    provider, _ = slurm_at(tmp_path, {"GET jobs": NO_JOBS})
    ray, _ = ray_at(tmp_path, {"GET api/jobs/": Said(b"[]")})
    for site in (provider, ray):
        with pytest.raises(NotAllowed) as caught:
            site.submit(job(chip="h100"), blobs=blobs)
        assert caught.value.code == "compute.remote_chip"


def test_a_job_that_is_there_is_not_handed_over_again(tmp_path: Path, blobs) -> None:
    provider, server = slurm_at(tmp_path, {"GET jobs": said({"jobs": [slurm_job()]})})
    assert provider.submit(job(), blobs=blobs) == "7"
    assert not any(method == "POST" for method, _, _ in server.asked)


def test_a_submission_without_a_number_is_nonsense(tmp_path: Path, blobs) -> None:
    for number in (0, -1, None, "9"):
        provider, _ = slurm_at(
            tmp_path, {"GET jobs": NO_JOBS, "POST job/submit": said({"job_id": number})}
        )
        with pytest.raises(Unavailable) as caught:
            provider.submit(job(), blobs=blobs)
        assert caught.value.code == "compute.remote_nonsense"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"error_number": 2000, "error": "Invalid partition"}, NotAllowed),
        ({"error_code": 2014, "description": "Requested node configuration"}, NotAllowed),
        ({"errno": 2072}, NotAllowed),
        ({"error_number": 2007, "error": "-"}, Unavailable),
        ({"error_number": 1_800, "error": "Unable to contact slurm controller"}, Unavailable),
        ({}, Unavailable),
    ],
)
def test_what_waiting_does_not_cure_is_told_from_what_it_does(
    tmp_path: Path, blobs, error, kind
) -> None:
    provider, _ = slurm_at(
        tmp_path,
        {"GET jobs": NO_JOBS, "POST job/submit": said({"errors": [error]}, 500)},
    )
    with pytest.raises(kind):
        provider.submit(job(), blobs=blobs)


def test_cancelling_what_slurm_no_longer_knows_is_no_fault(tmp_path: Path) -> None:
    gone = said({"errors": [{"error_number": 2017, "error": "Invalid job id"}]}, 500)
    provider, server = slurm_at(
        tmp_path, {"GET jobs": said({"jobs": [slurm_job()]}), "DELETE job/7": gone}
    )
    provider.cancel("workload_1-1")
    assert [path for method, path, _ in server.asked if method == "DELETE"] == [
        "slurm/v0.0.38/job/7"
    ]
    assert provider._staging.is_cancelled("workload_1-1")


def test_of_two_jobs_with_one_name_the_one_that_claimed_the_folder_counts(tmp_path: Path) -> None:
    two = [
        slurm_job(job_id=5, job_state="COMPLETED"),
        slurm_job(job_id=6, job_state="FAILED", exit_code=76 << 8),
    ]
    for claimed, number in (("5", "5"), ("6", "6"), ("", "5")):
        provider, _ = slurm_at(
            tmp_path,
            {"GET jobs": said({"jobs": two[::-1]}), "GET diag": said({})},
        )
        folder = tmp_path / "shared" / "workload_1-1"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "claimed").write_text(claimed)
        (report,) = provider.status(["workload_1-1"]).reports
        assert report.handle == number
    running = [two[0], slurm_job(job_id=6, job_state="PENDING", nodes="", start_time=0)]
    provider, _ = slurm_at(tmp_path, {"GET jobs": said({"jobs": running}), "GET diag": said({})})
    (folder / "claimed").unlink()
    (report,) = provider.status(["workload_1-1"]).reports
    assert report.handle == "6"  # that one may still run


@pytest.mark.parametrize(
    ("cards", "nodes", "cpus", "devices"),
    [
        ("gres:gpu:a100:4", 2, 8, 8),
        ("gpu:a100:1,gpu:l40:1", 1, 2, 2),
        ("", 1, 6, 6),
        ("gpu:8", 1, 6, 0),  # untyped: as many as were asked for
    ],
)
def test_usage_counts_cards_of_every_node_or_processors(
    tmp_path, cards, nodes, cpus, devices
) -> None:
    done = slurm_job(job_state="COMPLETED", tres_per_node=cards, node_count=nodes, cpus=cpus)
    provider, _ = slurm_at(tmp_path, {"GET jobs": said({"jobs": [done]})})
    (event,) = provider.meter(["workload_1-1"])
    assert event.devices == devices
    assert (event.start_us, event.end_us) == (1_000 * SECOND_US, 2_000 * SECOND_US)
    assert event.id == "7/0"


def test_only_what_has_ended_and_ran_is_metered(tmp_path: Path) -> None:
    for over in (
        {"job_state": "RUNNING"},
        {"job_state": "PENDING"},
        {"job_state": "CANCELLED", "nodes": ""},
        {"job_state": "COMPLETED", "start_time": 0},
    ):
        provider, _ = slurm_at(tmp_path, {"GET jobs": said({"jobs": [slurm_job(**over)]})})
        assert provider.meter(["workload_1-1"]) == ()


def test_a_token_that_ran_out_is_renewed_once_and_no_more(tmp_path: Path) -> None:
    provider, server = slurm_at(tmp_path, {"GET jobs": Said(b"", 401)})
    with pytest.raises(Unavailable):
        provider.status(["a-1"])
    assert sum(path.endswith("jobs") for _, path, _ in server.asked) == 2


def test_an_unknown_version_is_said_and_asked_for_again_after_an_upgrade(tmp_path: Path) -> None:
    provider, server = slurm_at(
        tmp_path, {"GET openapi/v3": said({"paths": {"/slurm/v9/jobs": {}}})}
    )
    with pytest.raises(Unavailable) as caught:
        provider.capacity()
    assert caught.value.code == "compute.remote_version"
    server.answers["GET openapi/v3"] = OPENAPI
    assert provider.capacity().devices("a100") == 8


@pytest.mark.parametrize(
    ("date", "known"),
    [
        ("Sun, 22 Nov 2026 10:00:00 GMT", True),
        ("Sun, 22 Nov 2026 10:00:00 -0000", True),
        ("Sun, 22 Nov 2026 10:00:00", True),
        ("Sun, 22 Nov 2026 18:00:00 +0800", True),
        ("Mon, 01 Jan 1900 00:00:00", False),
        ("Fri, 99 Foo 2026 10:00:00 GMT", False),
        ("yesterday", False),
        ("", False),
    ],
)
def test_a_servers_clock_is_read_alike_whatever_the_zone_of_this_machine(
    monkeypatch, date, known
) -> None:
    """A date without a zone is UTC, and not the time of day here: eight hours are much money."""
    import time  # noqa: PLC0415 - the zone of the process is changed

    expected = int(datetime(2026, 11, 22, 10, tzinfo=UTC).timestamp()) * SECOND_US
    try:
        for zone in ("UTC", "Asia/Shanghai", "America/New_York"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            rest = Rest(Scripted({"GET x": Said(b"{}", 200, {"date": date})}), "http://a", site="s")
            found = rest.ask("GET", "/x").clock_us
            assert found == (expected if known else None)
    finally:
        monkeypatch.undo()
        time.tzset()


RAY_JOB = {
    "submission_id": "a-1",
    "status": "SUCCEEDED",
    "message": "",
    "metadata": {"yunhe_devices": "4"},
    "start_time": 1_000,
    "end_time": 3_500,
}


def ray_report(folder: Path, **over):
    provider, _ = ray_at(folder, {"GET api/jobs/": said([{**RAY_JOB, **over}])})
    (report,) = provider.status(["a-1"]).reports
    return report


@pytest.mark.parametrize(
    ("status", "message", "claimed", "ended", "phase"),
    [
        ("PENDING", "waiting for resources", False, False, "queued"),
        ("RUNNING", "", True, False, "running"),
        ("SUCCEEDED", "", False, False, "succeeded"),
        ("FAILED", "exit code 3", True, True, "failed"),
        ("FAILED", "exit code 3", True, False, "failed"),
        ("FAILED", "The node on which the job ran died", True, False, "lost"),
        ("FAILED", "job supervisor actor died", True, True, "failed"),  # it had ended by itself
        ("FAILED", "runtime env set-up failed", False, False, "lost"),
        ("STOPPED", "", True, False, "lost"),  # nobody here asked for it
        ("BRAND_NEW", "", False, False, "queued"),
        (None, "", False, False, "queued"),
    ],
)
def test_every_status_of_ray_is_a_phase(tmp_path, status, message, claimed, ended, phase) -> None:
    folder = tmp_path / "shared" / "a-1"
    folder.mkdir(parents=True)
    if claimed:
        (folder / "claimed").write_text("a-1")
    if ended:
        (folder / "ended.json").write_text('{"status": 3}')
    assert ray_report(tmp_path, status=status, message=message).phase == phase


@pytest.mark.parametrize(
    ("metadata", "devices"),
    [
        ({"yunhe_devices": "4"}, 4),
        ({"yunhe_devices": "-4"}, 0),
        ({"yunhe_devices": "4" * 9}, 0),
        ({"yunhe_devices": 4}, 0),
        (None, 0),
        ([], 0),
    ],
)
def test_ray_usage_is_in_its_milliseconds_and_our_devices(tmp_path, metadata, devices) -> None:
    folder = tmp_path / "shared" / "a-1"
    folder.mkdir(parents=True)
    provider, _ = ray_at(tmp_path, {"GET api/jobs/": said([{**RAY_JOB, "metadata": metadata}])})
    assert provider.meter(["a-1"]) == ()  # no process of it ever began
    (folder / "claimed").write_text("a-1")
    (event,) = provider.meter(["a-1", "b-1"])
    assert (event.start_us, event.end_us, event.devices) == (1_000_000, 3_500_000, devices)


@pytest.mark.parametrize(
    ("chip", "named"),
    [
        ("a100", {"entrypoint_num_gpus": 2}),
        ("cpu", {"entrypoint_num_cpus": 2}),
        ("npu", {"entrypoint_resources": {"ascend910b": 2}}),
    ],
)
def test_ray_is_asked_for_the_resource_of_the_chip(tmp_path, blobs, chip, named) -> None:
    provider, server = ray_at(tmp_path, {"GET api/jobs/": Said(b"[]"), "POST api/jobs/": said({})})
    assert provider.submit(job(chip=chip, devices=2), blobs=blobs) == "workload_1-1"
    (body,) = [json.loads(content) for method, _, content in server.asked if method == "POST"]
    asked = {name: value for name, value in body.items() if name.startswith("entrypoint_")}
    assert asked == named
    assert body["submission_id"] == "workload_1-1"
    assert "YUNHE_CLAIM=workload_1-1;" in body["entrypoint"]


@pytest.mark.parametrize(("status", "kind"), [(400, NotAllowed), (422, NotAllowed),
                                              (500, Unavailable), (503, Unavailable)])  # fmt: skip
def test_rays_refusal_is_told_from_its_trouble(tmp_path, blobs, status, kind) -> None:
    provider, _ = ray_at(
        tmp_path,
        {"GET api/jobs/": Said(b"[]"), "POST api/jobs/": said({"error": "no"}, status)},
    )
    with pytest.raises(kind):
        provider.submit(job(), blobs=blobs)


def test_a_job_ray_took_before_it_failed_to_say_so_is_the_same_job(tmp_path, blobs) -> None:
    taken = []

    def listed() -> Said:
        return said([{**RAY_JOB, "submission_id": "workload_1-1"}] if taken else [])

    def post() -> Said:
        taken.append(1)
        return said({"error": "already exists"}, 500)

    provider, _ = ray_at(tmp_path, {"GET api/jobs/": listed, "POST api/jobs/": post})
    assert provider.submit(job(), blobs=blobs) == "workload_1-1"


def test_tokens_hold_what_slurms_guide_says_and_end(tmp_path: Path) -> None:
    import base64  # noqa: PLC0415

    key = tmp_path / "key"
    key.write_bytes(b"\x00\xff" * 16)
    clock = ManualClock()
    tokens = slurm_rest.Tokens(user="云", key_file=key, token_file=None, clock=clock)
    token = tokens.headers()["x-slurm-user-token"]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    now = clock.now_us() // SECOND_US
    assert claims == {"exp": now + slurm_rest.TOKEN_SECONDS, "iat": now, "sun": "云"}
    assert "=" not in token
    good_for = slurm_rest.TOKEN_SECONDS - slurm_rest.RENEW_SECONDS
    clock.advance(seconds=good_for - 1)
    assert tokens.headers()["x-slurm-user-token"] == token
    clock.advance(seconds=1)
    assert tokens.headers()["x-slurm-user-token"] != token
    key.unlink()
    clock.advance(seconds=good_for)
    with pytest.raises(Unavailable):
        tokens.headers()
