"""The line to a job whose attendant a test plays: what is odd, false, lost or comes twice."""

from __future__ import annotations

import base64
import json
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from yunhe.compute import store as workloads
from yunhe.compute.live import line as lines
from yunhe.compute.live import service as live
from yunhe.compute.live import store
from yunhe.compute.live.command import Command
from yunhe.compute.live.domain import INPUTS_MAX, KEPT_BYTES, OPEN_MAX, READ_BYTES, Idle, Piece
from yunhe.compute.live.line import PENDING_BYTES_MAX, TOLD_MAX, Line
from yunhe.compute.live.tables import chunk_table, exec_table
from yunhe.compute.providers.attendant import WINDOW_BYTES
from yunhe.compute.providers.conformance import TRIAL
from yunhe.identity import service as identity
from yunhe.kernel.errors import Exhausted, Invalid, NotAllowed, Unavailable
from yunhe.kernel.masking import Mask
from yunhe.notices import service as notices
from yunhe.storage import events

ME, OTHER = "member_me", "member_other"
SECRET = b"a-token-that-nobody-else-may-see"


class Stage:
    """A running workload, a line without a thread, and the attendant's part."""

    def __init__(self, city) -> None:
        self.city, self.storage = city, city.storage
        self.workload = city.submit().id
        self.stand("running")
        self.line = self.opened()
        self.asked = 0

    def opened(self, *, attended: str | None = "", **over) -> Line:
        made = Line(self.storage, self.workload, threaded=False, **over)
        if attended is not None:
            made.attended(attended)
        return made

    def stand(self, state: str) -> None:
        with self.storage.database.begin() as tx:
            workloads.change(tx, self.workload, state=state)

    def look(self, work, *arguments, **named):
        with self.storage.database.read() as tx:
            return work(tx, *arguments, **named)

    def ask(self, *command: str, **over) -> str:
        self.asked += 1
        asked = live.Asked(
            self.workload, self.city.university, ME, command=command or ("true",), **over
        )
        return live.ask(self.storage, asked, key=f"k{self.asked}").id

    def begun(self, *command: str, **over) -> str:
        """A command that was handed over and runs."""
        made = self.ask(*command, **over)
        assert [each["do"] for each in self.turn() if each["exec"] == made] == ["start"]
        self.turn({"exec": made, "started": True})
        assert self.see(made).state == "running"
        return made

    def turn(self, *told) -> list[dict]:
        for each in told:
            self.line.told(each)
        self.line.turn()
        return self.line.asks()

    def see(self, exec_id: str) -> live.Exec:
        return self.look(live.find, exec_id)

    def said(self, subject: str) -> bytes:
        return b"".join(each.data for each in self.look(store.read, subject, 0))

    def given(self, exec_id: str, offset: int) -> None:
        with self.storage.database.begin() as tx:
            live.given(tx, exec_id, offset, at_us=self.storage.clock.now_us())

    def type_in(self, exec_id: str, seq: int, data: bytes = b"x", member: str = ME, **over):
        with self.storage.database.begin() as tx:
            return live.type_in(tx, exec_id, live.Input(seq, data, **over), member=member)


def out(exec_id: str, data: bytes, at: int = 0, stream: str = "out") -> dict:
    return {
        "exec": exec_id,
        "at": at,
        "stream": stream,
        "data": base64.b64encode(data).decode(),
    }


@pytest.fixture
def stage(city):
    return Stage(city)


class Torn:
    """A database of which the next transactions that write fail when they commit."""

    def __init__(self, database, failures: int) -> None:
        self._database, self.failures = database, failures

    def __getattr__(self, name):
        return getattr(self._database, name)

    def begin_shared(self):
        found = self._database.begin_shared()
        if not self.failures:
            return found
        self.failures -= 1
        return _Failing(found)


class _Failing:
    def __init__(self, real) -> None:
        self._real = real

    def __enter__(self):
        return self._real.__enter__()

    def __exit__(self, *_):
        error = Unavailable("storage.unavailable")
        self._real.__exit__(type(error), error, None)
        raise error


def torn(stage, failures: int = 1) -> Torn:
    """From now on the line's writes fail so many times."""
    database = Torn(stage.storage.database, failures)
    stage.line._storage = type(stage.storage)(database, stage.storage.blobs, stage.storage.clock)
    return database


# --- What an attendant says is not trusted --------------------------------------------------------


