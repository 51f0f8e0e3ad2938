"""`yunhe award`: what a person is shown, and what is told to whoever types it wrong."""

from __future__ import annotations

import pytest
from office import fault

from yunhe.kernel.language import text

ID = "application_w0h1ab7v1k0e5m2q9xj4c8t3r6"
HOUR_MS = 3_600_000
AT = "2026-11-22T09:30:00.000000Z"
PAYMENT = {
    "number": 1,
    "name": "第1步",
    "amount_minor": 20_000_005,
    "state": "open",
    "lapses_at": AT,
    "confirmed": False,
    "evidence": {},
    "transfer": "",
}
STEP = {"action": "awarded", "actor": "rules", "at": AT, "reason": "Y-SMALL", "state": "awarded"}


@pytest.mark.parametrize(
    ("device_ms", "said"),
    [
        (100 * HOUR_MS, "100 h"),
        (1_400_000 * HOUR_MS, "1,400,000 h"),
        (1_234_567_890 * HOUR_MS, "1,234,567,890 h"),
        (HOUR_MS // 2, "0.5 h"),
        (HOUR_MS // 3, "0.333 h"),
    ],
)
def test_hours_are_shown_as_a_person_writes_them(desk, device_ms: int, said: str):
    desk.office.says("GET /v1/applications/{application}", {"granted_ms": device_ms})
    assert said in desk("award", "show", ID).out


def test_money_of_a_payment_is_shown_in_its_currency(desk):
    shown = {"currency": "CNY", "amount_minor": 20_000_005, "payments": [PAYMENT], "steps": [STEP]}
    desk.office.says("GET /v1/applications/{application}", shown)
    out = desk("award", "show", ID).out
    assert out.count("200,000.05 CNY") == 2
    assert "20000005" not in out
    assert "Y-SMALL" in out


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_rule_nobody_checked_is_marked_as_such(desk, language: str):
    rule = {"rule": "IN-HOURS", "decides": "committee", "text": "Above.", "verified": False}
    desk.office.says("GET /v1/applications/{application}", {"rules": [rule]})
    marked = desk("award", "show", ID, lang=language).out
    desk.office.says("GET /v1/applications/{application}", {"rules": [{**rule, "verified": True}]})
    plain = desk("award", "show", ID, lang=language).out
    mark = "".join(text("cli.award.unverified", language).split())
    assert "IN-HOURS" in marked
    assert mark in "".join(marked.split())
    assert mark not in "".join(plain.split())


def test_what_others_wrote_moves_no_cursor(desk):
    evil = "\x1b[2J\x1b]0;x\x07"
    shown = {"title": evil, "steps": [{**STEP, "reason": evil, "actor": evil}]}
    desk.office.says("GET /v1/applications/{application}", shown)
    answer = desk("award", "show", ID)
    assert answer.code == 0
    assert "\x1b[2J" not in answer.out
    assert "\x07" not in answer.out


def test_programmes_are_shown_with_version_and_digest(desk):
    out = desk("award", "programmes").out
    assert "2026.11.1" in out
    assert "9f86d081" in out


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("device_hours=100", {"device_hours": 100}),
        ("conflict_declared=true", {"conflict_declared": True}),
        ("contract_covers=[compute]", {"contract_covers": ["compute"]}),
        ("starts_on=2026-12-01", {"starts_on": "2026-12-01"}),
        ("devices=unknown", {"devices": "unknown"}),
        ("devices=", {"devices": None}),
        ("track=a=b", {"track": "a=b"}),
    ],
)
def test_a_fact_is_sent_as_it_reads(desk, typed: str, sent: dict):
    answer = desk("award", "amend", ID, "--fact", typed, "--reason", "r")
    assert answer.code == 0, answer.err
    assert desk.office.asked[-1].body["facts"] == sent


@pytest.mark.parametrize("typed", ["device_hours", "=5", "devices=[1", "a=&a [*a]"])
def test_a_fact_that_does_not_read_is_a_mistake_of_use(desk, typed: str):
    answer = desk("award", "amend", ID, "--fact", typed, "--reason", "r")
    assert answer.code == 2
    assert "Traceback" not in answer.err
    assert desk.office.asked == []


