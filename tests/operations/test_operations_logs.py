"""The log: one line an event, in either form, and never a secret or a person in it."""

from __future__ import annotations

import io
import json
import logging
import re

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from server_desk import Caller, Process, new_key, opened

from yunhe.identity import secret as secrets_of_keys
from yunhe.kernel.ids import new_id
from yunhe.operations import logs

OWN = secrets_of_keys.new_secret(new_id("key"))
SECRETS = [
    OWN,
    secrets_of_keys.new_secret(new_id("fst")),
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "wei.zhang@example.org",
]


@pytest.fixture
def stream():
    """What is logged goes here; afterwards logging is as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_both_kinds_of_loggers_write_the_same_form(stream):
    logs.configure(form="json", level="info", stream=stream)
    logging.getLogger("yunhe.a").info("held %d", 3, extra={"count": 3})
    structlog.get_logger("yunhe.b").warning("left", count=4)
    logging.getLogger("yunhe.a").debug("nothing")
    first, second = lines(stream)
    assert (first["event"], first["count"], first["logger"]) == ("held 3", 3, "yunhe.a")
    assert (second["event"], second["count"], second["level"]) == ("left", 4, "warning")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(first["at"]))


def test_what_is_bound_stands_in_every_line_within_and_in_none_after(stream):
    logs.configure(form="json", level="info", stream=stream)
    with logs.bound(operation_id="operation_1"):
        logging.getLogger("yunhe").info("one")
        with logs.bound(request_id="req_1"):
            logging.getLogger("yunhe").info("two")
    logging.getLogger("yunhe").info("three")
    one, two, three = lines(stream)
    assert one["operation_id"] == two["operation_id"] == "operation_1"
    assert two["request_id"] == "req_1"
    assert not {"operation_id", "request_id"} & three.keys()


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("secret", SECRETS, ids=range(len(SECRETS)))
def test_secrets_are_struck_out_wherever_they_stand(stream, form, secret):
    logs.configure(form=form, level="info", stream=stream)
    log = logging.getLogger("yunhe")
    log.info("the key is %s", secret)
    log.info("in a field", extra={"said": f"before {secret} after", "deep": {"a": [secret]}})
    try:
        raise ValueError(f"refused {secret}")
    except ValueError:
        log.exception("in a trace")
    said = stream.getvalue()
    assert secret not in said
    assert said.count(logs.REDACTED) >= 4


@pytest.mark.parametrize("form", ["text", "json"])
def test_names_of_secrets_hide_their_values_whatever_they_look_like(stream, form):
    logs.configure(form=form, level="info", stream=stream)
    plain = "hunter2hunter2"
    told = {"authorization": plain, "Cookie": plain, "token": plain, "password": plain}
    logging.getLogger("yunhe").info("told", extra=told)
    logging.getLogger("yunhe").info("Authorization: Bearer %s; Basic %s", plain, plain)
    logging.getLogger("yunhe").info("postgresql://yunhe:%s@db.example/yunhe", plain)
    assert plain not in stream.getvalue()
    assert "db.example/yunhe" in stream.getvalue()


def test_ids_and_ordinary_words_stay(stream):
    logs.configure(form="text", level="info", stream=stream)
    words = f"{new_id('req')} {new_id('operation')} sha256:{'a' * 64} GET /v1/me 200 路灯"
    logging.getLogger("yunhe").info("%s", words)
    assert words in stream.getvalue()


def test_nobody_writes_a_second_line_into_the_log(stream):
    logs.configure(form="text", level="info", stream=stream)
    forged = "x\n2026-01-01T00:00:00.000Z info all is well\r\u2028next"
    logging.getLogger("yunhe").info("%s", forged, extra={"path": forged})
    try:
        raise ValueError(forged)
    except ValueError:
        logging.getLogger("yunhe").exception("failed")
    written = stream.getvalue().splitlines()
    starts = [line for line in written if re.match(r"\d{4}-", line)]
    assert len(starts) == 2
    assert all(line.startswith("    | ") for line in written if line not in starts)


def test_a_line_has_a_longest_length(stream):
    logs.configure(form="json", level="info", stream=stream)
    logging.getLogger("yunhe").info("long", extra={"much": "a" * 1_000_000})
    logs.configure(form="text", level="info", stream=stream)
    logging.getLogger("yunhe").info("long %s", "b" * 1_000_000)
    written = stream.getvalue().splitlines()
    assert all(len(line) <= logs.LINE_LETTERS_MAX + 100 for line in written)
    assert json.loads(written[0])["cut"] is True


@given(st.text())
def test_every_line_of_the_json_form_is_json(said):
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure(form="json", level="info", stream=stream)
        logging.getLogger("yunhe").info("%s", said, extra={"said": said})
    finally:
        root.handlers[:], root.level = before
    [line] = stream.getvalue().split("\n")[:-1]
    assert json.loads(line)["level"] == "info"


@given(st.integers(0, 2**256 - 1), st.sampled_from(["key", "fst", "inv", "ses"]))
def test_no_secret_of_our_own_form_passes(number, kind):
    head = secrets_of_keys.new_secret(new_id(kind)).rpartition("_")[0]
    secret = f"{head}_{number:064x}"
    assert f"{number:064x}" not in logs.redact(f"x={secret}, '{secret}' {secret}")


def test_a_server_writes_one_line_a_request_with_its_id_and_no_key(tmp_path):
    home = tmp_path / "home"
    with opened(home) as platform:
        key = new_key(platform, role="caller")
    chosen = {"YUNHE_LOG_FORMAT": "json"}
    with Process(home, "--only", "gateway", "--port", "0", **chosen).started() as server:
        for path in ("/v1/routes", f"/v1/answers/{key[:60]}"):
            with Caller(server.url) as caller:
                name = "X-Request-Id: my-own-request-7\r\nConnection: close\r\n"
                caller.ask(path, headers=f"Authorization: Bearer {key}\r\nCookie: a=b\r\n{name}")
                assert b"x-request-id: my-own-request-7" in caller.until_closed()
        with Caller(server.url) as caller:
            caller.ask("/v1/routes", headers="X-Request-Id: bad id\r\nConnection: close\r\n")
            given = re.search(rb"x-request-id: (req_\w{26})", caller.until_closed())[1].decode()
        assert server.end() == 0
    written = [json.loads(line) for line in server.log.read_text("utf-8").splitlines()]
    requests = [line for line in written if line["logger"] == "yunhe.api.access"]
    assert [line["request_id"] for line in requests] == ["my-own-request-7"] * 2 + [given]
    assert [line["status"] for line in requests] == [200, 404, 401]
    assert requests[1]["route"] == "/v1/answers/{answer}"
    assert all(0 < line["seconds"] < 30 for line in requests)
    assert key not in server.log.read_text("utf-8")
    assert key[:60] not in server.log.read_text("utf-8")


def test_what_an_operation_logs_names_it(stream, desk):
    def work(platform, task, *, progress, halt):
        logging.getLogger("yunhe.a").info("at work")
        return {}

    logs.configure(form="json", level="info", stream=stream)
    made = desk.worker({"a": work})
    asked = desk.ask("a")
    assert made.run_once()
    [line] = [line for line in lines(stream) if line["event"] == "at work"]
    assert line["operation_id"] == asked.id