@pytest.mark.parametrize(
    "false",
    [
        {"at": 5, "stream": "out", "data": "QUE="},  # a gap
        {"at": -1, "stream": "out", "data": "QUE="},
        {"at": "0", "stream": "out", "data": "QUE="},
        {"at": True, "stream": "out", "data": "QUE="},
        {"at": 0.0, "stream": "out", "data": "QUE="},
        {"at": 0, "stream": "both", "data": "QUE="},
        {"at": 0, "data": "QUE="},
        {"stream": "out", "data": "QUE="},
        {"at": 0, "stream": "out", "data": "no base64!"},
        {"at": 0, "stream": "out", "data": "QQ"},
        {"at": 0, "stream": "out", "data": "\u7532"},
        {"at": 0, "stream": ["out"], "data": "QUE="},
        {"status": "0"},
        {"status": -1},
        {"status": None},
        {"status": True},
        {"took": "1"},
        {"took": 10.5},
        {"took": -1},
        {"refused": "compute.exec_too_many.do"},
        {"refused": "any text \x00 at all"},
        {"refused": {"a": []}},
        {"refused": None},
    ],
)
def test_a_line_that_makes_no_sense_breaks_its_command_off_and_nothing_else(stage, false):
    broken, whole = stage.begun(), stage.begun()
    asks = stage.turn({"exec": broken, **false}, out(whole, b"fine"))
    found = stage.see(broken)
    assert (found.state, found.why, found.status) == ("refused", "compute.exec_gone", None)
    assert {"exec": broken, "do": "end"} in asks  # it may run on: it should not
    assert stage.said(whole) == b"fine"
    assert stage.see(whole).state == "running"


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"exec": None},
        {"exec": 7, "status": 0},
        {"exec": ["x"], "status": 0},
        {"exec": "exec_of_somebody_else", "status": 0},
        {"exec": "\ud800", "started": True},
        {"exec": "", "at": 0, "stream": "out", "data": "QUE="},
    ],
)
def test_answers_for_what_was_never_asked_here_do_nothing(stage, line):
    made = stage.begun()
    stage.turn(line)
    assert stage.see(made).state == "running"
    assert stage.said(made) == b""


def test_a_job_cannot_end_a_command_of_another_job(stage):
    made = stage.begun()
    other = stage.opened()
    other.workload = "workload_elsewhere"
    other.told({"exec": made, "status": 0})
    other.turn()
    assert stage.see(made).state == "running"


@pytest.mark.parametrize(("said", "kept"), [(0, 0), (7, 7), (255, 255), (256, 255), (10**30, 255)])
def test_a_status_is_kept_within_what_a_status_can_be(stage, said, kept):
    made = stage.begun()
    stage.turn({"exec": made, "status": said})
    assert (stage.see(made).state, stage.see(made).status) == ("ended", kept)


def test_what_was_said_of_a_refusal_by_the_attendant_is_told(stage):
    made = stage.ask()
    stage.turn()
    stage.turn({"exec": made, "refused": "compute.exec_too_many"})
    assert (stage.see(made).state, stage.see(made).why) == ("refused", "compute.exec_too_many")


def test_an_attendant_that_sends_further_ahead_than_it_may_is_given_up(stage):
    made = stage.begun()
    portion = bytes(WINDOW_BYTES)
    for number in range(4):
        stage.turn(out(made, portion, number * WINDOW_BYTES))
    assert stage.see(made).state == "running"
    stage.turn(out(made, b"more", 4 * WINDOW_BYTES))
    assert stage.see(made).why == "compute.exec_gone"
    assert stage.see(made).said_bytes <= 4 * WINDOW_BYTES + 4


def test_more_answers_than_can_be_on_their_way_take_no_memory(stage):
    for _ in range(TOLD_MAX + 500):
        stage.line.told({"exec": "x"})
    assert len(stage.line._told) == TOLD_MAX


def test_the_same_output_twice_or_overlapping_is_kept_once(stage):
    made = stage.begun()
    stage.turn(out(made, b"abc"), out(made, b"abc"), out(made, b"bcde", 1), out(made, b"f", 5))
    assert stage.said(made) == b"abcdef"


