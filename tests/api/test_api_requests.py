"""What every request and every error has in common."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def operator(desk):
    place = desk.organisation("operator", "operator")
    return desk.key(desk.member(place, "operator", "administrator"))


FAULT = {"kind", "code", "message", "do", "params", "findings", "retryable", "request_id"}


def fault(answer, status, code):
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert set(said) == FAULT
    assert said["code"] == code
    assert said["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"
    return said


def test_the_skeleton_answers_from_end_to_end(desk, operator):
    me = desk.ask("GET", "/v1/me", operator)
    assert me.status_code == 200
    assert me.json()["organisation"]["kind"] == "operator"
    made = desk.ask("POST", "/v1/organisations", operator, json={"name": "U", "kind": "university"})
    assert made.status_code == 201
    found = desk.ask("GET", f"/v1/organisations/{made.json()['id']}", operator)
    assert found.json() == made.json()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "api.path_unknown"),
        ("GET", "/v1/me/", 404, "api.path_unknown"),
        ("GET", "//v1/me", 404, "api.path_unknown"),
        ("DELETE", "/v1/me", 405, "api.method_not_allowed"),
        ("OPTIONS", "/v1/me", 405, "api.method_not_allowed"),
        ("GET", "/v1/me", 401, "api.credential_missing"),
    ],
)
def test_addresses_methods_and_callers_that_are_not_known_get_the_one_shape(
    desk, method, path, status, code
):
    fault(desk.ask(method, path), status, code)


def test_a_405_says_every_method_the_path_takes(desk):
    answer = desk.ask("PATCH", "/v1/organisations")
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "api.invalid"),
        (b"{", 400, "api.not_json"),
        (b"\xff", 400, "api.not_json"),
        (b'{"name": NaN}', 400, "api.not_json"),
        (b'{"name": "\\ud800", "kind": "sme"}', 400, "api.not_json"),
        (b"[" * 100_000, 400, "api.not_json"),
        (b'{"a":' * 100_000, 400, "api.not_json"),
        (b"[]", 422, "api.invalid"),
        (b"null", 422, "api.invalid"),
        (b'"x"', 422, "api.invalid"),
        (b'{"name": 1, "kind": {}}', 422, "api.invalid"),
        (b'{"name": "\\u0000", "kind": "sme"}', 422, "identity.invalid"),
        (b'{"name": "x", "kind": "sme", "more": 1}', 422, "api.invalid"),
        (b'{"name": 1e999, "kind": "sme"}', 422, "api.invalid"),
        (b'{"name": 123456789012345678901234567890, "kind": "sme"}', 422, "api.invalid"),
    ],
)
def test_bodies_that_are_wrong_get_the_one_shape(desk, operator, body, status, code):
    answer = desk.ask(
        "POST",
        "/v1/organisations",
        operator,
        content=body,
        headers={"content-type": "application/json"},
    )
    fault(answer, status, code)


def test_every_wrong_field_is_listed_with_its_path_and_without_its_value(desk, operator):
    body = {"name": ["s3cret"], "kind": "s3cret", "more": "s3cret"}
    answer = desk.ask("POST", "/v1/organisations", operator, json=body)
    said = fault(answer, 422, "api.invalid")
    assert {each["where"] for each in said["findings"]} == {"body.name", "body.kind", "body.more"}
    assert "s3cret" not in answer.text


def test_errors_come_in_the_language_that_is_asked_for(desk, operator):
    for asked, language in [("zh-CN,zh;q=0.9,en;q=0.5", "zh"), ("fr, en;q=0.1", "en"), ("", "en")]:
        headers = {"accept-language": asked} if asked else {}
        answer = desk.ask("GET", "/v1/accounts/acct_none", operator, headers=headers)
        said = fault(answer, 404, "ledger.account_unknown")
        assert answer.headers["content-language"] == language
        assert ("账户" in said["message"]) == (language == "zh")


def test_a_caller_may_name_its_request_and_only_in_plain_letters(desk):
    given = desk.ask("GET", "/v1/me", headers={"x-request-id": "trace-0123.abc"})
    assert given.headers["x-request-id"] == "trace-0123.abc"
    for odd in ("short", "x" * 65, "has space in it", 'quote"quote"'):
        assert (
            desk.ask("GET", "/v1/me", headers={"x-request-id": odd})
            .headers["x-request-id"]
            .startswith("req_")
        )


def test_a_body_of_another_type_is_refused_before_it_is_read_as_json(desk, operator):
    for kind in ("text/plain", "application/xml", "multipart/form-data; boundary=x"):
        answer = desk.ask(
            "POST", "/v1/organisations", operator, content=b"{}", headers={"content-type": kind}
        )
        fault(answer, 415, "api.media_type")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("application/*", 200),
        ("text/html, */*;q=0.1", 200),
        ("text/html", 406),
        ("application/json;q=0, */*", 406),
    ],
)
def test_who_takes_no_json_is_told_so(desk, operator, accept, status):
    answer = desk.ask("GET", "/v1/me", operator, headers={"accept": accept})
    assert answer.status_code == status
    if status == 406:
        fault(answer, 406, "api.not_acceptable")


def test_what_nobody_foresaw_is_a_500_without_a_trace_and_the_log_has_it(
    desk, operator, monkeypatch, caplog
):
    def broken(*_, **__):
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("yunhe.api.routes.identity.identity.member", broken)
    answer = desk.ask("GET", "/v1/me", operator)
    said = fault(answer, 500, "api.failed")
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text
    [logged] = [each for each in caplog.records if each.exc_info]
    assert said["request_id"] in logged.getMessage()


def test_every_answer_forbids_caching_and_guessing(desk, operator):
    for answer in (desk.ask("GET", "/v1/me", operator), desk.ask("GET", "/nowhere")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_document_has_an_example_of_every_body_that_fits_its_schema(desk):
    document = desk.ask("GET", "/v1/openapi.json").json()
    seen = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            bodies = [*operation["responses"].values(), operation.get("requestBody", {})]
            for body in bodies:
                for media, content in body.get("content", {}).items():
                    if media == "application/json":
                        schema = json.dumps(content["schema"])
                        assert "example" in content or "Fault" in schema, (method, path)
                        seen += 1
    assert seen > 100
    assert document["components"]["schemas"]["Fault"]["example"]
