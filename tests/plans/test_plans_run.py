"""What the whole chain leaves behind when nothing goes wrong, and what it refuses to do."""

from __future__ import annotations

import html
import json
import re
import resource
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from plan_desk import EASY, SMALL, Desk, State, changed_plan, refusal
from plan_gateway import Door, served

from yunhe.kernel.clock import DAY_US, SECOND_US, ManualClock
from yunhe.kernel.language import text
from yunhe.kernel.units import format_minor
from yunhe.models import service as models

STAGES = ("people", "corpus", "exchange", "compute", "models", "evaluation", "governance",
          "serving", "verification")  # fmt: skip
KINDS = {
    "data.source": 1, "data.certificate": 1, "data.listing": 1, "data.grant": 1,
    "evaluation.split": 1, "compute.award": 1, "compute.usage": 1, "model.version": 1,
    "evaluation.run": 1, "governance.risk": 1, "governance.approval": 2, "governance.release": 1,
    "serving.deployment": 1, "serving.answer": 2,
}  # fmt: skip
"""Every kind of record but a change of key, which is no part of a run."""


def page_text(page: Path, language: str) -> str:
    """What a reader of one language sees of a report page."""
    source = page.read_text("utf-8")
    (main,) = re.findall(rf'<main class="in-{language}".*?</main>', source, re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main)))


def test_every_stage_is_done_and_the_answer_is_verified(finished):
    _, result = finished
    assert set(result["stages"]) == set(STAGES) - {"people"}
    assert set(result["stages"].values()) == {"done"}
    assert result["verified"] is True
    assert result["links"] == result["links_ok"] == sum(KINDS.values()) - 1  # one of two answers
    assert result["gate_passed"] is True


def test_every_stage_left_its_rows(finished):
    desk, _ = finished
    assert tuple(desk.stages()) == STAGES
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    tables = {name for (name,) in desk.rows(query)}
    empty = {name for name in tables if desk.rows(f"SELECT count(*) FROM {name}") == [(0,)]}
    filled = {name.partition("_")[0] for name in tables - empty}
    assert filled >= {
        "alembic", "compute", "corpus", "custody", "evaluation", "exchange", "governance",
        "identity", "ledger", "models", "notices", "plans", "storage",
    }  # fmt: skip
    # What only a service has stays empty in a run from the command line.
    assert not filled & {"operations", "vault"}


def test_every_kind_of_record_is_in_the_log_and_signed(finished):
    desk, _ = finished
    assert desk.kinds() == Counter(KINDS)
    checkpoints = (desk.home / "witness" / "checkpoints.txt").read_text("utf-8")
    origin, size, *_ = checkpoints.splitlines()
    assert (origin, int(size)) == ("yunhe.local/log", sum(KINDS.values()))
    with desk.platform() as platform:
        audit = platform.audit(desk.home / "witness" / "checkpoints.txt")
    assert audit.ok
    assert audit.leaves == sum(KINDS.values())
    assert audit.pending == 0