@settings(max_examples=40, deadline=None)
@given(
    data=st.binary(min_size=1, max_size=200),
    cuts=st.lists(st.tuples(st.integers(0, 199), st.integers(1, 60)), max_size=12),
)
def test_however_output_is_repeated_every_byte_is_there_once(data, cuts):
    row = {"id": "e", "closes": 0, "input_done": 0, "taken": 0}
    made = Command(row, Mask(), end=0)
    heard = 0
    for wanted, size in [*cuts, (0, len(data))]:
        at = min(wanted, heard)
        part = data[at : at + size]
        made.hear(out("e", part, at))
        heard = max(heard, at + len(part))
    assert b"".join(piece.data for piece in made._pieces) == data[:heard] == data


# --- Nothing is lost when it can't be kept at once ------------------------------------------------


def test_what_a_job_printed_while_the_disk_was_full_is_published_later(stage):
    torn(stage)
    stage.line.printed("stdout", b"first ")
    with pytest.raises(Unavailable):
        stage.line.turn(last=True)
    assert stage.said(stage.workload) == b""
    stage.line.printed("stderr", b"second")
    stage.line.turn(last=True)
    assert stage.said(stage.workload) == b"first second"


def test_while_nothing_can_be_kept_memory_stays_bounded_and_the_gap_is_counted(stage):
    torn(stage, 3)
    size = PENDING_BYTES_MAX // 2
    for number in range(3):
        stage.line.printed("stdout", bytes([number]) * size)
        with pytest.raises(Unavailable):
            stage.line.turn(last=True)
    stage.line.turn(last=True)
    [gap, *rest] = stage.look(store.read, stage.workload, 0, limit=4 * size)
    assert gap.left_out == size
    assert b"".join(each.data for each in rest) == b"\1" * size + b"\2" * size


def test_what_a_command_said_while_the_disk_was_full_is_published_later_and_once(stage):
    made = stage.begun()
    torn(stage)
    with pytest.raises(Unavailable):
        stage.turn(out(made, b"kept "), {"exec": made, "at": 5, "status": 3})
    assert (stage.said(made), stage.see(made).state) == (b"", "running")
    stage.turn()
    assert (stage.said(made), stage.see(made).status) == (b"kept ", 3)


def test_a_session_closes_only_once_the_end_of_its_command_is_kept(stage, monkeypatch):
    monkeypatch.setattr(live, "SESSION", TRIAL)
    made = stage.begun(closes=True)
    torn(stage)
    with pytest.raises(Unavailable):
        stage.turn({"exec": made, "status": 0})
    assert stage.line.asks() == []
    assert stage.turn() == [{"do": "close"}]
    assert stage.turn() == []


def test_a_started_command_whose_start_could_not_be_kept_is_not_started_again(stage):
    made = stage.ask()
    assert [each["do"] for each in stage.turn()] == ["start"]
    torn(stage)
    with pytest.raises(Unavailable):
        stage.turn({"exec": made, "started": True})
    assert stage.turn() == []
    assert stage.see(made).state == "running"


def test_what_the_mask_held_back_is_there_when_the_work_ends(stage):
    stage.line = stage.opened(mask=Mask([SECRET]))
    made = stage.begun()
    stage.turn(out(made, b"ends with " + SECRET[:9]))
    assert stage.said(made) == b"ends with "
    stage.line.close()
    assert stage.said(made) == b"ends with " + SECRET[:9]
    assert stage.see(made).why == "compute.exec_ended_with_work"


def test_a_fault_while_the_last_is_published_does_not_change_how_the_job_ended(stage, monkeypatch):
    def fails(*_, **__):
        raise sqlite3.DatabaseError("disk I/O error")

    stage.line.printed("stdout", b"last")
    monkeypatch.setattr(store, "append", fails)
    stage.line.close()  # raises nothing
    monkeypatch.undo()
    assert stage.said(stage.workload) == b""


# --- Secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 7, len(SECRET) - 1])
def test_a_secret_in_what_a_command_says_is_masked_wherever_it_is_cut(stage, cut):
    stage.line = stage.opened(mask=Mask([SECRET]))
    made = stage.begun()
    stage.turn(out(made, b"<" + SECRET[:cut]))
    stage.turn(out(made, SECRET[cut:] + b">", 1 + cut))
    stage.turn({"exec": made, "status": 0})
    assert stage.said(made) == b"<***>"


