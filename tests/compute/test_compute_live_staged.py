"""The folder through which a distant job is heard and asked, with a job that plays tricks in it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from live_desk import TALKER

from yunhe.compute.live import store
from yunhe.compute.live.domain import KEPT_BYTES
from yunhe.compute.live.relay import SIZE_MAX, Relay, publish
from yunhe.compute.providers.attendant import ANSWERS_MAX, Files
from yunhe.compute.providers.staged_live import StagedLive
from yunhe.compute.providers.staging import Staging
from yunhe.compute.providers.talk import LINE_BYTES_MAX

JOB = "workload_1-1"


@pytest.fixture
def site(tmp_path) -> Path:
    """A job's folder, as it is laid out."""
    for name in ("asks", "answers"):
        (tmp_path / "shared" / JOB / "live" / name).mkdir(parents=True)
    return tmp_path / "shared"


@pytest.fixture
def heard(site) -> StagedLive:
    return StagedLive(Staging(site, str(site), {"talker": TALKER}, commands=True))


def folder(site: Path, *names: str) -> Path:
    return site.joinpath(JOB, "live", *names)


def answer(site: Path, name: str, *lines: object) -> None:
    folder(site, "answers", name).write_text("".join(json.dumps(one) + "\n" for one in lines))


def test_answers_come_in_order_again_until_they_are_kept_and_then_no_more(site, heard):
    answer(site, "2", {"exec": "b"})
    answer(site, "1", {"exec": "a"}, {"exec": "a2"})
    said = [{"exec": "a"}, {"exec": "a2"}, {"exec": "b"}]
    assert heard.hear(JOB) == said
    assert heard.hear(JOB) == said  # whoever was killed in between loses nothing
    heard.heard(JOB)
    assert heard.hear(JOB) == []
    heard.heard(JOB)  # twice is once
    assert list(folder(site, "answers").iterdir()) == []


def test_what_comes_between_hearing_and_keeping_is_not_removed(site, heard):
    answer(site, "1", {"exec": "a"})
    heard.hear(JOB)
    answer(site, "2", {"exec": "b"})
    heard.heard(JOB)
    assert heard.hear(JOB) == [{"exec": "b"}]


def test_a_half_written_answer_is_left_alone(site, heard):
    answer(site, "1.half", {"exec": "a"})
    assert heard.hear(JOB) == []
    heard.heard(JOB)
    assert [each.name for each in folder(site, "answers").iterdir()] == ["1.half"]


def test_the_attendant_and_the_platform_understand_each_other(site, heard):
    there = Files(folder(site))
    there.tell({"exec": "a", "started": True})
    there.tell({"exec": "a", "status": 0})
    assert [sorted(each) for each in heard.hear(JOB)] == [["exec", "started"], ["exec", "status"]]
    heard.ask(JOB, [{"exec": "a", "do": "end"}, {"do": "close"}])
    heard.ask(JOB, [{"exec": "b", "do": "end"}])
    assert [each["do"] for each in there.asks()] == ["end", "close", "end"]
    assert there.asks() == []


@pytest.mark.parametrize("which", ["live", "answers"])
def test_nothing_outside_is_read_or_removed_through_a_link_in_the_way(site, heard, tmp_path, which):
    """The job puts a link where its folder was: to what the platform may write and it may not."""
    precious = tmp_path / "precious"
    target = precious if which == "answers" else precious / "answers"
    target.mkdir(parents=True)
    (target / "1").write_text('{"exec": "a"}\n')
    place = folder(site) if which == "live" else folder(site, which)
    place.rename(tmp_path / "away")
    place.symlink_to(precious)
    assert heard.hear(JOB) == []
    heard.heard(JOB)
    assert (target / "1").exists()


def test_a_link_put_there_after_hearing_removes_nothing_elsewhere(site, heard, tmp_path):
    answer(site, "1", {"exec": "a"})
    heard.hear(JOB)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "1").write_text("kept")
    folder(site, "answers").rename(tmp_path / "away")
    folder(site, "answers").symlink_to(precious)
    heard.heard(JOB)
    assert (precious / "1").read_text() == "kept"


@pytest.mark.parametrize("which", ["live", "asks"])
def test_nothing_is_written_through_a_link(site, heard, tmp_path, which):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "asks").mkdir(parents=True)
    place = folder(site) if which == "live" else folder(site, which)
    place.rename(tmp_path / "away")
    place.symlink_to(elsewhere)
    with pytest.raises((OSError, ValueError)):
        heard.ask(JOB, [{"do": "close"}])
    assert [each for each in elsewhere.rglob("*") if each.is_file()] == []


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "gone", "huge", "empty"])
def test_an_answer_that_is_no_plain_file_of_a_bounded_size_says_nothing(
    site, heard, tmp_path, kind
):
    place = folder(site, "answers", "1")
    if kind == "link":
        (tmp_path / "secret").write_text('{"exec": "stolen"}\n')
        place.symlink_to(tmp_path / "secret")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    elif kind == "gone":
        place.symlink_to(tmp_path / "nowhere")
    elif kind == "huge":
        place.write_bytes(b" " * (LINE_BYTES_MAX + 1))
    else:
        place.write_bytes(b"")
    answer(site, "2", {"exec": "fine"})
    assert heard.hear(JOB) == [{"exec": "fine"}]
    heard.heard(JOB)
    assert (tmp_path / "secret").exists() is (kind == "link")