@pytest.mark.parametrize(
    ("amount", "minor"),
    [("200000", 20_000_000), ("0.01", 1), ("1000.5", 100_050)],
)
def test_an_amount_is_sent_in_its_minor_unit(desk, amount: str, minor: int):
    desk.office.says("GET /v1/applications/{application}", {"currency": "CNY"})
    answer = desk("award", "decide", ID, "award", "--amount", amount, "--reason", "r")
    assert answer.code == 0, answer.err
    assert desk.office.asked[-1].body["amount_minor"] == minor


@pytest.mark.parametrize("amount", ["0.001", "many", "NaN", "-5", "9" * 30])
def test_an_amount_that_is_none_is_sent_nowhere(desk, amount: str):
    desk.office.says("GET /v1/applications/{application}", {"currency": "CNY"})
    answer = desk("award", "decide", ID, "award", f"--amount={amount}", "--reason", "r")
    assert answer.code != 0
    assert "Traceback" not in answer.err
    assert all("decide" not in line for line in desk.office.lines)


def test_an_amount_for_what_gives_device_time_is_refused_in_words(desk):
    answer = desk("award", "decide", ID, "award", "--amount", "5", "--reason", "r")
    assert answer.code != 0
    assert "Traceback" not in answer.err
    assert all("decide" not in line for line in desk.office.lines)


def test_only_a_programme_that_pays_is_funded(desk):
    example = desk("--json", "award", "programmes").json
    programme = (example if isinstance(example, list) else example["items"])[0]
    money = {**programme, "id": "beijing_vouchers", "subject": "voucher", "currency": "CNY"}
    desk.office.says("GET /v1/programmes", {"items": [programme, money]})
    answer = desk("award", "fund", "beijing_vouchers", "80000000")
    assert answer.code == 0, answer.err
    assert desk.office.asked[-1].body["amount_minor"] == 8_000_000_000
    for name in (programme["id"], "mars"):
        desk.office.asked.clear()
        assert desk("award", "fund", name, "5").code != 0
        assert "POST /v1/funds" not in desk.office.lines


@pytest.mark.parametrize("evidence", ["invoice", "=x", "invoice=/no/such/file"])
def test_evidence_that_is_no_file_is_told(desk, evidence: str):
    answer = desk("award", "claim", ID, "--evidence", evidence, "--reason", "r")
    assert answer.code != 0
    assert "Traceback" not in answer.err
    assert all("redeem" not in line for line in desk.office.lines)


def test_a_digest_is_sent_as_it_is(desk):
    digest = "sha256:" + "a" * 64
    answer = desk("award", "claim", ID, "--evidence", f"invoice={digest}", "--reason", "r")
    assert answer.code == 0, answer.err
    assert desk.office.lines == [f"POST /v1/applications/{ID}/redeem"]
    assert desk.office.asked[-1].body["evidence"] == {"invoice": digest}


def test_a_file_that_goes_on_for_ever_is_not_half_read(desk, tmp_path):
    """Cut off somewhere, it would still read, and another proposal would be sent."""
    file = tmp_path / "award.yaml"
    head = "title: x\nchip: cpu\nfacts: {device_hours: 10}\n"
    file.write_text(head + "# comment\n" * 40_000 + "programme: indiaai\n")
    answer = desk("award", "apply", str(file))
    assert answer.code == 2
    assert desk.office.asked == []


@pytest.mark.parametrize(
    "content",
    ["", "{}", "title: x\ncolour: red", "title: [1]", "facts: 5", "title: !!python/none x"],
)
def test_a_file_that_is_no_application_is_sent_nowhere(desk, tmp_path, content: str):
    file = tmp_path / "award.yaml"
    file.write_text(content)
    answer = desk("award", "apply", str(file))
    assert answer.code != 0
    assert "Traceback" not in answer.err
    assert desk.office.asked == []


def test_more_of_an_award_is_asked_of_its_own_programme_and_project(desk):
    about = {"programme": "indiaai", "project": "proj_1"}
    desk.office.says("GET /v1/applications/{application}", about)
    answer = desk("award", "extend", ID, "--months", "2", "--reason", "未完", "--key", "k")
    assert answer.code == 0, answer.err
    asked = desk.office.asked[-1]
    sent = {name: asked.body[name] for name in ("programme", "project", "kind", "add_months")}
    assert sent == {**about, "kind": "extension", "add_months": 2}
    assert asked.body["concerns"] == ID
    assert asked.headers["idempotency-key"] == "k"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("outcome", ["refuse", "return", "committee", "verifier", "approve"])
