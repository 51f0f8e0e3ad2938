"""Work while it runs, in a real sandbox: its output as it comes, and commands inside it."""

from __future__ import annotations

import resource
from contextlib import contextmanager

import pytest
from live_desk import all_of, eventually, on_the_real_clock, provider_of, running

from yunhe.compute import service as compute
from yunhe.compute.live import service as live
from yunhe.compute.live import store
from yunhe.compute.live.domain import KEPT_BYTES
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.sandbox import bubblewrap
from yunhe.compute.providers.seam import Job, Silence
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed
from yunhe.kernel.progress import Silent
from yunhe.storage import events

pytestmark = pytest.mark.skipif(bubblewrap() is None, reason="bubblewrap does not work here")


@pytest.fixture
def town(city):
    return on_the_real_clock(city)


@pytest.fixture
def provider(tmp_path):
    return provider_of(tmp_path)


@contextmanager
def refused(kind, code):
    with pytest.raises(kind) as told:
        yield
    assert told.value.code == code


def test_what_a_workload_prints_is_read_while_it_runs(town, provider):
    with running(town, provider, arguments={"say": ["first", "second"]}) as job:
        eventually(lambda: b"second" in job.log(), "the output")
        assert job.log() == b"first\nsecond\n"
        assert job.state() == "running"


def test_a_command_runs_inside_and_its_output_and_status_come_back(town, provider):
    with running(town, provider) as job:
        said, made = job.run("sh", "-c", "echo out; echo err >&2; id -u; exit 7")
        assert sorted(said.split()) == [b"65534", b"err", b"out"]
        assert (made.state, made.status, made.why) == ("ended", 7, None)
        streams = {each.stream for each in all_of(job, live.output, made.id)}
        assert streams == {"stdout", "stderr"}
        assert job.run("no-such-program")[1].status == 127


def test_input_reaches_a_command_in_order_and_once(town, provider):
    with running(town, provider) as job:
        made = job.ask("cat")
        job.type_in(made, 2, b"two ")
        job.type_in(made, 1, b"one ")
        job.type_in(made, 1, b"again ")
        job.type_in(made, 3, b"three", eof=True)
        assert job.follow(made)[0] == b"one two three"


def test_a_terminal_has_its_size_and_takes_another(town, provider):
    with running(town, provider) as job:
        made = job.ask("sh", tty=True, rows=31, columns=97)
        job.type_in(made, 1, b"stty size; test -t 0 && echo tty-$((40+2))\n")
        said, _ = job.follow(made, until=b"tty-42")
        assert b"31 97" in said
        job.type_in(made, 2, rows=40, columns=120)
        job.type_in(made, 3, b"stty size; exit 3\n")
        said, found = job.follow(made)
        assert b"40 120" in said
        assert found.status == 3


def test_a_command_ends_when_it_is_told_to_and_with_all_it_started(town, provider):
    with running(town, provider) as job:
        made = job.ask("sh", "-c", "sleep 1000 & echo $!; wait")
        said, _ = job.follow(made, until=b"\n")
        with job.storage.database.begin() as tx:
            live.end(tx, made.id, member="member_me")
        assert job.follow(made)[1].status == 128 + 9
        child = ("kill", "-0", said.decode().strip())  # dead at once, and gone once it is reaped
        eventually(lambda: job.run(*child)[1].status == 1, "the end of what it started")


def test_a_command_has_the_limits_of_its_job_and_no_more_of_the_machine(town, provider):
    with running(town, provider, memory_bytes_max=512 << 20, cpu_seconds_max=50) as job:
        said, _ = job.run("sh", "-c", "ulimit -v; ulimit -t; pwd; ls /proc | grep -c '^[0-9]'")
        memory, cpu, folder, processes = said.decode().split()
        assert (int(memory) * 1_024, cpu, folder) == (512 << 20, "50", "/job/outputs")
        assert int(processes) < 10
        assert job.run("ls", str(provider._work_root))[1].status == 2
        assert job.run("touch", "/job/inputs/x")[1].status == 1


def test_what_a_command_leaves_in_the_outputs_comes_back(town, provider):
    with running(town, provider, entry_point=live.SESSION) as job:
        assert job.run("sh", "-c", "echo model > weights")[1].status == 0
        assert job.run("true", closes=True)[1].status == 0
        eventually(lambda: job.state() == "settled", "the session's end")
        left = job.city.see(job.workload)
        assert job.storage.blobs.read(left.outputs["weights"]) == b"model\n"
        assert left.usage.device_ms > 0


def test_only_a_session_ends_with_a_command(town, provider):
    with running(town, provider) as job, refused(NotAllowed, "compute.exec_closes"):
        job.ask("true", closes=True)


