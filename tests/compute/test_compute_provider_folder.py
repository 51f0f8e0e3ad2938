"""The folder that a site and the platform share, and what may have been done to it meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.providers import completions, staging, station
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.remote import LOG_PART_BYTES_MAX
from yunhe.compute.providers.seam import Job
from yunhe.compute.providers.sites import read_sites
from yunhe.compute.providers.staging import Staging
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Invalid, NotFound, Unavailable
from yunhe.kernel.language import text
from yunhe.storage.blobs import LocalBlobs

ID = "workload_1-1"
DIGEST = find_program(TRIAL, TRIAL_ENTRY_POINT).digest


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def shared(tmp_path: Path) -> Staging:
    folder = tmp_path / "shared"
    return Staging(folder, str(folder), {TRIAL: TRIAL_ENTRY_POINT}, python=sys.executable)


def job(**over) -> Job:
    plain = Job(
        id=ID,
        entry_point=TRIAL,
        arguments={"action": "copy", "word": "x"},
        inputs={},
        devices=1,
        wall_seconds_max=60,
        cpu_seconds_max=60,
        memory_bytes_max=1 << 30,
        approved=frozenset({DIGEST}),
    )
    return replace(plain, **over)


def run(shared: Staging, wanted: Job, blobs: LocalBlobs, *, claim: str = "7") -> int:
    command = shared.prepare(wanted, blobs=blobs, site="s")
    environment = {"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": claim}
    return subprocess.run(
        ["/bin/sh", "-c", command], env=environment, check=False, capture_output=True
    ).returncode


def laid_out(shared: Staging, **files: bytes) -> Path:
    """A folder as a job that has ended left it."""
    folder = shared.here / ID
    (folder / "outputs").mkdir(parents=True)
    for name, content in files.items():
        (folder / name.replace("_json", ".json")).write_bytes(content)
    return folder


# --- What a job says of itself ---------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"null",
        b"[]",
        b'"ended"',
        b'{"status": 0',
        b"\xff\xfe\x00",
        b"[" * 16_000,
        b'{"a": ' * 5_000,
        b'{"status": ' + b"9" * 5_000 + b"}",
        b" " * (1 << 20) + b'{"status": 0}',
    ],
)
def test_no_words_about_its_end_can_stop_the_settling_of_others(shared, blobs, said) -> None:
    laid_out(shared, ended_json=said)
    assert shared.ended(ID) == {}
    result = shared.result(job(), blobs=blobs, succeeded=False)
    assert (result.why, result.outputs, result.metered.wall_ms) == (None, {}, 1)


@pytest.mark.parametrize(
    "digest",
    [None, 7, "", "sha256:", "\ud800", "sha256:" + "g" * 64, "sha256:" + "0" * 65, {"a": 1},
     "sha256:" + "0" * 64 + "\n"],
)  # fmt: skip
def test_a_false_digest_is_replaced_by_that_of_what_was_sent(shared, blobs, digest) -> None:
    laid_out(shared, ended_json=json.dumps({"status": 0, "code_digest": digest}).encode())
    result = shared.result(job(), blobs=blobs, succeeded=True)
    assert result.code_digest == DIGEST
    canonical_bytes({"code": result.code_digest})  # it can stand in a record


@pytest.mark.parametrize(
    ("nodes", "used", "unwatched"),
    [("1", None, False), ("2", None, True), ("2", 700, False)],
)
def test_one_nodes_processor_time_is_no_sign_for_several(shared, blobs, nodes, used, unwatched):
    said = {"status": 0, "nodes": nodes, "cpu_user_ms": 5}
    said |= {"utilisation_per_thousand": used, "utilisation_samples": 3}
    laid_out(shared, ended_json=json.dumps(said).encode())
    metered = shared.result(job(), blobs=blobs, succeeded=False).metered
    assert (metered.unwatched, metered.cpu_user_ms) == (unwatched, 5)


@pytest.mark.parametrize("nodes", ["1", "2"])
def test_a_station_says_on_how_many_nodes_its_job_ran(shared, blobs, nodes) -> None:
    command = shared.prepare(job(), blobs=blobs, site="s")
    environment = {"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": nodes}
    subprocess.run(["/bin/sh", "-c", command], env=environment, check=True, capture_output=True)
    assert shared.ended(ID)["nodes"] == nodes
    assert shared.result(job(), blobs=blobs, succeeded=True).metered.unwatched == (nodes == "2")


counts = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True),
    st.text(max_size=5),
    st.none(),
    st.booleans(),
    st.lists(st.integers(), max_size=2),
)


@settings(deadline=None)
@given(st.dictionaries(
    st.sampled_from(["status", "cause", "wall_ms", "cpu_user_ms", "cpu_system_ms",
                     "memory_bytes_peak", "code_digest"]), counts,
))  # fmt: skip
def test_whatever_it_says_becomes_numbers_that_a_record_can_hold(said) -> None:
    metered = {
        name: staging._number(said.get(name), least=0) for name in said if name != "code_digest"
    }
    assert all(type(value) is int and 0 <= value < 2**53 for value in metered.values())
    canonical_bytes(metered)
    why = staging._why(job(), said)
    if why is not None:
        assert text(why.code, "en", **dict(why.params))
        canonical_bytes(dict(why.params))


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"status": 0}, None),
        ({"status": 3}, "compute.failed_exit"),
        ({"status": -3}, "compute.failed_exit"),
        ({"status": 255}, "compute.failed_exit"),
        ({"status": 137}, "compute.failed_signal"),
        ({"status": 128}, "compute.failed_exit"),
        ({"status": 129}, "compute.failed_signal"),
        ({"status": 191}, "compute.failed_signal"),
        ({"status": 192}, "compute.failed_exit"),
        ({"status": 137, "cpu_user_ms": 53_699}, "compute.failed_signal"),
        ({"status": 137, "cpu_user_ms": 53_700}, "compute.failed_cpu"),
        ({"status": 152, "cpu_user_ms": 30_000, "cpu_system_ms": 24_000}, "compute.failed_cpu"),
        ({"status": 139, "cpu_user_ms": 60_000}, "compute.failed_signal"),
        ({"status": 143, "cause": "wall"}, "compute.failed_wall"),
        ({"status": 143, "cause": "stopped"}, None),
        ({"status": True}, None),
        ({"status": "3"}, None),
    ],
)
def test_why_a_program_failed_follows_from_how_it_ended(said, code) -> None:
    why = staging._why(job(), said)
    assert (None if why is None else why.code) == code


# --- What was done to the folder ---------------------------------------------------------------


def test_a_program_that_removes_its_outputs_has_failed_and_is_not_run_for_nothing(
    shared, blobs
) -> None:
    """Called the provider's fault it would be run three times, and nobody would pay."""
    folder = laid_out(shared, ended_json=b'{"status": 0}')
    (folder / "outputs").rmdir()
    result = shared.result(job(), blobs=blobs, succeeded=True)
    assert (result.outputs, result.why.code) == ({}, "compute.failed_output_kind")


