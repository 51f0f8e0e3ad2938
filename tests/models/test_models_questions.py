"""Any bytes are a question or a clear refusal; headers are read as the standards say."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.kernel.errors import Invalid
from yunhe.models.asgi import Disconnected, Request, Response, read_body
from yunhe.models.questions import TEXT_LETTERS_MAX, read_question

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
LIKELY = st.fixed_dictionaries(
    {}, optional={"text": VALUES | st.text(max_size=20), "Text": VALUES, "language": VALUES}
)


@given(VALUES | LIKELY)
def test_any_value_is_a_question_or_a_refusal_with_findings(value):
    body = json.dumps(value).encode()
    text = value.get("text") if isinstance(value, dict) and set(value) == {"text"} else None
    if isinstance(text, str) and text.strip():
        assert read_question(body) == text
        return
    with pytest.raises(Invalid) as refused:
        read_question(body)
    if refused.value.code != "models.not_json":  # NaN and Infinity are not JSON
        assert refused.value.findings
        assert "models." not in refused.value.message("zh")


WHOLE = st.text(max_size=10).map(lambda text: json.dumps({"text": text}).encode())
CUT = st.tuples(WHOLE, st.integers(0, 30), st.binary(max_size=2)).map(
    lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] :]
)


@given(st.binary(max_size=40) | WHOLE | CUT)
def test_any_bytes_are_a_question_or_a_refusal(body):
    with contextlib.suppress(Invalid):
        text = read_question(body)
        assert json.loads(body) == {"text": text}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe{}",
        b'{"text": "\xb7\xcf"}',
        b'{"text": NaN}',
        b'{"text": "a", "text": "b"}',
        b"[" * 60_000,
        b'{"text": "a"} x',
    ],
)
def test_what_is_not_json_is_called_so(body):
    with pytest.raises(Invalid) as refused:
        read_question(body)
    assert refused.value.code == "models.not_json"


def faults(value: object) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        read_question(json.dumps(value).encode())
    return {finding.where: finding.code for finding in refused.value.findings}


def test_every_fault_of_a_question_is_named_at_once():
    assert faults(["text"]) == {"body": "models.not_an_object"}
    assert faults({}) == {"text": "models.field_missing"}
    assert faults({"问题": "x", "lang": 1, "text": 5}) == {
        "\\u95ee\\u9898": "models.field_unknown",
        "lang": "models.field_unknown",
        "text": "models.not_text",
    }
    assert faults({"text": " \n"}) == {"text": "models.text_blank"}
    assert faults({"text": "路" * (TEXT_LETTERS_MAX + 1)}) == {"text": "models.text_too_long"}
    assert faults({"text": "a\ud800"}) == {"text": "models.text_surrogates"}
    assert read_question(json.dumps({"text": "路" * TEXT_LETTERS_MAX}).encode())
    assert read_question(b'{"text": "\\ud83d\\ude00"}') == "😀"


def request(**headers: str) -> Request:
    pairs = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return Request.of({"method": "POST", "path": "/x", "headers": pairs})


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en;q=0.5, zh-Hans;q=0.6", "zh"),
        ("fr, en; q=0.1 , ZH-tw ; q=0.2", "zh"),
        ("fr, en;q=0.1", "en"),
        ("de", "en"),
        ("zh;q=0", "en"),
        ("zh;q=high", "en"),
        ("zhx", "en"),
    ],
)
def test_the_preferred_language_among_ours_is_found(header, language):
    assert request(accept_language=header).language() == language


def test_a_key_is_taken_from_exactly_one_bearer_header():
    assert request(authorization="bearer  yk_1 ").secret() == "yk_1"
    assert request(Authorization="Bearer yk_2").secret() == "yk_2"
    for given_headers in ({}, {"authorization": "Basic x"}, {"authorization": "Bearer "}):
        with pytest.raises(Invalid):
            request(**given_headers).secret()
    twice = [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")]
    with pytest.raises(Invalid):
        Request.of({"method": "GET", "path": "/", "headers": twice}).secret()


def body_of(parts: list[dict[str, object]], *, bytes_max: int = 10, seconds: float = 5.0) -> bytes:
    async def receive() -> dict[str, object]:
        if not parts:
            await asyncio.Event().wait()
        return parts.pop(0)

    return asyncio.run(read_body(request(), receive, bytes_max=bytes_max, seconds_max=seconds))


@given(st.lists(st.binary(max_size=6), min_size=1, max_size=5))
def test_a_body_is_read_whole_or_refused_as_soon_as_it_is_too_large(parts):
    last = len(parts) - 1
    events = [
        {"type": "http.request", "body": part, "more_body": index < last}
        for index, part in enumerate(parts)
    ]
    whole = b"".join(parts)
    if len(whole) <= 10:
        assert body_of(events) == whole
        return
    with pytest.raises(Invalid) as refused:
        body_of(events)
    assert refused.value.code == "models.body_too_large"
    read = len(parts) - len(events)
    assert sum(map(len, parts[: read - 1])) <= 10  # nothing was read past the limit


def test_a_body_that_stops_is_refused_and_a_caller_who_left_is_not_answered():
    half = {"type": "http.request", "body": b"{", "more_body": True}
    with pytest.raises(Invalid) as refused:
        body_of([dict(half)], seconds=0.01)
    assert refused.value.code == "models.body_too_slow"
    with pytest.raises(Disconnected):
        body_of([dict(half), {"type": "http.disconnect"}])


def test_an_error_says_what_where_and_what_to_do_in_the_callers_language():
    error = Invalid("models.body_too_slow", seconds_max=10)
    response = Response.of_error(error, "zh")
    said = json.loads(response.body)
    assert (response.status, response.headers["connection"]) == (408, "close")
    assert (said["code"], said["message"]) == ("models.body_too_slow", "请求未在 10 秒内到达。")
    assert said["do"]