def test_nothing_is_run_where_nothing_runs_or_in_what_is_not_isolated(town, tmp_path):
    waiting = town.submit(entry_point="talker", wall=10_000_000 // 100)
    asked = live.Asked(waiting.id, town.university, "member_me", command=("true",))
    with refused(Conflict, "compute.exec_not_running"):
        live.ask(town.storage, asked, key="early")
    provider = provider_of(tmp_path, isolation="digest-approved")
    programs = provider._entry_points["talker"]
    found = find_program("talker", programs)
    compute.approve_entry_point(
        town.storage,
        name="talker",
        module=found.module,
        digest=found.digest,
        approved_by=town.operator,
    )
    compute.cancel(town.storage, waiting.id)
    with running(town, provider, key="bare") as job:
        made = job.run("id")[1]
        assert (made.state, made.why, made.status) == ("refused", "compute.exec_isolation", None)


@pytest.mark.parametrize("command", [(), ("",), ("a\0b",), ("x" * 40_000,)])
def test_a_command_that_is_none_is_refused(town, provider, command):
    with running(town, provider) as job, refused(Invalid, "compute.exec_invalid"):
        job.ask(*command)


def test_everything_printed_is_kept_byte_for_byte_however_odd(town, provider):
    with running(town, provider, arguments={"garbage": 300}) as job:
        whole = bytes(range(256)) * 300
        eventually(lambda: job.log() == whole, "the output")
        said, _ = job.run("head", "-c", "100000", "/dev/urandom")
        assert len(said) == 100_000


def test_a_gigabyte_fills_neither_rows_nor_memory_and_the_end_is_there(town, provider):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with running(
        town, provider, arguments={"yes": 1 << 30, "say": ["begin"], "wait": False}
    ) as job:
        eventually(lambda: job.state() == "settled", "the end")
        pieces = all_of(job, live.log, job.workload.id)
    printed = sum(piece.size for piece in pieces)
    assert printed == (1 << 30) + len(b"begin\n")
    assert sum(len(piece.data) for piece in pieces) <= KEPT_BYTES + (1 << 20)
    assert any(piece.left_out for piece in pieces)
    assert pieces[-1].data.endswith(b"yes\nyes\n")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10


def test_a_command_waits_for_a_slow_reader_and_nothing_of_it_is_lost(town, provider):
    with running(town, provider) as job:
        made = job.ask("sh", "-c", "seq 1 300000; echo done >&2")
        eventually(lambda: job.look(live.find, made.id).said_bytes >= 512 << 10, "output")
        held = job.look(live.find, made.id)
        assert held.state == "running"
        assert held.said_bytes <= 2 << 20
        said, found = job.follow(made)
        assert found.status == 0
        assert said.replace(b"done\n", b"") == b"".join(b"%d\n" % n for n in range(1, 300_001))


def test_a_reader_who_comes_back_finds_all_of_it_from_where_it_was(town, provider):
    with running(town, provider) as job:
        made = job.ask("sh", "-c", "seq 1 1000; read x; seq 1001 2000")
        first, _ = job.follow(made, until=b"1000\n")
        job.type_in(made, 1, b"\n")
        rest, _ = job.follow(made, offset=len(first) // 2)
        whole = b"".join(b"%d\n" % n for n in range(1, 2_001))
        assert first[: len(first) // 2] + rest == whole


def test_what_runs_inside_ends_with_the_work_and_says_so(town, provider):
    with running(town, provider) as job:
        made = job.ask("sleep", "1000")
        eventually(lambda: job.look(live.find, made.id).state == "running", "the command")
    assert job.state() == "cancelled"
    found = job.look(live.find, made.id)
    assert (found.state, found.status, found.why) == (
        "refused", None, "compute.exec_ended_with_work",
    )  # fmt: skip


def test_who_ran_what_is_written_down_without_its_words(town, provider):
    with running(town, provider) as job:
        made = job.run("echo", "hush-hush-word")[1]
        row = job.look(store.exec_row, made.id)
        assert (row["member"], row["command"]) == ("member_me", "")
        noted = job.look(events.after, job.workload.id, 0)
        assert [each.name for each in noted] == ["exec.asked", "exec.ended"]
        assert noted[0].body["command_digest"] == made.command_digest
        assert "hush" not in repr([each.body for each in noted])


def test_an_old_output_is_forgotten_and_the_reader_learns_how_much(town, provider):
    with running(town, provider, arguments={"say": ["old"]}) as job:
        eventually(lambda: job.log() == b"old\n", "the output")
        late = job.storage.clock.now_us() + 1
        with job.storage.database.begin() as tx:
            assert store.forget(tx, before_us=late, limit=100) == 1
        assert job.log() == b""


class Ear(Silence):
    """Keeps what it hears, part by part."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def printed(self, stream, data: bytes) -> None:
        self.parts.append(data)


def test_a_secret_that_comes_letter_by_letter_is_masked_as_it_comes(provider, storage):
    secret, ear = b"hunter2-and-more", Ear()
    job = Job(
        id="workload_secret",
        entry_point="talker",
        arguments={"secret": "TOKEN", "wait": False},
        inputs={},
        devices=1,
        wall_seconds_max=60,
        cpu_seconds_max=60,
        memory_bytes_max=1 << 30,
        secrets={"TOKEN": secret},
    )
    ended = provider.run(
        job, blobs=storage.blobs, progress=Silent(), stopped=lambda: False, live=ear
    )
    assert ended.verdict == "succeeded"
    assert b"".join(ear.parts) == b"<***>"
