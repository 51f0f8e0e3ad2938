"""`yunhe award show`: what is asked for, who voted how, which payment, what was given out anew."""

from __future__ import annotations

import pytest

from yunhe.kernel.language import text

ID = "application_w0h1ab7v1k0e5m2q9xj4c8t3r6"
SHOW = "GET /v1/applications/{application}"
HOUR_MS = 3_600_000
AT = "2026-11-22T09:30:00.000000Z"
OPEN = {"granted_ms": 0, "decided_by": "", "state": "verifying"}
STEP = {"action": "voted", "actor": "mem_1", "at": AT, "reason": "sound", "state": "voting"}
WINDOW = {
    "chip": "cpu",
    "starts_at": "2026-11-30T16:00:00.000000Z",
    "ends_at": "2027-01-01T00:00:00.000000Z",
    "device_ms": 100 * HOUR_MS,
    "carried": 0,
    "award": "award_1",
}
PAYMENT = {
    "number": 2,
    "name": "model",
    "amount_minor": 20_000_000,
    "state": "open",
    "lapses_at": AT,
    "confirmed": False,
    "evidence": {},
    "transfer": "",
}


def flat(out: str) -> str:
    return " ".join(out.split())


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_waits_says_how_much_is_asked_for(desk, lang: str):
    shown = {**OPEN, "asked_ms": 2_000 * HOUR_MS, "chip": "cpu"}
    desk.office.says(SHOW, shown)
    said = text("cli.award.asked_for", lang, amount="2,000 h cpu")
    assert said in desk("award", "show", ID, lang=lang).out


def test_an_extension_says_hours_and_months(desk):
    desk.office.says(SHOW, {**OPEN, "asked_ms": 50 * HOUR_MS, "add_months": 2, "chip": ""})
    assert "asked for: 50 h + 2 months" in desk("award", "show", ID).out
    desk.office.says(SHOW, {**OPEN, "add_months": 2, "chip": ""})
    assert "asked for: 2 months" in desk("award", "show", ID).out


def test_whoever_sees_votes_sees_what_they_were_for(desk):
    steps = [{**STEP, "vote": "award", "hours": 5_500}, {**STEP, "vote": "refuse"}]
    desk.office.says(SHOW, {"steps": steps})
    out = flat(desk("award", "show", ID).out)
    assert "voted (for it, 5,500 h) mem_1 sound" in out
    assert "voted (against) mem_1 sound" in out


def test_steps_of_payments_say_which(desk):
    paid = {**STEP, "action": "paid", "payment": 2, "reason": "seen"}
    desk.office.says(SHOW, {"currency": "CNY", "steps": [paid], "payments": [PAYMENT]})
    out = flat(desk("award", "show", ID).out)
    assert "paid (payment 2) mem_1 seen" in out
    assert "2 model 200,000.00 CNY open (to be asked for by 2026-11-22)" in out


def test_a_confirmed_settlement_is_told_with_the_payment(desk):
    route = "POST /v1/applications/{application}/confirm"
    desk.office.says(route, {**PAYMENT, "confirmed": True})
    out = desk("award", "confirm", ID, "--reason", "settled").out
    assert text("cli.step.settlement_confirmed", "en") in out


def test_time_given_out_anew_is_not_told_twice_and_begins_when_it_begins(desk):
    moved = {**WINDOW, "moved_ms": 99 * HOUR_MS}
    anew = {**WINDOW, "chip": "h20", "device_ms": 99 * HOUR_MS, "award": "award_2"}
    desk.office.says(SHOW, {"granted_ms": 100 * HOUR_MS, "windows": [moved, anew]})
    out = flat(desk("award", "show", ID).out)
    assert "2026-11-30 16:00Z – 2027-01-01 100 h cpu award_1 (99 h of it given out anew)" in out
    assert "Amount 100 h h20" in out


def test_the_reason_of_a_refusal_is_what_refused_it(desk):
    rules = [
        {"rule": "BJ-ONCE", "decides": "refuse", "text": "One claim.", "verified": True},
        {"rule": "BJ-VERIFIER", "decides": "verifier", "text": "One person.", "verified": True},
    ]
    desk.office.says(SHOW, {"outcome": "refuse", "rules": rules})
    out = desk("award", "show", ID).out
    assert "BJ-ONCE" in out
    assert "BJ-VERIFIER" not in out
