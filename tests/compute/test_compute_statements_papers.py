"""What leaves the house: spreadsheets, FOCUS files, printed invoices, with any names in them."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from statement_rows import MONTH, charge

from yunhe.compute.scheduling.cost import cost, share
from yunhe.compute.statements import charges as columns
from yunhe.compute.statements import documents, focus, writing
from yunhe.compute.statements.domain import SUMS
from yunhe.compute.statements.focus_checks import check
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.units import minor_digits
from yunhe.reports import invoice

SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
FORMULAS = [f"{sign}HYPERLINK(1)" for sign in SIGNS]
PLAIN = ["project", "a=b", "1+1", "", "算力", "'quoted", "per-job", "mail@host"]


def focused(*rows: dict[str, object], **over) -> pa.Table:
    return focus.rows(columns.table(rows), **{"period": MONTH, "names": {}, "invoices": {}, **over})


def issued(*rows: dict[str, object], kind: str = "invoice", currency: str = "CNY"):
    made = documents.written(
        columns.table(rows),
        kind=kind,
        number=7,
        party="org_user",
        period=MONTH,
        currency=currency,
        issued_at_us=MONTH.until_us,
    )
    return json.loads(canonical_bytes(made))


def sheet(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("said", FORMULAS)
def test_no_cell_of_an_invoice_is_a_formula(said):
    names = ("project", "pool", "site", "chip", "provider", "outcome")
    lines = issued(charge(1, **dict.fromkeys(names, said)))["lines"]
    (row,) = sheet(documents.as_csv(lines, "CNY"))
    assert {row[name] for name in names} == {f"'{said}"}
    assert not any(cell.startswith(SIGNS) for cell in row.values())


@pytest.mark.parametrize("said", FORMULAS)
def test_no_cell_of_a_focus_file_is_a_formula_and_parquet_keeps_the_name(said):
    rows = focused(charge(1, project=said, site=said), names={"org_user": said})
    (usage, credit) = sheet(writing.csv(rows))
    for name in ("SubAccountId", "SubAccountName", "RegionId", "BillingAccountName"):
        assert usage[name] == credit[name] == f"'{said}"
    texts = [name for name, kind in focus.COLUMNS.items() if kind == "text"]
    assert not any(usage[name].startswith(SIGNS) for name in texts)
    kept = parquet.read_table(io.BytesIO(writing.parquet(rows))).to_pylist()[0]
    assert kept["SubAccountId"] == kept["BillingAccountName"] == said


@pytest.mark.parametrize("said", PLAIN)
def test_what_is_no_formula_is_left_as_it_is(said):
    assert writing.harmless(said) == said
    row = sheet(writing.csv(focused(charge(1, project=said))))[0]
    assert row["SubAccountId"] == said
    assert sheet(documents.as_csv(issued(charge(1, project=said))["lines"], "CNY"))[0][
        "project"
    ] == said  # fmt: skip


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
@settings(max_examples=80, deadline=None)
def test_any_name_comes_back_from_the_files_whole(said):
    harmless = writing.harmless(said)
    assert harmless.removeprefix("'") == said or harmless == said
    (row,) = sheet(documents.as_csv(issued(charge(1, project=said))["lines"], "CNY"))
    assert row["project"] == harmless
    first = sheet(writing.csv(focused(charge(1, project=said))))[0]
    assert first["SubAccountId"] == harmless


def test_an_amount_below_zero_stays_a_number_in_a_spreadsheet():
    given = charge(1, kind="correction", device_ms=-1, cost_minor=-123_456_789)
    lines = issued(given | {"voucher_minor": 0, "cash_minor": -123_456_789})["lines"]
    (row,) = sheet(documents.as_csv(lines, "CNY"))
    assert (row["cost"], row["cash"], row["voucher"]) == ("-1234567.89", "-1234567.89", "0.00")
    assert row["device_seconds"] == "-0.001"
    (row,) = sheet(writing.csv(focused(given | {"voucher_minor": 0})))
    assert (row["BilledCost"], row["x_DeviceMilliseconds"]) == ("-1234567.89", "-1")


@pytest.mark.parametrize(("currency", "shown"), [("JPY", "1801"), ("CNY", "18.01")])
def test_the_sheet_has_as_many_decimals_as_the_currency(currency, shown):
    given = charge(1, currency=currency, cost_minor=1_801, price_minor_per_device_hour=0)
    (row,) = sheet(documents.as_csv(issued(given, currency=currency)["lines"], currency))
    assert row["cost"] == shown
    assert row["currency"] == currency
    assert Decimal(row["price_per_device_hour"]) == 0


def test_an_empty_document_is_a_heading_and_an_empty_export_keeps_the_rules():
    assert sheet(documents.as_csv([], "CNY")) == []
    assert documents.as_csv([], "CNY").startswith(b"\xef\xbb\xbfid,kind,")
    nothing = focused()
    assert (nothing.num_rows, check(nothing)) == (0, [])
    assert sheet(writing.csv(nothing)) == []
    assert parquet.read_table(io.BytesIO(writing.parquet(nothing))).schema == nothing.schema
    assert list(documents.by_party(columns.table([]), "invoice")) == []


def test_types_that_a_reader_guesses_do_not_depend_on_the_month():
    whole = charge(1, device_ms=3_600_000, cost_minor=3_600, voucher_minor=0, cash_minor=3_600)
    (row,) = sheet(writing.csv(focused(whole)))
    assert (row["BilledCost"], row["ListUnitPrice"]) == ("36.0", "36.0")
    assert row["ConsumedQuantity"] == "1.0"
    nothing = whole | {"device_ms": 0, "cost_minor": 0, "cash_minor": 0}
    assert sheet(writing.csv(focused(nothing)))[0]["BilledCost"] == "0.0"


UNITS = st.sampled_from(["CNY", "JPY", "USD"])


@st.composite
def charged(draw) -> dict[str, object]:
    """A charge as the platform meters one, or a correction of one."""
    device_ms, price = draw(st.integers(0, 10**12)), draw(st.integers(0, 10**6))
    percent = draw(st.integers(0, 100))
    amount = cost(device_ms, price_minor_per_device_hour=price)
    parts = share(amount, share_percent=percent, voucher_left_minor=draw(st.integers(0, 10**9)))
    late = draw(st.booleans())
    sign = -1 if late else 1
    return charge(
        draw(st.integers(0, 10**6)),
        kind="correction" if late else "usage",
        corrects=draw(st.sampled_from(["2026-10", "2026-11"])) if late else "",
        organisation=draw(st.sampled_from(["org_a", "org_b"])),
        currency=draw(UNITS),
        device_ms=sign * device_ms,
        price_minor_per_device_hour=price,
        cost_minor=sign * amount,
        voucher_minor=sign * parts.voucher_minor,
        cash_minor=sign * parts.cash_minor,
        voucher_percent=percent,
    )


@given(st.lists(charged(), max_size=12))
@settings(max_examples=60, deadline=None)
def test_focus_rows_add_up_to_the_cash_of_each_invoice_and_keep_every_rule(rows):
    table = columns.table(rows)
    made = focused(*rows)
    assert check(made) == []
    billed: dict[tuple[str, str], Decimal] = {}
    for row in sheet(writing.csv(made)):
        key = row["BillingAccountId"], row["BillingCurrency"]
        billed[key] = billed.get(key, Decimal(0)) + Decimal(row["BilledCost"])
    due = {
        (party, unit): Decimal(documents.totals(lines)["cash_minor"]).scaleb(-minor_digits(unit))
        for party, unit, lines in documents.by_party(table, "invoice")
    }
    assert billed == due


@given(st.lists(charged(), max_size=12), st.sampled_from(["invoice", "payable"]))
@settings(max_examples=60, deadline=None)
def test_each_charge_is_on_one_document_of_each_kind_and_totals_are_sums(rows, kind):
    table = columns.table(rows)
    seen = 0
    keys = []
    for party, unit, lines in documents.by_party(table, kind):
        keys.append((party, unit))
        seen += lines.num_rows
        assert set(lines.column(documents.PARTY[kind]).to_pylist()) == {party}
        assert set(lines.column("currency").to_pylist()) == {unit}
        found = lines.to_pylist()
        for name, total in documents.totals(lines).items():
            assert total == sum(row[name] for row in found)
        order = [(row["ended_us"], row["id"]) for row in found]
        assert order == sorted(order)
    assert seen == len(rows)
    assert keys == sorted(set(keys))


@given(st.lists(charged(), max_size=12))
@settings(max_examples=40, deadline=None)
def test_usage_by_any_grouping_adds_up_to_the_same(rows):
    table = columns.table(rows)
    whole = documents.totals(table)
    for by in ("organisation", "project", "provider", "pool", "site", "chip", "day"):
        lines = columns.usage(table, by)
        assert {name: sum(getattr(line, name) for line in lines) for name in SUMS} == whole
        assert sum(line.charges for line in lines) == len(rows)
        assert len({(line.group, line.currency) for line in lines}) == len(lines)
        assert columns.usage(table.take(np.arange(len(rows))[::-1]), by) == lines


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=1>',
    "{{ 7*7 }}",
    "&lt;b&gt;",
    "\u202egnp",
]


@pytest.mark.parametrize("said", HOSTILE)
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", ["invoice", "payable"])
def test_a_hostile_name_is_text_on_a_printed_page(said, language, kind):
    whole = issued(charge(1, project=said, chip=said), kind=kind)
    page = invoice.render_invoice(
        whole,
        digest="sha256:0",
        names={"org_user": said, "org_centre": said},
        language=language,
    )
    seen = Page(page)
    plain = Page(
        invoice.render_invoice(
            issued(charge(1), kind=kind), digest="sha256:0", names={}, language=language
        )
    )
    assert seen.tags == plain.tags
    assert {name for name, _ in seen.attributes} == {name for name, _ in plain.attributes}
    assert said.replace("\u202e", "") in seen.text.replace("\N{REPLACEMENT CHARACTER}", "")
    assert "\u202e" not in seen.text


def test_a_page_names_how_many_lines_it_leaves_out_and_totals_have_them_all(monkeypatch):
    monkeypatch.setattr(invoice, "LINES_MAX", 2)
    rows = [charge(number, cost_minor=100_000, cash_minor=80_000) for number in range(5)]
    page = invoice.render_invoice(issued(*rows), digest="d", names={}, language="en")
    assert page.count(" · 2026-11") == 2 + 1  # two lines and the heading
    assert "5,000.00" in page
    assert "3 " in Page(page).text


@pytest.mark.parametrize(
    ("device_ms", "shown"),
    [
        (0, "0.000"),
        (1_799, "0.000"),
        (1_800, "0.001"),
        (-1_800, "-0.001"),
        (3_600_000_000, "1,000.000"),
        (3_599_999, "1.000"),
    ],
)
def test_hours_are_rounded_to_the_nearest_thousandth(device_ms, shown):
    assert invoice.hours(device_ms) == shown


def test_no_time_at_all_is_never_shown_as_less_than_none():
    assert invoice.hours(-1) == "0.000"


def test_a_page_is_of_one_currency_with_its_decimals():
    given = charge(1, currency="JPY", cost_minor=1_801, voucher_minor=0, cash_minor=1_801)
    page = invoice.render_invoice(
        issued(given, currency="JPY"), digest="d", names={}, language="zh"
    )
    assert "1,801<" in page
    assert "18.01" not in page
    assert "JPY" in page
