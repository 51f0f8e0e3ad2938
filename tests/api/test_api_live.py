"""Output as it comes and commands inside work, by HTTP: who may, how it goes on, what is odd."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

import pytest

from yunhe.api import byte_streams
from yunhe.client.wire.live import INPUT_BYTES_MAX
from yunhe.compute import service as compute
from yunhe.compute import store as workloads
from yunhe.compute.domain import WorkloadSpec
from yunhe.compute.live import store
from yunhe.compute.live.domain import COMMAND_LETTERS_MAX, INPUTS_MAX, OPEN_MAX, Piece
from yunhe.compute.live.line import Line
from yunhe.storage import events


@dataclass
class Event:
    """One of a stream of bytes."""

    number: int
    name: str
    body: dict

    @property
    def data(self) -> bytes:
        return base64.b64decode(self.body.get("data", ""))


def read(text: str) -> list[Event]:
    """Events of a stream; comments are left out."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.split("\n") if line[:1] not in (":", "")
        )
        if fields:
            found.append(Event(int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


class Place:
    """A university with a running workload, people of every kind, and another tenant."""

    def __init__(self, desk) -> None:
        self.desk = desk
        self.university = desk.organisation("university")
        self.member = desk.member(self.university, "trainer")
        self.key = desk.key(self.member)
        compute.register_pool(
            desk.storage,
            key="pool",
            provider=desk.organisation("centre", "provider"),
            site="here",
            chip="cpu",
            devices=1,
            price_minor_per_device_hour=0,
            currency="CNY",
        )
        self.workload = self.submitted("first")
        self.line = Line(desk.storage, self.workload, threaded=False)
        self.line.attended("")

    def submitted(self, key: str, *, project: str = "", state: str = "running") -> str:
        storage = self.desk.storage
        made = compute.submit(
            storage,
            WorkloadSpec(
                organisation=self.university,
                key=key,
                entry_point="any",
                arguments={},
                inputs={},
                chip="cpu",
                devices=1,
                wall_seconds_max=60,
                cpu_seconds_max=60,
                project=project,
            ),
        )
        with storage.database.begin() as tx:
            workloads.change(tx, made.id, state=state)
        return made.id

    def stand(self, state: str) -> None:
        with self.desk.storage.database.begin() as tx:
            workloads.change(tx, self.workload, state=state)

    def ask(self, method: str, path: str, key: str | None = None, **given):
        return self.desk.ask(method, path, self.key if key is None else key, **given)

    def post(self, body: dict, key: str | None = None, workload: str = "", **given):
        path = f"/v1/workloads/{workload or self.workload}/execs"
        return self.ask("POST", path, key, json=body, **given)

    def made(self, *command: str, **over) -> str:
        answer = self.post({"command": list(command) or ["true"], **over})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def told(self, *lines: dict) -> list[dict]:
        """What the job's attendant says; what it is asked."""
        for each in lines:
            self.line.told(each)
        self.line.turn()
        return self.line.asks()

    def ended(self, data: bytes = b"", status: int = 0) -> str:
        """A command that said something and ended."""
        made = self.made()
        self.told()
        coded = base64.b64encode(data).decode()
        said = [{"exec": made, "at": 0, "stream": "out", "data": coded}] if data else []
        self.told({"exec": made, "started": True}, *said, {"exec": made, "status": status})
        return made

    def printed(self, data: bytes, stream: str = "stdout") -> None:
        with self.desk.storage.database.begin() as tx:
            start = store.end_of(tx, self.workload)
            store.append(tx, self.workload, [Piece(stream, data)], start=start, at_us=1)


@pytest.fixture
def place(desk):
    return Place(desk)


def routes(place, exec_id: str) -> list[tuple[str, str, dict]]:
    """Every door to running work, with a body that is right."""
    work, one = f"/v1/workloads/{place.workload}", f"/v1/execs/{exec_id}"
    return [
        ("GET", f"{work}/log/stream", {}),
        ("GET", f"{work}/execs", {}),
        ("POST", f"{work}/execs", {"json": {"command": ["true"]}}),
        ("GET", one, {}),
        ("GET", f"{one}/stream", {}),
        ("POST", f"{one}/input", {"json": {"seq": 1, "data": "eA=="}}),
        ("POST", f"{one}/end", {}),
    ]


# --- Who may --------------------------------------------------------------------------------------


def test_another_tenant_cannot_tell_running_work_from_none(place):
    made = place.made()
    rival = place.desk.key(place.desk.member(place.desk.organisation("rival"), "administrator"))
    for method, path, given in routes(place, made):
        answer = place.ask(method, path, rival, **given)
        assert answer.status_code == 404, (method, path)
        none = path.replace(made, "exec_none").replace(place.workload, "workload_none")
        there = place.ask(method, none, rival, **given)
        assert answer.json()["code"] == there.json()["code"]
        assert place.university not in answer.text
    assert [each["do"] for each in place.told()] == ["start"]  # and nothing else was asked


@pytest.mark.parametrize("role", ["buyer", "auditor"])
def test_a_role_that_may_not_compute_runs_reads_and_types_nothing(place, role):
    made = place.made()
    key = place.desk.key(place.desk.member(place.university, role))
    for method, path, given in routes(place, made):
        answer = place.ask(method, path, key, **given)
        assert answer.status_code == 403, (role, method, path)
    with place.desk.storage.database.read() as tx:
        assert len(store.execs(tx, place.workload, after="", limit=9)) == 1


def test_a_key_that_only_reads_runs_and_types_nothing(place):
    made = place.made()
    reading = place.desk.key(place.member, "compute:read")
    for method, path, given in routes(place, made):
        if method == "POST":
            assert place.ask(method, path, reading, **given).status_code == 403, path
    assert place.ask("GET", f"/v1/execs/{made}", reading).status_code == 200


def test_without_a_key_every_door_is_closed(place):
    made = place.made()
    for method, path, given in routes(place, made):
        assert place.ask(method, path, "", **given).status_code == 401, path


def test_somebody_of_one_project_reaches_no_work_of_another(place):
    here = place.desk.project(place.university, "here")
    there = place.desk.project(place.university, "there")
    place.workload = place.submitted("second", project=there)
    stranger = place.desk.key(place.desk.member(place.university, "trainer", project=here))
    friend = place.desk.key(place.desk.member(place.university, "trainer", project=there))
    made = place.post({"command": ["true"]}, friend)
    assert made.status_code == 201, made.text
    for method, path, given in routes(place, made.json()["id"]):
        assert place.ask(method, path, stranger, **given).status_code == 404, path
    assert place.ask("GET", f"/v1/execs/{made.json()['id']}", friend).status_code == 200


def test_a_colleague_sees_a_command_but_neither_types_into_it_nor_ends_it(place):
    made = place.made()
    colleague = place.desk.key(place.desk.member(place.university, "trainer"))
    assert place.ask("GET", f"/v1/execs/{made}", colleague).json()["member"] == place.member.id
    for door, given in (("input", {"json": {"seq": 1, "data": "eA=="}}), ("end", {})):
        answer = place.ask("POST", f"/v1/execs/{made}/{door}", colleague, **given)
        assert (answer.status_code, answer.json()["code"]) == (403, "compute.exec_not_yours")


def test_the_same_key_twice_is_one_command_and_for_other_work_is_none_of_it(place):
    same = {"headers": {"idempotency-key": "same"}}
    first = place.post({"command": ["true"]}, **same).json()["id"]
    again = place.post({"command": ["true"]}, **same)
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (first, "true")
    assert first not in place.post({"command": ["false"]}, **same).text
    other = place.submitted("other")
    assert first not in place.post({"command": ["true"]}, workload=other, **same).text
    assert [each["exec"] for each in place.told()] == [first]


# --- What is asked for ----------------------------------------------------------------------------


NO_COMMANDS = (
    {},
    {"command": []},
    {"command": [""]},
    {"command": "true"},
    {"command": [1]},
    {"command": ["a\x00b"]},
    {"command": ["x" * COMMAND_LETTERS_MAX]},
    {"command": ["x"] * 1_001},
    {"command": ["true"], "rows": 0},
    {"command": ["true"], "columns": 1_001},
    {"command": ["true"], "rows": "24"},
    {"command": ["true"], "shell": True},
)


def test_a_command_that_is_none_is_refused_before_anything_is_kept(place):
    assert {place.post(body).status_code for body in NO_COMMANDS} == {422}
    assert place.told() == []


def test_ten_megabytes_of_words_are_refused_and_not_echoed(place):
    answer = place.post({"command": ["echo", "x" * (10 << 20)]})
    assert answer.status_code in (413, 422)
    assert len(answer.content) < 10_000


def test_words_reach_the_job_exactly_as_they_were_given(place):
    words = ["sh", "-c", " two  blanks ", "", "\t'\"\\", "运河", "-", "--", "\u202e\x7f"]
    made = place.made(*words)
    [asked] = place.told()
    assert (asked["exec"], asked["command"]) == (made, words)


def test_a_word_that_is_no_text_is_refused(place):
    answer = place.ask(
        "POST",
        f"/v1/workloads/{place.workload}/execs",
        content=b'{"command": ["\\ud800"]}',
        headers={"content-type": "application/json"},
    )
    assert answer.status_code in (400, 422)
    assert place.told() == []


def test_nothing_is_run_in_what_does_not_run(place):
    for state in ("settled", "failed", "cancelled", "waiting", "placed"):
        place.stand(state)
        answer = place.post({"command": ["true"]})
        assert (answer.status_code, answer.json()["code"]) == (409, "compute.exec_not_running")


def test_only_a_session_ends_with_a_command(place):
    answer = place.post({"command": ["true"], "closes": True})
    assert (answer.status_code, answer.json()["code"]) == (403, "compute.exec_closes")


def test_a_crowd_of_commands_is_bounded_and_the_bound_is_said(place):
    answers = [place.post({"command": ["true"]}) for _ in range(OPEN_MAX + 3)]
    assert [each.status_code for each in answers] == [201] * OPEN_MAX + [429] * 3
    assert answers[-1].json()["code"] == "compute.exec_too_many"
    place.told({"exec": answers[0].json()["id"], "refused": "compute.exec_too_many"})


def test_secret_words_are_in_no_answer_event_or_remembered_request(place):
    secret = "hunter2-and-then-some"
    made = place.made("curl", f"https://u:{secret}@host")
    place.told()
    place.told({"exec": made, "started": True}, {"exec": made, "status": 0})
    shown = place.ask("GET", f"/v1/execs/{made}").text
    listed = place.ask("GET", f"/v1/workloads/{place.workload}/execs").text
    with place.desk.storage.database.read() as tx:
        kept = json.dumps([each.body for each in events.after(tx, place.workload, 0)])
        row = store.exec_row(tx, made)
    assert secret not in shown + listed + kept + repr(dict(row))


# --- Lists ----------------------------------------------------------------------------------------


def test_commands_are_listed_page_by_page_each_once(place):
    made = {place.ended(b"x" * size) for size in range(5)}
    found, after = [], ""
    while True:
        answer = place.ask(
            "GET",
            f"/v1/workloads/{place.workload}/execs?limit=2" + (f"&after={after}" if after else ""),
        ).json()
        found += answer["items"]
        after = answer["next"]
        if not after:
            break
    assert len(found) == len({each["id"] for each in found}) == 5
    assert {each["id"] for each in found} == made
    assert sorted(each["said_bytes"] for each in found) == [0, 1, 2, 3, 4]
    assert all(each["status"] == 0 and each["ended_at"] for each in found)


@pytest.mark.parametrize(("language", "word"), [("en", "ended with its workload"), ("zh", "作业")])
def test_why_a_command_ended_is_said_in_the_readers_language(place, language, word):
    made = place.made()
    place.told()
    place.line.close()
    shown = place.ask("GET", f"/v1/execs/{made}", headers={"accept-language": language}).json()
    assert (shown["state"], shown["why"]) == ("refused", "compute.exec_ended_with_work")
    assert word in shown["message"]


# --- Streams --------------------------------------------------------------------------------------


def test_a_log_is_streamed_byte_for_byte_and_ends_with_the_work(place):
    place.printed(b"out\x00\xff")
    place.printed(b"err", "stderr")
    place.stand("settled")
    answer = place.ask("GET", f"/v1/workloads/{place.workload}/log/stream")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    first, second, done = read(answer.text)
    assert (first.name, first.data, first.number) == ("stdout", b"out\x00\xff", 5)
    assert (second.name, second.data, second.number) == ("stderr", b"err", 8)
    assert (done.name, done.number, done.body["state"]) == ("done", 9, "settled")


def test_a_log_is_taken_up_after_any_byte(place):
    place.printed(b"abc")
    place.printed(b"defgh", "stderr")
    place.stand("settled")
    path = f"/v1/workloads/{place.workload}/log/stream"
    for offset in range(9):
        by_header = place.ask("GET", path, headers={"last-event-id": str(offset)})
        assert by_header.text == place.ask("GET", f"{path}?after={offset}").text
        found = read(by_header.text)
        assert b"".join(each.data for each in found) == b"abcdefgh"[offset:]
        assert found[-1].name == "done"


def test_a_log_that_was_read_to_its_end_is_asked_for_no_more(place):
    place.printed(b"abcdefgh")
    place.stand("settled")
    path = f"/v1/workloads/{place.workload}/log/stream"
    for last in ("9", "10", "999999999999999"):
        assert place.ask("GET", path, headers={"last-event-id": last}).status_code == 204


def test_a_place_that_is_no_number_is_refused(place):
    made = place.ended(b"x")
    for path in (f"/v1/workloads/{place.workload}/log/stream", f"/v1/execs/{made}/stream"):
        for last in ("-1", "x", "1.5", "0x1", "1e3", "9" * 16, "١"):
            answer = place.ask("GET", path, headers={"last-event-id": last.encode()})
            assert (answer.status_code, answer.json()["code"]) == (422, "api.event_id"), last
        for after in ("-1", "x", str(2**53)):
            assert place.ask("GET", f"{path}?after={after}").status_code == 422


def test_what_is_not_kept_any_more_is_told_as_a_gap(place):
    with place.desk.storage.database.begin() as tx:
        gap = Piece("stdout", b"", left_out=1_000)
        store.append(tx, place.workload, [gap, Piece("stdout", b"rest")], start=0, at_us=1)
    place.stand("failed")
    found = read(place.ask("GET", f"/v1/workloads/{place.workload}/log/stream?after=10").text)
    assert [(each.name, each.number) for each in found] == [
        ("gap", 1_000),
        ("stdout", 1_004),
        ("done", 1_005),
    ]
    assert found[0].body == {"left_out": 990}


def test_a_commands_output_and_status_are_streamed_also_long_after_its_end(place):
    made = place.ended(b"hello", status=7)
    place.stand("settled")
    for _ in range(2):
        said, done = read(place.ask("GET", f"/v1/execs/{made}/stream").text)
        assert (said.name, said.data) == ("stdout", b"hello")
        assert done.body == {"state": "ended", "status": 7, "why": None}
    path = f"/v1/execs/{made}/stream"
    assert place.ask("GET", path, headers={"last-event-id": "6"}).status_code == 204


def test_a_reader_with_a_place_beyond_the_end_waits_and_misleads_nobody(place, monkeypatch):
    monkeypatch.setattr(byte_streams, "STREAM_SECONDS_MAX", 0.5)
    made = place.made()
    place.told()
    coded = base64.b64encode(b"abc").decode()
    place.told(
        {"exec": made, "started": True}, {"exec": made, "at": 0, "stream": "out", "data": coded}
    )
    answer = place.ask(
        "GET", f"/v1/execs/{made}/stream", headers={"last-event-id": "999999999999999"}
    )
    assert read(answer.text) == []
    assert read(place.ask("GET", f"/v1/execs/{made}/stream").text)[0].data == b"abc"
    assert place.ask("GET", f"/v1/execs/{made}").json()["said_bytes"] == 3


def test_a_quiet_stream_lives_and_is_bounded_in_time(place, monkeypatch):
    monkeypatch.setattr(byte_streams, "STREAM_SECONDS_MAX", 0.4)
    monkeypatch.setattr(byte_streams, "HEARTBEAT_SECONDS", 0.0)
    answer = place.ask("GET", f"/v1/workloads/{place.workload}/log/stream")
    assert answer.status_code == 200
    assert answer.text.startswith(":\n\n")
    assert read(answer.text) == []


def test_reading_a_log_leaves_no_seat_taken(place):
    place.stand("settled")
    path = f"/v1/workloads/{place.workload}/log/stream"
    for _ in range(25):  # more than a member may have open
        assert place.ask("GET", path).status_code == 200


# --- Input ----------------------------------------------------------------------------------------


NO_INPUT = (
    {},
    {"seq": 0},
    {"seq": -1},
    {"seq": "1"},
    {"seq": 1.5},
    {"seq": 2**53},
    {"seq": 1, "data": "no base64!"},
    {"seq": 1, "data": "QQ"},
    {"seq": 1, "data": "A" * (INPUT_BYTES_MAX * 2)},
    {"seq": 1, "rows": 0, "columns": 1},
    {"seq": 1, "rows": 10},
    {"seq": 1, "columns": 10},
    {"seq": 1, "eof": "what?"},
)


def test_input_that_is_none_is_refused_and_nothing_of_it_kept(place):
    made = place.made()
    for body in NO_INPUT:
        answer = place.ask("POST", f"/v1/execs/{made}/input", json=body)
        assert answer.status_code == 422, body
    assert place.ask("GET", f"/v1/execs/{made}").json()["input_last"] == 0


def test_input_is_numbered_so_that_sending_it_again_changes_nothing(place):
    made = place.made("cat")
    place.told()
    for seq, word in ((2, b"two"), (1, b"one"), (1, b"again"), (2, b"again")):
        body = {"seq": seq, "data": base64.b64encode(word).decode()}
        assert place.ask("POST", f"/v1/execs/{made}/input", json=body).status_code == 200
    asked = place.told({"exec": made, "started": True})
    assert [base64.b64decode(each["data"]) for each in asked] == [b"one", b"two"]
    place.told({"exec": made, "took": 2})
    shown = place.ask("GET", f"/v1/execs/{made}").json()
    assert (shown["input_done"], shown["input_last"]) == (2, 2)


def test_input_that_nobody_takes_is_held_back_by_its_sender(place):
    made = place.made("sleep", "9")
    path = f"/v1/execs/{made}/input"
    assert place.ask("POST", path, json={"seq": INPUTS_MAX, "data": ""}).status_code == 200
    answer = place.ask("POST", path, json={"seq": INPUTS_MAX + 1, "data": ""})
    assert (answer.status_code, answer.json()["code"]) == (429, "compute.exec_input_full")


def test_ending_a_command_twice_or_after_its_end_is_harmless(place):
    made = place.made()
    place.told()
    for _ in range(2):
        assert place.ask("POST", f"/v1/execs/{made}/end").status_code == 200
    assert [each["do"] for each in place.told()] == ["end"]
    place.told({"exec": made, "status": 137})
    late = place.ask("POST", f"/v1/execs/{made}/end").json()
    assert (late["state"], late["status"]) == ("ended", 137)
    assert place.told() == []