def test_every_movement_of_money_and_device_time_is_in_the_ledger(finished):
    desk, _ = finished
    usage = desk.rows("SELECT usage FROM compute_workload WHERE state = 'settled'")
    used = json.loads(usage[0][0])
    with desk.platform() as platform:
        lines, replay, holds = platform.accounts()
    balances = {(owner, line.purpose, line.unit): line.available for owner, line in lines}

    def of(owner: str, purpose: str, unit: str) -> int:
        return balances[(owner, purpose, unit)]

    school, room, hotline = "示范大学人工智能学院", "示范智算中心", "示范市12345热线办公室"
    assert used["device_ms"] > 0
    assert used["cost_minor"] == used["voucher_minor"] + used["cash_minor"] > 0
    assert of(hotline, "cash", "CNY") == 120_000
    assert of(room, "cash", "CNY") == used["cash_minor"]
    assert of(room, "delivered", "device:cpu") == used["device_ms"]
    assert of(school, "award", "device:cpu") == 900_000 - used["device_ms"]
    assert of(school, "voucher", "voucher:CNY") == 1_000 - used["voucher_minor"]
    assert of(school, "cash", "CNY") == 500_000 - 120_000 - used["cash_minor"]
    for unit in ("CNY", "device:cpu", "voucher:CNY"):
        assert sum(line.available for _, line in lines if line.unit == unit) == 0
    assert replay.ok
    assert holds == 0
    kinds = Counter(dict(desk.rows("SELECT kind, count(*) FROM ledger_transfer GROUP BY kind")))
    assert kinds["grant"] == 3  # funds, award, voucher
    assert sum(kinds.values()) == replay.transfers


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_states_the_balances_as_they_are(finished, language):
    desk, result = finished
    with desk.platform() as platform:
        lines, _, _ = platform.accounts()
    source = Path(result["report"]).read_text("utf-8")
    (section,) = re.findall(rf'<section id="{language}-ledger">.*?</section>', source, re.DOTALL)
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>.*?<td class="v">(.*?)</td>', section)
    shown = Counter(
        (html.unescape(owner), re.search(r"-?[\d,]+\.\d+", html.unescape(amount)).group())
        for owner, amount in rows
    )
    platform_name = text("plans.owner.platform", language)
    assert shown == Counter(
        (platform_name if owner == "ledger" else owner, format_minor(line.available, line.unit))
        for owner, line in lines
    )


def test_the_certificate_accounts_for_every_document(finished):
    desk, result = finished
    body = desk.certificate()
    dropped = body["decisions"]["dropped"]
    kept = desk.table(body["output"]["digest"])
    decided = desk.table(body["decisions"]["digest"])
    assert body["input"]["documents"] == SMALL
    assert body["input"]["documents"] == body["output"]["documents"] + sum(dropped.values())
    assert sum(dropped.values()) == body["decisions"]["documents_dropped"] > 0
    assert len(kept) == body["output"]["documents"] == result["documents_out"]
    assert Counter(row["reason"] for row in decided if row["action"] == "dropped") == dropped
    assert {row["id"] for row in kept}.isdisjoint(
        row["document"] for row in decided if row["action"] == "dropped"
    )
    by_type = body["personal_details"]["by_type"]
    assert sum(counts["spans"] for counts in by_type.values()) == result["details_masked"] > 0
    assert body["source"]["synthetic"] is True
    assert body["sample"]["documents"] == len(desk.table(body["sample"]["digest"]))


def test_the_second_workload_waits_and_every_reader_learns_why(finished):
    desk, result = finished
    beyond = desk.stages()["compute"]["beyond"]
    assert beyond["waited"] is True
    assert beyond["code"] == "compute.waiting_award"
    for language in ("en", "zh"):
        said = text(beyond["code"], language, **dict(beyond["params"]))
        assert said in page_text(Path(result["report"]), language)
    assert "7,200" in page_text(Path(result["report"]), "en")
    # At the end of the run it is called off: the next award must not start it.
    query = "SELECT state, usage FROM compute_workload WHERE id = ?"
    assert desk.rows(query, beyond["workload"]) == [("cancelled", None)]