def test_the_words_of_a_command_are_in_no_row_once_it_began_nor_in_its_events(stage):
    made = stage.begun("curl", "-H", SECRET.decode())
    stage.turn({"exec": made, "status": 0})
    row = stage.look(store.exec_row, made)
    assert row["command"] == ""
    kept = stage.look(events.after, stage.workload, 0)
    assert [each.name for each in kept if each.name.startswith("exec.")] == [
        "exec.asked", "exec.ended",
    ]  # fmt: skip
    assert SECRET.decode() not in json.dumps([each.body for each in kept])
    assert SECRET.decode() not in repr(stage.see(made))


def test_the_words_of_a_refused_command_are_gone_as_well(stage):
    stage.line = stage.opened(attended="compute.exec_isolation")
    made = stage.ask("echo", SECRET.decode())
    stage.turn()
    assert stage.see(made).why == "compute.exec_isolation"
    assert stage.look(store.exec_row, made)["command"] == ""


# --- Input ----------------------------------------------------------------------------------------


def test_input_goes_out_in_order_and_no_more_than_some_at_once(stage):
    made = stage.begun()
    for seq in reversed(range(1, 13)):
        stage.type_in(made, seq)
    first = [each["seq"] for each in stage.turn() if each["do"] == "input"]
    assert first == list(range(1, 9))
    assert stage.turn() == []
    stage.turn({"exec": made, "took": 8})
    rest = [each["seq"] for each in stage.turn()]
    assert rest in ([9, 10, 11, 12], [])  # they went with the turn that heard of the eight
    assert stage.see(made).input_done == 8


def test_a_missing_piece_of_input_holds_back_those_behind_it(stage):
    made = stage.begun()
    stage.type_in(made, 2, b"second")
    assert stage.turn() == []
    stage.type_in(made, 1, b"first")
    assert [each["seq"] for each in stage.turn()] == [1, 2]


@pytest.mark.parametrize("seq", [INPUTS_MAX + 1, 2**53 - 1])
def test_input_too_far_ahead_is_refused_and_keeps_nothing(stage, seq):
    made = stage.begun()
    with pytest.raises(Exhausted) as told:
        stage.type_in(made, seq)
    assert told.value.code == "compute.exec_input_full"
    assert stage.see(made).input_last == 0


def test_a_piece_that_comes_twice_with_other_words_is_the_first(stage):
    made = stage.begun()
    stage.type_in(made, 1, b"first")
    stage.type_in(made, 1, b"forged")
    [asked] = stage.turn()
    assert base64.b64decode(asked["data"]) == b"first"


def test_an_attendant_cannot_take_input_that_was_not_given(stage):
    made = stage.begun()
    stage.type_in(made, 1)
    stage.turn()
    stage.turn({"exec": made, "took": 2**62})
    assert stage.see(made).input_done == 1


def test_input_for_what_is_over_is_let_go_of(stage):
    made = stage.begun()
    stage.turn({"exec": made, "status": 0})
    assert stage.type_in(made, 1).state == "ended"
    assert stage.see(made).input_last == 0


def test_nobody_types_into_or_ends_what_somebody_else_started(stage):
    made = stage.begun()
    with pytest.raises(NotAllowed):
        stage.type_in(made, 1, member=OTHER)
    with pytest.raises(NotAllowed), stage.storage.database.begin() as tx:
        live.end(tx, made, member=OTHER)
    assert stage.turn() == []


@pytest.mark.parametrize("half", [{"rows": 10}, {"columns": 10}])
def test_half_of_a_terminals_size_is_refused(stage, half):
    made = stage.begun(tty=True)
    with pytest.raises(Invalid) as told:
        stage.type_in(made, 1, **half)
    assert told.value.code == "compute.exec_invalid"


def test_a_storm_of_sizes_waits_like_any_input(stage):
    made = stage.begun(tty=True)
    for seq in range(1, INPUTS_MAX + 1):
        stage.type_in(made, seq, b"", rows=seq, columns=seq)
    with pytest.raises(Exhausted):
        stage.type_in(made, INPUTS_MAX + 1, b"", rows=9, columns=9)
    assert len(stage.turn()) == 8


# --- Bounds ---------------------------------------------------------------------------------------


def test_so_many_commands_may_be_open_and_no_more(stage):
    made = [stage.ask() for _ in range(OPEN_MAX)]
    with pytest.raises(Exhausted) as told:
        stage.ask()
    assert (told.value.code, told.value.retryable) == ("compute.exec_too_many", True)
    stage.turn()
    stage.turn({"exec": made[0], "status": 0})
    stage.ask()


