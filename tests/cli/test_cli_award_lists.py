"""`yunhe award`: lists and their bounds, what more is asked, files of evidence, exit codes."""

from __future__ import annotations

import hashlib

import pytest
from office import BYTES, fault

from yunhe.kernel.language import text

ID = "application_w0h1ab7v1k0e5m2q9xj4c8t3r6"
LIST, SHOW = "GET /v1/applications", "GET /v1/applications/{application}"
WINDOW = {
    "award": "award_1",
    "carried": 0,
    "chip": "h20",
    "device_ms": 3_600_000 * 12,
    "starts_at": "2026-12-01T00:00:00.000000Z",
    "ends_at": "2027-01-01T00:00:00.000000Z",
}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("line", [(), ("programmes",), ("affiliations",)], ids=str)
def test_an_empty_list_says_so_to_a_person_and_is_empty_for_a_program(desk, line, lang):
    for route in (LIST, "GET /v1/programmes", "GET /v1/affiliations"):
        desk.office.says(route, {"items": [], "next": None})
    shown = desk("award", *line, lang=lang)
    assert (shown.code, shown.out.strip()) == (0, text("cli.list.empty", lang))
    assert desk("--json", "award", *line, lang=lang).json == {"items": [], "more": False}


def test_applications_are_chosen_by_their_state_and_end_at_the_limit(desk):
    [one] = desk("--json", "award").json["items"]
    desk.office.says(LIST, {"items": [one, one], "next": None})
    told = desk("--json", "award", "--state", "open", "--limit", "1").json
    assert told == {"items": [one], "more": True}
    assert desk.office.asked[-1].query["state"] == "open"
    assert desk("award", "--limit", "0").code == 2


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_windows_of_an_award_are_shown_under_their_heading_and_none_without(desk, lang):
    desk.office.says(SHOW, {"windows": [WINDOW], "steps": [], "payments": []})
    shown = desk("award", "show", ID, lang=lang).out
    assert text("cli.award.windows", lang) in shown
    assert "2026-12-01 – 2027-01-01  12 h h20  award_1" in shown
    for heading in ("steps", "payments"):
        assert text(f"cli.award.{heading}", lang) not in shown.splitlines()


def test_an_extension_is_asked_for_in_hours_and_months(desk):
    assert desk("award", "extend", ID, "--hours", "5", "--reason", "未完").code == 0
    sent = desk.office.asked[-1].body
    assert (sent["add_hours"], sent["add_months"], sent["title"]) == (5, 0, "未完")
    assert desk("award", "extend", ID, "--hours", "many", "--reason", "r").code == 2
    assert desk("award", "extend", ID, "--hours", "5").code == 2


def test_a_change_of_chip_brings_its_facts(desk):
    line = ("award", "change", ID, "--chip", "h20", "--fact", "devices=2", "--reason", "r")
    assert desk(*line, "--fact", "starts_on=2026-12-01").code == 0
    sent = desk.office.asked[-1].body
    assert (sent["kind"], sent["chip"], sent["concerns"]) == ("change", "h20", ID)
    assert sent["facts"] == {"devices": 2, "starts_on": "2026-12-01"}
    assert desk("award", "change", ID, "--reason", "r").code == 2


def test_a_final_report_is_uploaded_before_it_is_named(desk, tmp_path):
    file = tmp_path / "report.pdf"
    file.write_bytes(BYTES)
    digest = f"sha256:{hashlib.sha256(BYTES).hexdigest()}"
    desk.office.says("POST /v1/uploads", {"digest": digest, "bytes": len(BYTES)})
    assert desk("award", "report", ID, file, "--reason", "done").code == 0
    assert desk.office.lines[-1] == f"POST /v1/applications/{ID}/report"
    assert desk.office.asked[-1].body == {"document": digest, "reason": "done"}
    desk.office.asked.clear()
    assert desk("award", "report", ID, tmp_path / "none.pdf", "--reason", "done").code == 2
    assert desk("award", "report", ID, tmp_path, "--reason", "done").code == 2
    assert desk.office.asked == []


def test_a_claim_names_its_payment(desk):
    digest = "sha256:" + "a" * 64
    line = ("award", "claim", ID, "--evidence", f"invoice={digest}", "--reason", "r")
    for more, payment in (((), 1), (("--payment", "3"), 3)):
        assert desk(*line, *more).code == 0
        assert desk.office.asked[-1].body["payment"] == payment
    assert desk(*line, "--payment", "first").code == 2


@pytest.mark.parametrize("command", ["apply", "explain"])
@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", b"facts: &a [*a]", b"[" * 20_000, b"facts: {a: " + b"9" * 5_000 + b"}",
     b"facts: {device_hours: .nan}", b"facts: {device_hours: !!set {a, b}, x: !!omap 7}",
     b"title: x\nfacts: {1: {2: 3}}"],
    ids=lambda content: ascii(content[:30]),
)  # fmt: skip
def test_a_file_with_what_no_message_can_hold_is_sent_nowhere(desk, tmp_path, command, content):
    file = tmp_path / "award.yaml"
    file.write_bytes(content)
    refused = desk("award", command, file)
    assert refused.code in {2, 65}
    assert "Traceback" not in refused.err
    assert desk.office.asked == []


def test_days_deep_in_a_file_and_moments_are_texts(desk, tmp_path):
    file = tmp_path / "award.yaml"
    file.write_text("facts: {a: [2026-12-01], starts_on: 2026-12-01T08:00:00Z}\n")
    assert desk("award", "explain", file).code == 0
    facts = desk.office.asked[-1].body["facts"]
    assert facts == {"a": ["2026-12-01"], "starts_on": "2026-12-01T08:00:00+00:00"}
    assert desk.office.asked[-1].body["programme"] == "yunhe"


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [(403, "not_allowed", 77), (404, "not_found", 66), (409, "conflict", 75), (422, "invalid", 65)],
)
def test_each_kind_of_refusal_has_its_exit_code(desk, status, kind, code):
    desk.office.refusal = (status, fault(kind, f"x.{kind}"))
    for line in (("show", ID), (), ("extend", ID, "--hours", "1", "--reason", "r")):
        told = desk("--json", "award", *line)
        assert (told.code, told.json["code"]) == (code, f"x.{kind}")
    assert not any(asked.startswith("POST") for asked in desk.office.lines)