class References(HTMLParser):
    """Collects whatever a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "link", "object", "embed", "base"):
            self.found.append(tag)
        for name, value in attrs:
            fetched = name in ("src", "href", "srcset", "action", "data", "poster")
            if name.startswith("on") or (fetched and not (value or "").startswith(("#", "data:"))):
                self.found.append(f"{tag} {name}={value}")


def test_the_report_is_one_page_that_fetches_nothing(finished):
    _, result = finished
    source = Path(result["report"]).read_text("utf-8")
    references = References()
    references.feed(source)
    assert references.found == []
    assert re.findall(r"@import|url\((?!['\"]?(?:data:|#))", source) == []
    assert list(Path(result["report"]).parent.iterdir()) == [Path(result["report"])]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_tells_what_happened_without_a_code_where_a_word_belongs(finished, language):
    desk, result = finished
    shown = page_text(Path(result["report"]), language)
    for told in (f"{result['documents_in']}", f"{result['documents_out']}", result["run"]):
        assert told in shown
    assert f"{float(result['score']):.3f}"[:4] in shown
    assert desk.stages()["serving"]["answer"][-8:] in shown
    bare = re.findall(
        r"\b(?:corpus|plans|reports|compute|exchange|governance)\.[a-z_]+\.\w+", shown
    )
    assert bare == []


def test_the_same_command_again_does_nothing_and_does_it_quickly(finished):
    desk, result = finished
    before, size = State.of(desk), desk.rows("SELECT count(*) FROM custody_leaf")
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    again = desk.run()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert again.returncode == 0, again.stderr
    assert "progress" not in again.stderr  # no stage was begun
    facts = json.loads(again.stdout)
    assert set(facts["stages"].values()) == {"reused"}
    same = set(result) - {"stages"}
    assert {name: facts[name] for name in same} == {name: result[name] for name in same}
    assert State.of(desk) == before
    assert desk.rows("SELECT count(*) FROM custody_leaf") == size
    used = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    assert used < 5  # the first time takes about that long to train alone; most of this is imports


def test_the_receipt_is_verified_anywhere_by_the_one_file_verifier(finished, tmp_path):
    desk, result = finished
    for name in (result["receipt"], result["trust"]):
        shutil.copy(name, tmp_path)
    receipt = tmp_path / Path(result["receipt"]).name
    trust = tmp_path / "trust.txt"
    shutil.copy(desk.home / "witness" / "checkpoints.txt", tmp_path)
    (tmp_path / "verifier.py").write_text(desk.call("verifier").stdout, "utf-8")
    ours = desk.call("--json", "verify", str(receipt), "--trust", str(trust))
    assert ours.returncode == 0, ours.stdout

    def elsewhere(*more: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-I", "verifier.py", receipt.name, "--trust", "trust.txt", *more]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert elsewhere().returncode == 0
    theirs = elsewhere("--json", "--checkpoints", "checkpoints.txt")
    assert theirs.returncode == 0, theirs.stdout + theirs.stderr
    # One letter of what was learnt from, somewhere in the middle of the chain.
    digest = result["train_digest"]
    forged = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    receipt.write_text(receipt.read_text("utf-8").replace(digest, forged), "utf-8")
    assert elsewhere().returncode == 1
    assert desk.call("verify", str(receipt), "--trust", str(trust)).returncode == 1


@pytest.mark.slow
def test_one_changed_byte_of_anything_stored_is_noticed(finished, tmp_path):
    desk, _ = finished
    shown = desk.call("--json", "report", "--tamper", "-o", str(tmp_path / "page.html"))
    assert shown.returncode == 0, shown.stderr
    facts = json.loads(shown.stdout)
    assert facts["tampered_noticed"] == facts["tampered"] > len(KINDS) + 10
    assert (tmp_path / "page.html").is_file()


def governed(
    tmp_path, tickets, *changes: tuple[str, str]
) -> tuple[Desk, subprocess.CompletedProcess]:
    desk = Desk(tmp_path / "home", tickets(SMALL), changed_plan(tmp_path, *EASY, *changes))
    return desk, desk.run()


def nothing_is_released(desk: Desk) -> None:
    assert desk.rows("SELECT count(*) FROM governance_release") == [(0,)]
    assert desk.rows("SELECT count(*) FROM models_deployment") == [(0,)]
    assert State.of(desk).holds_open == 0
    refused = desk.call("--json", "serve")
    assert refused.returncode == 66
    assert json.loads(refused.stdout)["code"] == "cli.serve.nothing"


def stopped_in(desk: Desk, stage: str, code: str) -> None:
    """The newest page says where and why, in both languages."""
    (page,) = (desk.home / "reports").iterdir()
    assert 'id="en-verification"' in page.read_text("utf-8")
    for language in ("en", "zh"):
        assert text(code, language).split("{")[0] in page_text(page, language)
        assert text(f"reports.stage.{stage}", language) in page_text(page, language)


SECOND = "    - {member: release-owner, role: release_owner}\n"


@pytest.mark.parametrize(
    ("instead", "code"),
    [
        ("", "plans.approvals_few"),
        ("    - {member: risk-officer, role: risk_officer}\n", "plans.approval_twice"),
    ],
    ids=["one alone", "the same person twice"],
)
def test_without_two_approvals_by_two_people_in_two_roles_nothing_starts(
    tmp_path, tickets, instead, code
):
    plan = changed_plan(tmp_path, *EASY, (SECOND, instead))
    desk = Desk(tmp_path / "home", tickets(SMALL), plan)
    refused = refusal(desk, *desk.task())
    assert (refused.exit_code, refused.code) == (65, "plans.invalid")
    assert {finding["code"] for finding in refused.error["findings"]} == {code}
    assert not desk.home.exists()


def test_a_questionnaire_that_leaves_prohibited_practices_open_releases_nothing(tmp_path, tickets):
    desk, done = governed(tmp_path, tickets, ("    practices: []\n", ""))
    assert done.returncode == 77, done.stdout
    error = json.loads(done.stdout)
    assert error["code"].startswith("governance.")
    ((grading,),) = desk.rows("SELECT grading FROM governance_risk")
    assert json.loads(grading)["tier"] == "R4"
    nothing_is_released(desk)
    stopped_in(desk, "governance", error["code"])


def test_a_gate_that_is_not_reached_ends_with_one_and_releases_nothing(tmp_path, tickets):
    plan = changed_plan(tmp_path, ("at_least: 0.75", "at_least: 0.99"), *EASY[1:])
    desk = Desk(tmp_path / "home", tickets(SMALL), plan)
    done = desk.run()
    assert done.returncode == 1, done.stderr
    facts = json.loads(done.stdout)
    assert facts["gate_passed"] is False
    assert facts["stages"]["governance"] == "not_reached"
    assert facts["receipt"] is None
    nothing_is_released(desk)
    stopped_in(desk, "evaluation", "plans.gate_failed")
    assert desk.run().returncode == 1  # asking again changes nothing


def refused(answer: tuple[int, dict], status: int, code: str) -> None:
    assert (answer[0], answer[1]["code"]) == (status, code)
    assert answer[1]["do"]


def test_changed_model_bytes_are_refused_by_the_gateway_and_shown_by_the_report(copied):
    desk, result = copied
    with served(desk) as door:
        assert door.ask()[0] == 200
        blob = desk.blob(result["model_digest"])
        data = bytearray(blob.read_bytes())
        data[len(data) // 2] ^= 1
        blob.chmod(0o644)
        blob.write_bytes(data)
        refused(door.ask(), 403, "models.bytes_differ")
        said = door.ask(language="zh")[1]["message"]
        assert said == text("models.bytes_differ", "zh", digest=result["model_digest"])
    with served(desk) as door:  # also from the start
        refused(door.ask(), 403, "models.bytes_differ")
    shown = desk.call("--json", "report")
    assert shown.returncode == 1
    assert json.loads(shown.stdout)["verified"] is False
    again = desk.run()
    assert again.returncode == 1, again.stdout
    assert json.loads(again.stdout)["verified"] is False


def test_a_release_that_has_run_out_or_was_withdrawn_is_refused_by_the_gateway(copied):
    desk, _ = copied
    stages = desk.stages()
    until_us = stages["governance"]["valid_until_us"]
    clock = ManualClock(until_us - 2 * DAY_US)
    with desk.platform(clock) as platform, platform.gateway() as url:
        door = Door(url, platform.day_key())
        assert door.ask()[0] == 200
        clock.advance(seconds=2 * DAY_US / SECOND_US)
        door = Door(url, platform.day_key())
        refused(door.ask(), 403, "models.approval_expired")
        clock.advance(seconds=-2 * DAY_US / SECOND_US)
        with platform.storage.database.begin() as tx:
            models.withdraw(tx, stages["models"]["version"], at_us=clock.now_us())
        refused(door.ask(), 403, "models.withdrawn")
