"""What a table of usage says of normalised hours, mixed chips, disputes and real use."""

from __future__ import annotations

import pytest

from yunhe.cli import settling
from yunhe.cli.session import Session
from yunhe.client.wire.statements import NormalisedTime, Usage, UsageLine

HOUR_MS = 3_600_000


def line(**over: object) -> UsageLine:
    said: dict[str, object] = {
        "group": "org_a",
        "currency": "CNY",
        "charges": 2,
        "device_ms": 10 * HOUR_MS,
        "idle_ms": HOUR_MS,
        "cost_minor": 100,
        "voucher_minor": 0,
        "cash_minor": 100,
        "reported_ms": 0,
        "busy_ms": 0,
        "chips": ["a100"],
        "normalised": [],
        "unrated_ms": 10 * HOUR_MS,
    }
    return UsageLine.model_validate(said | over)


def normalised(hours: int, *, disputed: int = 0, reference: str = "v100") -> NormalisedTime:
    return NormalisedTime(
        reference=reference,
        versions=[1, 3],
        normalised_ms=hours * HOUR_MS,
        device_ms=10 * HOUR_MS,
        disputed_ms=disputed,
    )


@pytest.fixture
def shown(monkeypatch, capsys):
    """The table as it is printed, in a language."""

    def of(*lines: UsageLine, language: str = "en") -> str:
        session = Session(language, None, as_json=False)
        monkeypatch.setenv("COLUMNS", "300")
        usage = Usage(
            period="2026-11",
            by="organisation",
            lines=list(lines),
            hhi=0,
            shares=[],
            vendor_hhi=0,
            vendor_shares=[],
        )
        settling._show_usage(session, usage)
        return capsys.readouterr().out

    return of


def test_without_a_rate_nothing_is_made_up(shown):
    text = shown(line())
    assert "10.00" in text
    assert "rate card" not in text


def test_raw_hours_of_different_chips_are_not_added_up(shown):
    mixed = line(
        chips=["a100", "p100"],
        normalised=[normalised(6)],
        unrated_ms=2 * HOUR_MS,
    )
    text = shown(mixed)
    assert "2 chips" in text
    assert "6.00 × v100 (20.0 % without a rate)" in text
    assert "v100 (1), v100 (3)" in text
    assert "2 种芯片" in shown(mixed, language="zh")


def test_disputed_rates_are_marked_and_two_references_stand_side_by_side(shown):
    found = [normalised(6, disputed=1), normalised(2, reference="h200")]
    text = shown(line(normalised=found, unrated_ms=0))
    assert "6.00 × v100 + 2.00 × h200*" in text
    assert "yunhe chips disputes" in text
    assert "异议" in shown(line(normalised=found, unrated_ms=0), language="zh")


def test_real_use_is_told_with_how_much_of_it_anybody_knows(shown):
    known = {"reported_ms": 5 * HOUR_MS, "busy_ms": HOUR_MS}
    text = shown(line(**known), line(reported_ms=10 * HOUR_MS, busy_ms=HOUR_MS))
    assert "20.0 % (50.0 %)" in text
    assert "10.0 %" in text
    assert "reported" in text
    assert "reported" not in shown(line())