@pytest.mark.parametrize(
    "data", [b"no json\n", b"[1]\n", b'"text"\n', b"1\n", b"\xff\xfe\n", b"[" * 100_000, b"{}\n{"]
)
def test_an_answer_that_is_nonsense_is_an_error_that_the_relay_knows(site, heard, data):
    folder(site, "answers", "1").write_bytes(data)
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever kind
        heard.hear(JOB)


def test_no_more_answers_are_taken_at_once_than_may_wait(site, heard):
    for number in range(3 * ANSWERS_MAX):
        answer(site, f"{number:04d}", {"exec": str(number)})
    assert [each["exec"] for each in heard.hear(JOB)] == [str(n) for n in range(2 * ANSWERS_MAX)]
    heard.heard(JOB)
    assert len(heard.hear(JOB)) == ANSWERS_MAX


@pytest.mark.parametrize(
    ("said", "found"),
    [("7", 7), ("0", 0), ("-1", None), ("", None), ("1.5", None), ("many", None), (" 12\n", 12)],
)
def test_processor_time_is_a_whole_number_or_not_known(site, heard, said, found):
    folder(site, "used").write_text(said)
    assert heard.used(JOB) == found


def test_a_job_that_is_not_there_says_nothing(heard):
    assert heard.hear("workload_none-1") == []
    assert heard.used("workload_none-1") is None
    assert heard.size("workload_none-1", "stdout") == 0
    heard.heard("workload_none-1")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_stream_that_was_replaced_is_not_followed(site, heard, tmp_path, kind):
    place = site / JOB / "stdout"
    (tmp_path / "secret").write_text("someone else's")
    if kind == "link":
        place.symlink_to(tmp_path / "secret")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    assert heard.size(JOB, "stdout") == 0
    assert heard.log(JOB, "stdout", offset=0) == b""


def test_looking_at_what_is_no_file_keeps_no_handle_open(site, heard):
    (site / JOB / "stdout").mkdir()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough
    for _ in range(20):
        heard.size(JOB, "stdout")
    assert len(os.listdir("/proc/self/fd")) <= before + 2  # noqa: PTH208


# --- What is published of it ----------------------------------------------------------------------


class Ear:
    """Somebody who reads a stream of a claimed size."""

    def __init__(self, size: int, data: bytes = b"") -> None:
        self.claimed, self.data = size, data

    def size(self, job, stream) -> int:
        return self.claimed if stream == "stdout" else 0

    def log(self, job, stream, *, offset) -> bytes:
        return self.data[offset:] if stream == "stdout" else b""


def published(storage, subject) -> tuple[bytes, int]:
    with storage.database.read() as tx:
        pieces = store.read(tx, subject, 0)
    return b"".join(each.data for each in pieces), sum(each.left_out for each in pieces)


def test_a_file_with_a_hole_of_any_size_overflows_nothing(storage):
    job = {"id": "j", "workload": "workload_hole"}
    for _ in range(3):
        publish(storage, Ear(2**63 - 1), job)
    assert published(storage, "workload_hole") == (b"", SIZE_MAX - KEPT_BYTES)


def test_a_log_that_was_cut_short_says_nothing_twice(storage):
    job = {"id": "j", "workload": "workload_cut"}
    publish(storage, Ear(3, b"abc"), job)
    publish(storage, Ear(0, b""), job)
    publish(storage, Ear(2, b"xy"), job)
    assert published(storage, "workload_cut") == (b"abc", 0)
    publish(storage, Ear(5, b"xyzde"), job)
    assert published(storage, "workload_cut") == (b"abcde", 0)


def test_a_job_whose_log_cannot_be_read_keeps_no_other_from_being_heard(city, monkeypatch, caplog):
    class Live(Ear):
        why = ""

        def log(self, job, stream, *, offset):
            if job == "bad":
                raise ValueError("stdout")
            return super().log(job, stream, offset=offset)

        def used(self, job):
            return None

        def hear(self, job):
            return []

        def heard(self, job):
            pass

        def ask(self, job, lines):
            pass

    class Remote:
        adapter, live = "site", Live(4, b"good")

    bad, good = city.submit("bad").id, city.submit("good").id
    relay = Relay(city.storage, Remote())
    running = [{"id": "bad", "workload": bad}, {"id": "good", "workload": good}]
    monkeypatch.setattr(relay, "_running", lambda: running)
    assert relay.turn()
    assert published(city.storage, good) == (b"good", 0)
    assert published(city.storage, bad) == (b"", 0)
    assert "could not be read" in caplog.text