def test_every_outcome_has_a_word(desk, tmp_path, language: str, outcome: str):
    file = tmp_path / "award.yaml"
    file.write_text("facts: {device_hours: 10}\n")
    desk.office.says("POST /v1/rulings", {"outcome": outcome})
    answer = desk("award", "explain", str(file), lang=language)
    assert answer.code == 0
    assert "cli.award.outcome" not in answer.out


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_refusal_is_told_with_what_to_do(desk, language: str):
    desk.office.refusal = (409, fault(code="compute.step_impossible"))
    answer = desk("award", "withdraw", ID, "--reason", "r", lang=language)
    assert answer.code != 0
    assert "Do otherwise." in answer.err
    told = desk("--json", "award", "withdraw", ID, "--reason", "r", lang=language)
    assert told.code == answer.code
    assert "compute.step_impossible" in told.out + told.err


def test_an_award_for_several_chips_is_shown_with_what_an_hour_of_each_counts(desk):
    rates = [
        {"chip": chip, "workload_class": "training", "per_thousand": number}
        for chip, number in (("ascend910b", 1_000), ("h100", 2_503))
    ]
    accepts = {
        "chips": ["ascend910b", "h100"],
        "reference": "ascend910b",
        "rate_card": "ratecard_x",
        "version": 7,
        "rates": rates,
    }
    window = {
        "chip": "class:training-large",
        "starts_at": "2026-11-01T00:00:00Z",
        "ends_at": "2027-02-01T00:00:00Z",
        "device_ms": 3_600_000,
        "carried": 0,
        "award": "award_x",
        "accepts": accepts,
    }
    desk.office.says("GET /v1/applications/{application}", {"windows": [window]})
    out = " ".join(desk("award", "show", ID).out.split())
    assert "1 h class:training-large award_x" in out
    assert "1 h = ascend910b (7): ascend910b training 1, h100 training 2.503" in out


def test_who_decides_sees_who_asks_for_what_and_what_was_found(desk):
    facts = {"device_hours": 6000, "identity_documents": ["orcid", "scopus"], "registered": True}
    shown = {"organisation": "org_lakeside", "concerns": "application_before", "facts": facts}
    desk.office.says("GET /v1/applications/{application}", shown)
    out = desk("award", "show", ID).out
    for said in ("org_lakeside", "application_before", "device_hours: 6000"):
        assert said in out
    assert "identity_documents: orcid, scopus" in out
    assert "registered: true" in out


def test_steps_and_payments_are_told_in_the_readers_language(desk):
    steps = [{**STEP, "action": "settlement_confirmed"}, {**STEP, "action": "awarded"}]
    shown = {"currency": "CNY", "payments": [PAYMENT], "steps": steps}
    desk.office.says("GET /v1/applications/{application}", shown)
    out = desk("award", "show", ID, lang="zh").out
    assert text("cli.step.settlement_confirmed", "zh") in out
    assert text("cli.state.awarded", "zh") in out
    assert text("cli.payment.open", "zh") in out
    assert text("cli.state.open", "zh") not in out


def test_a_fact_that_is_no_whole_number_is_one_fault_with_the_right_word(desk, tmp_path):
    file = tmp_path / "proposal.yaml"
    file.write_text("{title: x, programme: yunhe, chip: cpu, facts: {devices: 1.5, hours: 2.5}}")
    told = desk("award", "apply", str(file)).err
    whole = text("api.field_not_integer", "en")
    assert told.count("facts.") == told.count(whole) == 2


def test_a_reason_that_is_too_short_is_counted_in_letters(desk):
    told = desk("award", "withdraw", ID, "--reason", "").err
    assert text("api.field_too_short", "en", min_length=1) in told


def test_what_is_possible_is_told_by_the_names_of_the_commands(desk):
    desk.office.says("GET /v1/applications/{application}", {"possible": ["report", "redeem"]})
    assert "report, claim" in desk("award", "show", ID).out