def test_a_share_that_is_gone_is_the_sites_trouble_and_not_the_jobs(shared, blobs) -> None:
    with pytest.raises(Unavailable):
        shared.result(job(), blobs=blobs, succeeded=True)


def test_a_folder_that_became_a_link_is_removed_and_what_it_leads_to_stays(
    shared, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("kept")
    shared.here.mkdir()
    (shared.here / ID).symlink_to(outside)
    shared.remove(ID)
    assert (outside / "precious").read_text() == "kept"
    assert not (shared.here / ID).is_symlink()
    shared.remove(ID)


def test_links_inside_a_folder_are_removed_and_not_followed(shared, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "precious").write_text("kept")
    folder = laid_out(shared, stdout=b"x")
    (folder / "outputs" / "link").symlink_to(outside)
    (folder / "tmp").symlink_to(outside / "deep")
    shared.remove(ID)
    assert (outside / "deep" / "precious").read_text() == "kept"
    assert not folder.exists()


BYTES_NAME = b"\xff\xfe".decode(errors="surrogateescape")


@pytest.mark.parametrize(
    "name", ["a b", "..x", ".hidden", "运河", "a" * 101, "-rf", "a\nb", BYTES_NAME]
)
def test_an_output_whose_name_is_none_for_a_record_fails_the_job_in_ascii(
    shared, blobs, name
) -> None:
    folder = laid_out(shared, ended_json=b'{"status": 0}')
    (folder / "outputs" / name).write_text("x")
    result = shared.result(job(), blobs=blobs, succeeded=True)
    assert (result.outputs, result.why.code) == ({}, "compute.failed_output_kind")
    assert dict(result.why.params)["name"].isascii()


@pytest.mark.parametrize(("count", "taken"), [(0, 0), (100, 100), (101, None)])
def test_a_hundred_outputs_are_taken_and_one_more_is_not(shared, blobs, count, taken) -> None:
    folder = laid_out(shared, ended_json=b'{"status": 0}')
    for number in range(count):
        (folder / "outputs" / f"f{number}").write_text("x")
    result = shared.result(job(), blobs=blobs, succeeded=True)
    assert len(result.outputs) == (taken or 0)
    assert (result.why is None) == (taken is not None)


@pytest.mark.parametrize(("size", "good"), [(9, True), (10, True), (11, False)])
def test_outputs_may_be_so_large_together_and_no_byte_more(
    shared, blobs, monkeypatch, size, good
) -> None:
    monkeypatch.setattr(staging, "OUTPUTS_BYTES_MAX", 10)
    folder = laid_out(shared, ended_json=b'{"status": 0}')
    (folder / "outputs" / "a").write_bytes(b"x" * 5)
    (folder / "outputs" / "b").write_bytes(b"x" * (size - 5))
    (folder / "outputs" / "c").write_bytes(b"")
    result = shared.result(job(), blobs=blobs, succeeded=True)
    assert (result.why is None) == good
    if not good:
        assert result.why.code == "compute.failed_output_size"


def test_outputs_of_a_job_that_failed_are_none(shared, blobs) -> None:
    folder = laid_out(shared, ended_json=b'{"status": 0}')
    (folder / "outputs" / "half").write_text("half")
    assert shared.result(job(), blobs=blobs, succeeded=False).outputs == {}
    (folder / "ended.json").write_text('{"status": 3}')
    assert shared.result(job(), blobs=blobs, succeeded=True).outputs == {}


@pytest.mark.parametrize("dies_at", range(9))
def test_a_driver_killed_while_it_lays_out_a_folder_is_followed_by_one_that_does(
    shared, blobs, monkeypatch, dies_at
) -> None:
    class Killed(BaseException):
        pass

    wanted = job(inputs={"data": blobs.put(b"bytes").digest, "more": blobs.put(b"more").digest})
    left = [dies_at]

    def counted(call: Callable) -> Callable:
        def made(*args, **named):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return call(*args, **named)

        return made

    with monkeypatch.context() as patched:
        patched.setattr(staging, "write_whole", counted(staging.write_whole))
        patched.setattr(LocalBlobs, "fetch", counted(LocalBlobs.fetch))
        if dies_at < 7:  # two inputs and five files
            with pytest.raises(Killed):
                shared.prepare(wanted, blobs=blobs, site="s")
            assert not (shared.here / ID / "order.json").exists()
        else:
            shared.prepare(wanted, blobs=blobs, site="s")
    assert run(shared, wanted, blobs) == 0
    outputs = shared.result(wanted, blobs=blobs, succeeded=True).outputs
    assert blobs.read(outputs["data.copy"]) == b"bytes"
    assert blobs.read(outputs["more.copy"]) == b"more"


def test_what_a_broken_off_run_left_is_gone_before_the_next_begins(shared, blobs) -> None:
    """Folders too: a station that fails on one would make the provider's fault the user's."""
    shared.prepare(job(), blobs=blobs, site="s")
    outputs = shared.here / ID / "outputs"
    (outputs / "deep" / "er").mkdir(parents=True)
    (outputs / "deep" / "er" / "half").write_text("half")
    (outputs / "old").write_text("old")
    (outputs / "link").symlink_to(shared.here)
    (shared.here / ID / "ended.json").write_text('{"status": 9}')
    assert run(shared, job(), blobs) == 0
    result = shared.result(job(), blobs=blobs, succeeded=True)
    assert (set(result.outputs), result.why) == ({"word"}, None)
    assert shared.here.is_dir()


def test_an_end_of_an_earlier_run_never_stands_for_a_later_one(shared, blobs, monkeypatch) -> None:
    monkeypatch.setattr(station.signal, "signal", lambda *_: None)  # of this process
    shared.prepare(job(), blobs=blobs, site="s")
    folder = shared.here / ID
    (folder / "ended.json").write_text('{"status": 0, "wall_ms": 5}')
    (folder / "order.json").write_text(
        json.dumps({"digest": DIGEST, "environment": {}, "limits": {}})
    )
    with pytest.raises((KeyError, subprocess.SubprocessError)):
        station.main(folder)  # it breaks off after it has begun
    assert shared.ended(ID) == {}


def test_a_claim_is_for_ever_also_an_empty_one(tmp_path: Path, monkeypatch) -> None:
    for name in station.CLAIM:
        monkeypatch.delenv(name, raising=False)
    assert station.claim(tmp_path)
    assert station.claim(tmp_path)
    monkeypatch.setenv("YUNHE_CLAIM", "a-1")
    assert not station.claim(tmp_path)
    monkeypatch.setenv("SLURM_JOB_ID", "")  # said first, though empty
    assert station.claim(tmp_path)


# --- Logs --------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(-80, 80))
def test_a_log_is_read_like_a_slice(tmp_path_factory, said, offset) -> None:
    folder = tmp_path_factory.mktemp("log")
    (folder / ID).mkdir()
    (folder / ID / "stdout").write_bytes(said)
    shared = Staging(folder, str(folder), {})
    assert shared.log(ID, "stdout", offset=offset) == said[offset:]


def test_a_log_comes_in_parts_that_fit_together(shared) -> None:
    said = bytes(range(256)) * 5_000
    laid_out(shared, stdout=said)
    whole = b""
    while part := shared.log(ID, "stdout", offset=len(whole)):
        assert len(part) <= LOG_PART_BYTES_MAX
        whole += part
    assert whole == said


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", "a" * 101, "a\n", "é", "a\0b"])
def test_no_id_leads_out_of_the_shared_folder(shared, name) -> None:
    for ask in (shared.remove, shared.cancelled, shared.is_cancelled, shared.claimed):
        with pytest.raises(ValueError, match="folder"):
            ask(name)


def test_a_program_that_is_no_longer_offered_is_said_to_be_unknown(shared, blobs) -> None:
    laid_out(shared, ended_json=b'{"status": 0}')
    gone = replace(shared, entry_points={})
    with pytest.raises(NotFound):
        gone.result(job(), blobs=blobs, succeeded=True)


# --- The completion file -----------------------------------------------------------------------


def line(**over: str) -> str:
    fields = {
        "JobId": "1",
        "Name": "a",
        "JobState": "COMPLETED",
        "StartTime": "2026-11-22T10:00:00",
        "EndTime": "2026-11-22T10:00:30",
        "NodeList": "n1",
        "ExitCode": "0:0",
        **over,
    }
    return " ".join(f"{name}={value}" for name, value in fields.items()) + "\n"


def read(folder: Path, content: str | bytes, *, zone: str = "UTC", names=("a",)):
    file = folder / "jobcomp.txt"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return completions.read(file, names=names, timezone=zone)


@pytest.mark.parametrize(
    ("zone", "start", "end", "seconds"),
    [
        # Berlin set its clocks back at 03:00 of 25 October 2026, so 02:50 came before 02:10.
        ("Europe/Berlin", "2026-10-25T02:50:00", "2026-10-25T02:10:00", 1_200),
        ("Europe/Berlin", "2026-10-25T01:50:00", "2026-10-25T03:10:00", 8_400),
        ("Europe/Berlin", "2026-03-29T01:50:00", "2026-03-29T03:10:00", 1_200),
        ("Asia/Shanghai", "2026-12-31T23:59:50", "2027-01-01T00:00:10", 20),
        ("America/New_York", "2026-11-01T01:59:59", "2026-11-01T01:00:00", 1),
        ("UTC", "2028-02-28T23:59:59", "2028-03-01T00:00:00", 86_401),
    ],
)
def test_a_run_over_midnight_or_a_change_of_the_clocks_lasts_as_long_as_it_did(
    tmp_path, zone, start, end, seconds
) -> None:
    found = read(tmp_path, line(StartTime=start, EndTime=end), zone=zone)["a"]
    assert found.end - found.start == seconds


@pytest.mark.parametrize(
    "over",
    [
        {"StartTime": "Unknown"},
        {"EndTime": "NONE"},
        {"StartTime": "2026-13-01T00:00:00"},
        {"JobId": "1.batch"},
        {"ExitCode": "x"},
        {"JobId": ""},
    ],
)
def test_a_line_that_makes_no_sense_is_passed_over(tmp_path, over) -> None:
    found = read(tmp_path, line(Name="b") + line(**over) + "\n\n" + line(Name="c"), names="abc")
    assert set(found) == {"b", "c"}


def test_bytes_that_are_no_text_cost_only_their_line(tmp_path: Path) -> None:
    found = read(tmp_path, b"\xff\xfe JobId=\x00\n" + line().encode() + b"\xff")
    assert found["a"].number == 1


def test_only_the_end_of_a_huge_file_is_read_and_never_half_a_line(tmp_path, monkeypatch) -> None:
    content = "".join(line(JobId=str(number), Name=f"j{number}") for number in range(100))
    names = [f"j{number}" for number in range(100)]
    for kept in (1, 50, 139, 140, 141, 1_000, len(content), len(content) + 1):
        monkeypatch.setattr(completions, "READ_BYTES_MAX", kept)
        found = read(tmp_path, content, names=names)
        assert all(one.name == f"j{one.number}" for one in found.values())
        assert len(found) <= kept / 110 + 1
        assert (len(found) == 100) == (kept >= len(content))


def test_runs_are_counted_only_within_one_of_slurms_jobs(tmp_path: Path) -> None:
    content = "".join(
        line(JobId=number, JobState=state)
        for number, state in (("5", "NODE_FAIL"), ("5", "NODE_FAIL"), ("5", "COMPLETED"),
                              ("6", "COMPLETED"))
    )  # fmt: skip
    assert read(tmp_path, content)["a"].restarts == 0
    assert read(tmp_path, content.rsplit("JobId=6", 1)[0])["a"].restarts == 2


# --- The file of sites -------------------------------------------------------------------------

SITE = """
[centre]
kind = "slurm"
address = "http://slurm.example.org:6820"
user = "yunhe"
key_file = "jwt.key"
partition = "ascend"
folder = "/shared/yunhe"
chips = {ascend910b = "gpu:ascend910b"}
"""


@pytest.mark.parametrize(
    ("old", "new", "where", "code"),
    [
        ('chips = {ascend910b = "gpu:ascend910b"}', 'chips = "GPU"', "chips", "site_table"),
        ('chips = {ascend910b = "gpu:ascend910b"}', "chips = [1]", "chips", "site_table"),
        ('chips = {ascend910b = "gpu:ascend910b"}', "chips = {}", "chips", "site_needs"),
        ('chips = {ascend910b = "gpu:ascend910b"}', "chips = {a = 1}", "chips", "site_text"),
        ('"http://slurm.example.org:6820"', '""', "address", "site_needs"),
        ('"/shared/yunhe"', '""', "folder", "site_needs"),
        ('"/shared/yunhe"', "{a = 'b'}", "folder", "site_text"),
        ('user = "yunhe"', 'user = "yunhe"\nenvironment = "A=1"', "environment", "site_table"),
        ('user = "yunhe"', 'user = "yunhe"\ntimezone = ""', "timezone", "site_timezone"),
        ('user = "yunhe"', 'user = "yunhe"\ntimezone = "../x"', "timezone", "site_timezone"),
        ('user = "yunhe"', 'user = "yunhe"\ntoken_file = "t"', "key_file", "site_token"),
    ],
)
def test_a_site_that_could_not_work_is_refused_when_it_is_read(
    tmp_path, old, new, where, code
) -> None:
    file = tmp_path / "sites.toml"
    file.write_text(SITE.replace(old, new))
    with pytest.raises(Invalid) as caught:
        read_sites(file)
    found = {(one.where, one.code) for one in caught.value.findings}
    assert found == {(f"centre.{where}", f"compute.{code}")}
    for language in ("en", "zh"):
        assert all(one.message(language) for one in caught.value.findings)


def test_a_processor_may_have_no_card_and_a_name_may_be_chinese(tmp_path: Path) -> None:
    file = tmp_path / "sites.toml"
    file.write_text(SITE.replace('ascend910b = "gpu:ascend910b"', 'cpu = ""'), "utf-8")
    (site,) = read_sites(file)
    assert site.chips == {"cpu": ""}
    assert site.path("token_file") is None
    file.write_bytes(b"\xef\xbb\xbf[centre]\n")
    with pytest.raises(Invalid):
        read_sites(file)


def test_a_file_without_any_site_is_none(tmp_path: Path) -> None:
    file = tmp_path / "sites.toml"
    file.write_text("# nothing yet\n")
    assert read_sites(file) == ()
