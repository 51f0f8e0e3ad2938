"""`yunhe balance`: what is left, in the units people count in, and money put in."""

from __future__ import annotations

import json

import pytest

from yunhe.kernel.language import text

ACCOUNTS, ISSUE = "GET /v1/accounts", "POST /v1/issuances"
ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
HOUR_MS = 3_600_000


def account(unit: str, purpose: str, available: int, held: int) -> dict[str, object]:
    return {
        "id": "acct_4q9xj2c8t3r6w0h1ab7v1k0e5m",
        "owner": ORG,
        "unit": unit,
        "purpose": purpose,
        "available": available,
        "held": held,
    }


def listed(desk, *accounts: dict[str, object]) -> None:
    desk.office.says(ACCOUNTS, {"items": list(accounts), "next": None})


def test_money_is_shown_in_its_currency_and_device_time_in_hours(desk):
    time = account("device:h20", "award", 1_500 * HOUR_MS, HOUR_MS // 2)
    listed(desk, account("CNY", "cash", 9_999_990, 10), time)
    out = desk("balance").out
    for said in ("99,999.90", "0.10", "1,500 h", "0.5 h", "h20"):
        assert said in out
    assert "device:" not in out


@pytest.mark.parametrize(("lang", "said"), [("en", "cash"), ("zh", "现金")])
def test_what_it_is_for_is_told_in_the_readers_language(desk, lang: str, said: str):
    listed(desk, account("CNY", "cash", 1, 0))
    assert said in desk("balance", lang=lang).out


def test_a_purpose_nobody_put_into_words_is_shown_as_it_is(desk):
    listed(desk, account("CNY", "dues", 1, 0))
    assert "dues" in desk("balance", lang="zh").out


def test_the_list_fits_a_terminal_of_eighty_columns(desk, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    listed(desk, account("device:ascend910b", "award", 123_456_789 * HOUR_MS, 5 * HOUR_MS))
    assert max(map(len, desk("balance").out.splitlines())) <= 80


def test_a_top_up_sends_minor_units_and_its_reason(desk):
    told = desk("balance", "top-up", ORG, "5000.05", "--reason", "transfer of October")
    assert told.code == 0
    assert "5,000.05 CNY" in told.out
    [asked] = desk.office.asked
    assert asked.line == ISSUE
    wanted = {"organisation": ORG, "unit": "CNY", "amount": 500_005}
    assert asked.body == {**wanted, "memo": "transfer of October"}


@pytest.mark.parametrize("amount", ["5,000", "0.001", "1e3", "abc", "0", "-1", "", "5" * 30])
def test_what_is_no_amount_is_refused_and_sent_nowhere(desk, amount: str):
    told = desk("--json", "balance", "top-up", "--reason", "r", "--", ORG, amount)
    assert told.code == 65
    assert json.loads(told.err or told.out)
    assert desk.office.asked == []


def test_a_currency_nobody_defined_is_refused(desk):
    told = desk("balance", "top-up", ORG, "5", "--currency", "XXQ", "--reason", "r")
    assert told.code == 65
    assert desk.office.asked == []


def test_a_currency_has_the_decimals_it_has(desk):
    for currency, amount, minor in (("JPY", "5000", 5_000), ("CNY", "0.01", 1)):
        told = desk("balance", "top-up", ORG, amount, "--currency", currency, "--reason", "r")
        assert told.code == 0, told.err
        assert desk.office.asked[-1].body["amount"] == minor
    before = len(desk.office.asked)
    assert desk("balance", "top-up", ORG, "0.5", "--currency", "JPY", "--reason", "r").code == 65
    assert len(desk.office.asked) == before


def test_a_top_up_under_a_key_of_ones_own_is_sent_under_it_and_none_without_a_reason(desk):
    told = ("balance", "top-up", ORG, "5")
    assert desk(*told, "--reason", "r", "--key", "october").code == 0
    assert desk.office.asked[-1].headers["idempotency-key"] == "october"
    assert desk(*told).code == 2
    assert len(desk.office.asked) == 1


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_waits_for_money_names_the_command_that_puts_it_in(lang: str):
    assert "yunhe balance top-up ORGANISATION" in text("compute.waiting_cash.do", lang)
