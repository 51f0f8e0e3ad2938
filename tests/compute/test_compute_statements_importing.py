"""Statements of providers come in whole or not at all, with every fault named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.statements import importing
from yunhe.kernel.errors import Invalid

LINE = {
    "workload": "workload_1",
    "device_seconds": "1800.003",
    "price_per_device_hour": "36.00",
    "currency": "CNY",
    "amount": "18.01",
    "ended_at": "2026-11-16T00:00:00.000001Z",
    "pool": "pool_one",
    "voucher": "3.60",
}


def read(body: bytes, form: str = "csv"):
    return importing.read(body, form, provider="org_centre")


def faults(body: bytes, form: str = "csv") -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        read(body, form)
    assert caught.value.code == "compute.statement_invalid"
    assert caught.value.message("zh")
    return [(finding.where, finding.code.partition(".")[2]) for finding in caught.value.findings]


def test_a_line_is_read_to_the_last_digit():
    (row,) = read(importing.written([LINE])).to_pylist()
    assert row == {
        "provider": "org_centre",
        "workload": "workload_1",
        "pool": "pool_one",
        "currency": "CNY",
        "line": 2,
        "device_ms": 1_800_003,
        "price_minor_per_device_hour": 3_600,
        "amount_minor": 1_801,
        "voucher_minor": 360,
        "ended_us": 1_794_787_200_000_001,
    }


def test_json_says_the_same_as_csv_numbers_or_text():
    whole = {"lines": [LINE, {**LINE, "amount": 18.01, "voucher": 3.6}]}
    rows = read(json.dumps(whole).encode(), "json").to_pylist()
    (line,) = read(importing.written([LINE])).to_pylist()
    assert [row | {"line": 2} for row in rows] == [line, line]


def test_what_may_be_left_out_may_be_left_out_and_amounts_may_be_below_zero():
    short = {name: value for name, value in LINE.items() if name not in ("pool", "voucher")}
    (row,) = read(importing.written([{**short, "amount": "-0.50"}])).to_pylist()
    assert (row["pool"], row["voucher_minor"], row["amount_minor"]) == ("", 0, -50)
    yen = {**LINE, "currency": "JPY", "amount": "18", "price_per_device_hour": "36", "voucher": ""}
    assert read(importing.written([yen])).to_pylist()[0]["amount_minor"] == 18


def test_every_fault_is_told_at_once_with_its_line():
    bad = [
        {**LINE, "amount": "18.001"},
        {**LINE, "currency": "XXX", "ended_at": "2026-11-16"},
        {**LINE, "workload": " ", "device_seconds": "1e400"},
        {**LINE, "price_per_device_hour": "NaN", "voucher": "much"},
    ]
    assert faults(importing.written(bad)) == [
        ("line 2: amount", "statement_number"),
        ("line 3: currency", "currency_unknown"),
        ("line 3: ended_at", "statement_instant"),
        ("line 4: device_seconds", "statement_number"),
        ("line 4: workload", "statement_empty"),
        ("line 5: price_per_device_hour", "statement_number"),
        ("line 5: voucher", "statement_number"),
    ]


@pytest.mark.parametrize(
    ("body", "form", "wanted"),
    [
        (b"\xff\xfe", "csv", [("byte 0", "statement_not_utf8")]),
        (b"workload,amount,amount,colour\n", "csv", "columns"),
        (importing.written([LINE]) + b"a,b\n", "csv", [("line 3", "statement_ragged")]),
        (importing.written([LINE]) + b'"open', "csv", [("line 3", "statement_not_csv")]),
        (b"{", "json", [("line 1", "statement_not_json")]),
        (b"[" * 100_000, "json", [("file", "statement_not_json")]),
        (b"[]", "json", [("lines", "statement_no_lines")]),
        (b'{"lines": [3]}', "json", [("line 1", "statement_no_object")]),
    ],
)
def test_what_is_no_statement_is_refused_with_the_place(body, form, wanted):
    found = faults(body, form)
    if wanted == "columns":
        codes = {code for _, code in found}
        wanted = {"column_missing", "column_unknown", "column_twice"}
        assert codes == {f"statement_{one}" for one in wanted}
    else:
        assert found == wanted


def test_a_json_statement_of_another_provider_or_with_strange_fields_is_refused():
    said = {"provider": "org_other", "lines": [{**LINE, "colour": "red"}, {"workload": "w"}]}
    found = faults(json.dumps(said).encode(), "json")
    assert ("provider", "statement_other_provider") in found
    assert ("line 1", "statement_column_unknown") in found
    assert found.count(("line 2", "statement_column_missing")) == 5


def test_a_flood_of_faults_is_cut_and_counted():
    count = importing.FINDINGS_MAX + 7
    found = faults(importing.written([{**LINE, "amount": "x"}] * count))
    assert len(found) == importing.FINDINGS_MAX + 1
    assert found[-1] == ("…", "statement_more_faults")


def test_a_statement_beyond_the_bounds_is_refused(monkeypatch):
    monkeypatch.setattr(importing, "LINES_MAX", 2)
    assert faults(importing.written([LINE] * 3)) == [("line 4", "statement_too_long")]
    whole = json.dumps({"lines": [LINE] * 3}).encode()
    assert faults(whole, "json") == [("lines", "statement_too_long")]
    monkeypatch.setattr(importing, "BYTES_MAX", 10)
    assert faults(importing.written([LINE])) == [("file", "statement_too_large")]


@given(st.binary(max_size=300), st.sampled_from(["csv", "json"]))
@settings(max_examples=150, deadline=None)
def test_no_bytes_do_anything_but_be_read_or_be_refused(body, form):
    told = True
    try:
        read(body, form)
    except Invalid as error:
        told = bool(error.findings)
    assert told