def test_the_same_key_is_the_same_command_also_when_no_more_may_be_open(stage):
    asked = live.Asked(stage.workload, stage.city.university, ME, command=("true",))
    first = live.ask(stage.storage, asked, key="mine")
    for _ in range(OPEN_MAX - 1):
        stage.ask()
    assert live.ask(stage.storage, asked, key="mine").id == first.id


def test_a_list_of_commands_tells_how_much_each_said_in_a_fixed_number_of_questions(stage):
    made = sorted(stage.begun() for _ in range(5))
    stage.turn(*[out(each, b"x" * size) for size, each in enumerate(made) if size])
    stage.type_in(made[3], 1)
    listed = stage.look(live.execs, stage.workload)
    assert [each.said_bytes for each in listed] == [0, 1, 2, 3, 4]
    assert [each.input_last for each in listed] == [0, 0, 0, 1, 0]
    assert listed == [stage.see(each) for each in made]


def test_an_endless_output_keeps_so_much_and_says_what_is_missing(stage):
    with stage.storage.database.begin() as tx:
        end = 0
        for _ in range(20):
            end = store.append(
                tx, stage.workload, [Piece("stdout", bytes(1 << 20))], start=end, at_us=1
            )
    [gap, *rest] = stage.look(store.read, stage.workload, 0)
    assert gap.left_out == end - KEPT_BYTES
    assert sum(each.size for each in rest) >= READ_BYTES


@pytest.mark.parametrize("offset", [1, 2**40, 2**53 - 1])
def test_an_offset_beyond_the_end_gives_nothing(stage, offset):
    assert stage.look(store.read, stage.workload, offset) == []


def test_a_reader_who_claims_more_than_there_is_takes_what_there_is(stage):
    made = stage.begun()
    stage.turn(out(made, b"abc"))
    stage.given(made, 2**53 - 1)
    assert stage.look(store.exec_row, made)["taken"] == 3
    assert stage.turn() == [{"exec": made, "do": "taken", "at": 3}]


# --- Who goes on with it --------------------------------------------------------------------------


def test_whoever_takes_over_says_again_what_was_taken_so_that_a_full_window_opens(stage):
    made = stage.begun()
    portion = bytes(WINDOW_BYTES)
    stage.turn(out(made, portion))
    stage.given(made, WINDOW_BYTES)
    stage.line.leave()
    stage.line = stage.opened()
    stage.turn()  # finds it
    assert stage.turn() == [{"exec": made, "do": "taken", "at": WINDOW_BYTES}]
    stage.turn(out(made, b"more", WINDOW_BYTES))
    assert stage.see(made).said_bytes == WINDOW_BYTES + 4


def test_whoever_takes_over_a_long_output_does_not_hold_its_length_against_it(stage):
    made = stage.begun()
    for number in range(6):
        stage.turn(out(made, bytes(WINDOW_BYTES), number * WINDOW_BYTES))
        stage.given(made, (number + 1) * WINDOW_BYTES)
        stage.turn()
    stage.line.leave()
    stage.line = stage.opened()
    stage.turn()
    stage.turn(out(made, b"more", 6 * WINDOW_BYTES))
    assert stage.see(made).state == "running"


def test_a_line_that_breaks_while_the_job_goes_on_ends_its_commands_in_the_end(stage, monkeypatch):
    made = stage.begun()
    stage.line.attended("compute.exec_gone")
    stage.turn()
    assert stage.see(made).state == "running"  # mostly its job is just ending
    monkeypatch.setattr(lines, "GONE_SECONDS", 0.0)
    stage.turn()
    assert (stage.see(made).state, stage.see(made).why) == ("refused", "compute.exec_gone")


def test_commands_of_work_that_ended_with_its_worker_end_by_themselves(stage):
    made = [stage.begun(), stage.ask()]
    assert live.forget(stage.storage) == 0
    assert stage.see(made[0]).state == "running"
    stage.stand("failed")
    live.forget(stage.storage)
    live.forget(stage.storage)  # twice is once
    assert {stage.see(each).why for each in made} == {"compute.exec_ended_with_work"}
    named = [each.name for each in stage.look(events.after, stage.workload, 0)]
    assert named.count("exec.refused") == 2


