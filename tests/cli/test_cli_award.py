"""`yunhe award`: every command asks the route it is named for, and shows what it got."""

from __future__ import annotations

import hashlib

import pytest
from office import BYTES

ID = "application_w0h1ab7v1k0e5m2q9xj4c8t3r6"
ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
APPLICATION = """
title: 微调
chip: cpu
facts: {applicant_kind: sme, conflict_declared: false, device_hours: 100, devices: 2,
        window_months: 3, starts_on: 2026-12-01}
"""


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "GET /v1/applications"),
        (["programmes"], "GET /v1/programmes"),
        (["show", ID], f"GET /v1/applications/{ID}"),
        (
            ["amend", ID, "--fact", "devices=2", "--reason", "r"],
            f"POST /v1/applications/{ID}/amend",
        ),
        (["withdraw", ID, "--reason", "r"], f"POST /v1/applications/{ID}/withdraw"),
        (["extend", ID, "--hours", "5", "--reason", "r"], "POST /v1/applications"),
        (["change", ID, "--chip", "h200", "--reason", "r"], "POST /v1/applications"),
        (["decide", ID, "award", "--reason", "r"], f"POST /v1/applications/{ID}/decide"),
        (["vote", ID, "recuse", "--reason", "r"], f"POST /v1/applications/{ID}/votes"),
        (["close", ID, "yes", "--reason", "r"], f"POST /v1/applications/{ID}/close"),
        (["confirm", ID, "--reason", "r"], f"POST /v1/applications/{ID}/confirm"),
        (["pay", ID, "pay", "--reason", "r"], f"POST /v1/applications/{ID}/pay"),
        (["affiliate", ORG, ORG, "--basis", "b"], "POST /v1/affiliations"),
        (["affiliations"], "GET /v1/affiliations"),
    ],
)
def test_each_command_asks_its_route(desk, arguments: list[str], line: str):
    answer = desk("award", *arguments)
    assert answer.code == 0, answer.err
    assert desk.office.lines[-1] == line


def test_an_application_is_read_from_a_file_with_days_as_days(desk, tmp_path):
    file = tmp_path / "award.yaml"
    file.write_text(APPLICATION, "utf-8")
    assert desk("award", "apply", str(file)).code == 0
    assert desk.office.asked[-1].body["facts"]["starts_on"] == "2026-12-01"
    assert desk("award", "explain", str(file)).code == 0
    assert desk.office.asked[-1].line == "POST /v1/rulings"


def test_a_claim_uploads_its_evidence_first(desk, tmp_path):
    file = tmp_path / "invoice.pdf"
    file.write_bytes(BYTES)
    digest = f"sha256:{hashlib.sha256(BYTES).hexdigest()}"
    desk.office.says("POST /v1/uploads", {"digest": digest, "bytes": len(BYTES)})
    answer = desk("award", "claim", ID, "--evidence", f"invoice={file}", "--reason", "r")
    assert answer.code == 0, answer.err
    assert desk.office.asked[-1].line == f"POST /v1/applications/{ID}/redeem"
    assert desk.office.asked[-1].body["evidence"]["invoice"] == digest


def test_json_is_the_servers_answer(desk):
    shown = desk("--json", "award", "show", ID).json
    assert shown["rules"][0]["rule"] == "Y-SMALL"


@pytest.mark.parametrize("content", ["[1", "just words", "- a"])
def test_a_file_that_is_no_application_is_a_mistake_of_use(desk, tmp_path, content: str):
    file = tmp_path / "award.yaml"
    file.write_text(content)
    assert desk("award", "apply", str(file)).code == 2
