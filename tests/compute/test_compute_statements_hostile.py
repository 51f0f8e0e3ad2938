"""Statements as spreadsheets, careless programs and ill-willed people write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from yunhe.compute.statements import importing
from yunhe.compute.statements.importing import OPTIONAL, REQUIRED, written
from yunhe.kernel.canonical import INTEGER_MAX
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Invalid
from yunhe.kernel.units import CURRENCIES, format_minor

LINE = {
    "workload": "workload_1",
    "device_seconds": "1800.003",
    "price_per_device_hour": "36.00",
    "currency": "CNY",
    "amount": "18.01",
    "ended_at": "2026-11-16T00:00:00Z",
    "pool": "pool_one",
    "voucher": "3.60",
}
EVERY = (*REQUIRED, *OPTIONAL)


def read(body: bytes, form: str = "csv") -> list[dict[str, object]]:
    return importing.read(body, form, provider="org_centre").to_pylist()


def faults(body: bytes, form: str = "csv") -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        read(body, form)
    for language in ("en", "zh"):
        assert caught.value.message(language)
        assert all(finding.message(language) for finding in caught.value.findings)
    return [(one.where, one.code.removeprefix("compute.")) for one in caught.value.findings]


def of_json(*lines: dict[str, object], **more: object) -> bytes:
    return json.dumps({"lines": list(lines), **more}).encode()


@pytest.mark.parametrize(
    ("said", "minor"),
    [
        ("0", 0),
        ("-0.00", 0),
        ("+18.01", 1_801),
        (" 18.01 ", 1_801),
        ("18.010000", 1_801),
        ("18", 1_800),
        ("18.", 1_800),
        (".5", 50),
        ("0018.01", 1_801),
        ("1.801e1", 1_801),
        ("1801E-2", 1_801),
        ("-3.00", -300),
        (format(Decimal(INTEGER_MAX) / 100, "f"), INTEGER_MAX),
    ],
)
def test_an_amount_is_the_number_it_says_however_it_is_spelled(said, minor):
    (row,) = read(written([LINE | {"amount": said}]))
    assert row["amount_minor"] == minor
    (row,) = read(of_json(LINE | {"amount": said}), "json")
    assert row["amount_minor"] == minor


@pytest.mark.parametrize(
    "said",
    [
        "",
        "-",
        ".",
        "18,01",
        "1,800.00",
        "1.800,00",
        "1 800",
        "1'800",
        "1_800",
        "１８",
        "١٨",
        "¥18.01",
        "18.01 CNY",
        "0x12",
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        "1e",
        "1e4000",
        "1e999999",
        "9e-999999999",
        "1e-999",
        "18.001",
        "1234567890.12000000000000000000000000001",
        format(Decimal(INTEGER_MAX + 1) / 100, "f"),
        "9" * 41,
        "9" * 5_000,
        "=18.01",
        "true",
    ],
)
def test_what_is_no_plain_number_fine_enough_is_refused_and_never_guessed(said):
    assert faults(written([LINE | {"amount": said}])) == [("line 2: amount", "statement_number")]
    found = faults(of_json(LINE | {"amount": said}), "json")
    assert found == [("line 1: amount", "statement_number")]


@pytest.mark.parametrize("said", [None, True, [], {}, [1], {"value": "1"}, float("nan")])
def test_a_json_value_of_another_kind_is_no_number_no_text_and_no_time(said):
    for name in ("amount", "device_seconds", "voucher"):
        found = faults(of_json(LINE | {name: said}), "json")
        assert found == [(f"line 1: {name}", "statement_number")]
    found = faults(of_json(LINE | {"ended_at": said}), "json")
    assert found == [("line 1: ended_at", "statement_instant")]


def test_a_name_twice_in_an_object_is_a_fault_and_not_what_came_last():
    line = json.dumps(LINE)[:-1] + ', "amount": "1.00", "amount": "2.00"}'
    found = faults(f'{{"lines": [{line}]}}'.encode(), "json")
    assert found == [("file", "statement_column_twice")]
    whole = '{"lines": [], "lines": [' + json.dumps(LINE) + "]}"
    assert faults(whole.encode(), "json") == [("file", "statement_column_twice")]


@pytest.mark.parametrize("name", ["workload", "pool", "currency"])
def test_half_a_letter_in_a_text_is_told_and_does_not_break_the_reader(name):
    found = faults(of_json(LINE | {name: "a\ud800"}), "json")
    assert (f"line 1: {name}", "statement_not_text") in found


def test_half_a_letter_anywhere_else_is_told_too():
    body = of_json(LINE | {"amount": "\udfff", "ended_at": "\ud800"}, provider="\ud800")
    assert {code for _, code in faults(body, "json")} == {
        "statement_other_provider",
        "statement_number",
        "statement_instant",
    }
    odd = of_json(LINE | {"\ud800": "1"})
    assert faults(odd, "json") == [("line 1", "statement_column_unknown")]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("2026-11-16T08:00:00+08:00", "2026-11-16T00:00:00.000000Z"),
        ("2026-11-15T19:00:00-05:00", "2026-11-16T00:00:00.000000Z"),
        ("2026-11-16 00:00:00Z", "2026-11-16T00:00:00.000000Z"),
        ("2026-12-01T00:00:00+00:01", "2026-11-30T23:59:00.000000Z"),
        ("2026-11-30T23:59:59.999999Z", "2026-11-30T23:59:59.999999Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000Z"),
    ],
)
def test_a_time_is_the_instant_its_offset_makes_it(said, wanted):
    (row,) = read(written([LINE | {"ended_at": said}]))
    assert iso(row["ended_us"]) == wanted


@pytest.mark.parametrize(
    "said",
    [
        "",
        "2026-11-16",
        "2026-11-16T00:00:00",
        "2026-11-31T00:00:00Z",
        "2026-11-16T24:00:01Z",
        "16/11/2026 00:00",
        "46342",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "２026-11-16T00:00:00Z",
        "now",
    ],
)
def test_a_time_without_offset_or_off_the_calendar_is_refused(said):
    assert faults(written([LINE | {"ended_at": said}])) == [
        ("line 2: ended_at", "statement_instant")
    ]


LAST_US = 253_402_214_400 * 1_000_000


@given(st.integers(86_400_000_000, LAST_US), st.integers(-840, 840))
@settings(max_examples=60, deadline=None)
def test_every_instant_is_read_to_the_microsecond_whatever_its_offset(at_us, minutes):
    zone = timezone(timedelta(minutes=minutes))
    said = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).astimezone(zone)
    (row,) = read(written([LINE | {"ended_at": said.isoformat()}]))
    assert row["ended_us"] == at_us


AMOUNTS = st.integers(-INTEGER_MAX, INTEGER_MAX)


@given(AMOUNTS, st.sampled_from(sorted(CURRENCIES)), st.integers(0, INTEGER_MAX))
@example(-1, "JPY", 0)
@example(INTEGER_MAX, "CNY", INTEGER_MAX)
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_back_to_the_minor_unit_in_every_currency(minor, unit, device_ms):
    said = LINE | {
        "currency": unit,
        "amount": format_minor(minor, unit).replace(",", ""),
        "voucher": format_minor(-minor, unit).replace(",", ""),
        "price_per_device_hour": "36",
        "device_seconds": f"{device_ms // 1_000}.{device_ms % 1_000:03}",
    }
    for body, form in ((written([said]), "csv"), (of_json(said), "json")):
        (row,) = read(body, form)
        assert (row["amount_minor"], row["voucher_minor"]) == (minor, -minor)
        assert row["device_ms"] == device_ms


@given(st.text(st.characters(codec=None), max_size=45))
@example("1e999999")
@example("-9.9e-99999")
@example("1_0")
@settings(max_examples=150, deadline=None)
def test_any_text_as_an_amount_is_its_number_or_a_fault_and_nothing_else(said):
    body = of_json(LINE | {"amount": said})
    told, rows = [], []
    try:
        rows = read(body, "json")
    except Invalid as error:
        told = [one.where for one in error.findings]
    if rows:
        assert said.isascii()
        assert Decimal(said.strip()) * 100 == rows[0]["amount_minor"]
    else:
        assert told == ["line 1: amount"]


def test_a_file_of_another_program_is_read_bom_quotes_line_ends_blank_lines_and_all():
    plain = written([LINE, LINE | {"workload": "workload_2"}])
    wanted = [row | {"line": 0} for row in read(plain)]
    quoted = "\r\n\r\n".join(
        ",".join(f'"{cell}"' for cell in line.split(",")) for line in plain.decode().split()
    )
    for body in (
        b"\xef\xbb\xbf" + plain,
        plain.replace(b"\n", b"\r\n"),
        plain.replace(b"\n", b"\r"),
        quoted.encode() + b"\r\n\r\n",
        plain.replace(b"workload,", b" workload ,"),
    ):
        assert [row | {"line": 0} for row in read(body)] == wanted


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.upper(),
        lambda text: "",
        lambda text: "\n" + text,
        lambda text: text.split("\n", 1)[1],
    ],
    ids=["semicolons", "tabs", "capitals", "empty", "a blank first line", "no heading"],
)
def test_a_file_whose_heading_is_not_ours_says_which_columns_are_missing(spoil):
    found = faults(spoil(written([LINE]).decode()).encode())
    assert {where for where, _ in found} == {"line 1"}
    assert "statement_column_missing" in {code for _, code in found}


@pytest.mark.parametrize("encoding", ["utf-16", "gb18030", "latin-1"])
def test_a_file_in_another_encoding_is_refused_with_the_byte(encoding):
    body = written([LINE | {"pool": "zürich"}]).decode().encode(encoding)
    ((where, code),) = faults(body)
    assert (where.split()[0], code) == ("byte", "statement_not_utf8")


def test_the_line_that_is_told_is_the_line_an_editor_shows():
    lines = [LINE | {"pool": "two\nlines"}, LINE | {"amount": "x"}]
    assert faults(written(lines)) == [("line 4: amount", "statement_number")]


@pytest.mark.parametrize("name", ["workload", "pool"])
def test_a_text_that_is_far_too_long_or_holds_a_zero_is_refused(name):
    found = faults(of_json(LINE | {name: "x" * 201}), "json")
    assert (f"line 1: {name}", "statement_not_text") in found
    found = faults(of_json(LINE | {name: "x\0"}), "json")
    assert (f"line 1: {name}", "statement_not_text") in found


def test_a_cell_larger_than_any_reader_takes_is_told_with_its_line():
    ((where, code),) = faults(written([LINE | {"pool": "x" * 200_000}]))
    # How much a reader takes is the process's: the corpus floor raises it where it is loaded
    assert code in {"statement_not_csv", "statement_not_text"}
    assert where.startswith("line ")


def test_a_fault_shows_no_more_of_a_cell_than_a_reader_needs():
    with pytest.raises(Invalid) as caught:
        read(of_json(LINE | {"amount": "9" * 10_000, "ended_at": "\x1b[2J" * 500}), "json")
    for one in caught.value.findings:
        assert len(one.message("en")) < 200
        assert "\x1b" not in one.message("en")


@pytest.mark.parametrize("currency", ["cny", "RMB", "CNY,", "", "ＣＮＹ", "voucher:CNY", "人民币"])
def test_a_currency_is_one_of_ours_letter_by_letter(currency):
    found = faults(written([LINE | {"currency": currency}]))
    assert ("line 2: currency", "currency_unknown") in found


def test_yen_have_no_decimals_and_device_time_has_three():
    yen = LINE | {"currency": "JPY", "price_per_device_hour": "36", "voucher": "0"}
    assert faults(written([yen | {"amount": "18.5"}])) == [("line 2: amount", "statement_number")]
    assert read(written([yen | {"amount": "18.0"}]))[0]["amount_minor"] == 18
    assert faults(written([LINE | {"device_seconds": "0.0001"}])) == [
        ("line 2: device_seconds", "statement_number")
    ]


@given(st.permutations(EVERY))
@settings(max_examples=20, deadline=None)
def test_columns_may_stand_in_any_order(order):
    body = ",".join(order) + "\n" + ",".join(LINE[name] for name in order) + "\n"
    assert read(body.encode()) == read(written([LINE]))