def test_a_command_that_nobody_took_up_is_refused_once_and_noted(stage):
    made = stage.ask()
    stage.city.clock.advance(seconds=61)
    stage.given(made, 0)
    stage.given(made, 0)
    assert stage.see(made).why == "compute.exec_unanswered"
    named = [each.name for each in stage.look(events.after, stage.workload, 0)]
    assert named.count("exec.refused") == 1


def test_what_was_over_long_ago_is_forgotten_with_its_output_and_the_rest_is_not(stage):
    old = stage.begun()
    stage.turn(out(old, b"x"), {"exec": old, "status": 0})
    stage.city.clock.advance(seconds=live.REMEMBER_SECONDS + 1)
    new = stage.begun()
    stage.turn(out(new, b"y"), {"exec": new, "status": 0})
    live.forget(stage.storage)
    left = stage.look(lambda tx: tx.execute(select(exec_table.c.id)).scalars().all())
    assert left == [new]
    subjects = select(func.count()).select_from(chunk_table).where(chunk_table.c.subject == old)
    assert stage.look(lambda tx: tx.execute(subjects).scalar_one()) == 0
    assert stage.said(new) == b"y"
    kept = stage.look(events.after, stage.workload, 0)
    assert [each.body["exec"] for each in kept if each.name == "exec.ended"] == [old, new]


def test_forgetting_while_somebody_reads_leaves_a_gap_that_is_told(stage):
    made = stage.begun()
    stage.turn(out(made, b"old"))
    stage.city.clock.advance(seconds=live.FORGET_SECONDS + 1)
    stage.turn(out(made, b"new", 3))
    assert live.forget(stage.storage) == 1
    gap, rest = stage.look(store.read, made, 1)
    assert (gap.left_out, rest.data) == (2, b"new")


def test_many_old_pieces_go_together(stage):
    pieces = [Piece("stdout" if number % 2 else "stderr", b"x") for number in range(1_001)]
    with stage.storage.database.begin() as tx:
        store.append(tx, "exec_old", pieces, start=0, at_us=1)
        assert store.forget(tx, before_us=2, limit=1_000) == 1_000
        assert store.forget(tx, before_us=2, limit=1_000) == 1
        assert store.forget(tx, before_us=2, limit=1_000) == 0


# --- Work that does nothing -----------------------------------------------------------------------


def test_the_notice_of_idle_work_is_delivered_before_the_work_is_stopped(stage):
    """Told once, to those who would be told; the stop comes half of the time later."""
    stage.line = stage.opened(idle=Idle(minutes=4))
    with stage.storage.database.begin() as tx:
        chief = identity.add_member(
            tx, key="chief", organisation=stage.city.university, name="Chief", at_us=1
        ).id
        identity.grant_role(tx, member=chief, role="administrator", at_us=1)
    said, stopped_at = [], None
    for minute in range(1, 8):
        stage.city.clock.advance(seconds=60)
        stage.line.used(10)
        stage.line.turn()
        with stage.storage.database.read() as tx:
            found = notices.feed(tx, chief)
        assert {(each.kind, each.params["minutes"]) for each in found} <= {("job_idle", 2)}
        said.append(len(found))
        if stage.line.released:
            stopped_at = minute
            break
    assert said[1:3] == [1, 1]
    assert stopped_at == 4


def test_a_look_at_its_devices_that_is_old_by_now_is_no_sign_of_idleness(stage):
    stage.line = stage.opened(idle=Idle(minutes=4), by_devices=True)
    for _ in range(20):
        stage.city.clock.advance(seconds=60)
        stage.line.utilised(900)
        stage.line._utilised_at -= 2 * lines.UTILISED_SECONDS  # nobody came to judge it meanwhile
        stage.line.turn()
    assert not stage.line._watched.warned
    assert not stage.line.released


def test_output_alone_keeps_no_devices_but_somebody_who_types_does(stage):
    stage.line = stage.opened(idle=Idle(minutes=4))
    made = stage.begun("tail", "-f", "log")
    at = 0
    for _ in range(3):
        stage.city.clock.advance(seconds=60)
        stage.line.used(10)
        stage.turn(out(made, b"tick", at))
        at += 4
    assert stage.line._watched.warned
    stage.type_in(made, 1)
    stage.turn()
    stage.turn({"exec": made, "took": 1})
    stage.city.clock.advance(seconds=60)
    stage.line.used(10)
    stage.line.turn()
    assert not stage.line._watched.warned
    assert not stage.line.released
