"""FOCUS 1.2: rows keep every rule that is checked, sums equal the invoice, and faults are seen."""

from __future__ import annotations

import io
from decimal import Decimal

import pyarrow as pa
import pytest
from pyarrow import csv as csv_files
from pyarrow import parquet
from statement_rows import MONTH, charge

from yunhe.compute.statements import charges as columns
from yunhe.compute.statements import documents, focus, writing
from yunhe.compute.statements.figures import concentration, idle_ms, unwatched_ms
from yunhe.compute.statements.focus_checks import MANDATORY, RULES, check


def correction() -> dict[str, object]:
    given = charge(9, id="correction_1", kind="correction", corrects="2026-10", device_ms=-360_000)
    return given | {"cost_minor": -1_000, "voucher_minor": -200, "cash_minor": -800, "wall_ms": 0}


@pytest.fixture
def made() -> pa.Table:
    rows = [charge(1), charge(2, project="proj_a"), charge(3, currency="JPY"), correction()]
    return focus.rows(
        columns.table(rows),
        period=MONTH,
        names={"org_user": "City University"},
        invoices={("org_user", "CNY"): "00000001"},
    )


def test_our_rows_keep_every_rule(made):
    assert check(made) == []
    assert set(MANDATORY) <= set(made.column_names)
    assert all(name.startswith("x_") for name in made.column_names[-8:])


def test_usage_is_a_row_a_subsidy_a_credit_below_zero_a_correction_is_of_that_class(made):
    rows = made.to_pylist()
    kinds = [(row["ChargeCategory"], row["ChargeClass"]) for row in rows]
    assert kinds[:4] == [("Usage", None)] * 3 + [("Usage", "Correction")]
    assert kinds[4:] == [("Credit", None)] * 3 + [("Credit", "Correction")]
    assert rows[4]["BilledCost"] == -Decimal(charge(1)["voucher_minor"]) / 100
    assert rows[7]["BilledCost"] == Decimal("2.00")
    assert (rows[0]["BillingAccountName"], rows[0]["InvoiceId"]) == ("City University", "00000001")
    assert rows[2]["InvoiceId"] is None
    assert (rows[1]["SubAccountId"], rows[0]["SubAccountId"]) == ("proj_a", None)


def test_what_is_billed_adds_up_to_the_cash_of_the_invoice(made):
    cash = sum(row["cash_minor"] for row in (charge(1), charge(2), correction()))
    billed = sum(row["BilledCost"] for row in made.to_pylist() if row["InvoiceId"] is not None)
    assert billed == Decimal(cash) / 100


def test_a_correction_within_its_own_period_has_no_class():
    (row, _) = focus.rows(
        columns.table([correction() | {"corrects": MONTH.name}]),
        period=MONTH,
        names={},
        invoices={},
    ).to_pylist()
    assert row["ChargeClass"] is None


def spoilt(made: pa.Table, name: str, value: object, *, row: int = 0) -> pa.Table:
    values = made.column(name).to_pylist()
    values[row] = value
    at = made.column_names.index(name)
    return made.set_column(at, name, pa.array(values, made.schema.field(name).type))


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("ServiceName", None, "filled"),
        ("ProviderName", "", "filled"),
        ("ChargeCategory", "Gift", "allowed"),
        ("ChargeClass", "Oops", "allowed"),
        ("BillingCurrency", "XXX", "currency"),
        ("PricingQuantity", None, "filled_when"),
        ("SkuId", None, "filled_when"),
        ("ConsumedUnit", None, "null_with"),
        ("ListUnitPrice", Decimal(-1), "not_below_zero"),
        ("ContractedCost", Decimal(99), "product"),
    ],
)
def test_each_kind_of_fault_in_a_table_is_found_with_its_section(made, column, value, kind):
    found = check(spoilt(made, column, value))
    mine = [each for each in found if each.where == column]
    assert f"compute.focus_{kind}" in {each.code for each in mine}
    assert all(dict(each.params)["section"].startswith("specification/") for each in found)
    assert mine[0].message("zh") != mine[0].message("en")


def test_credits_that_differ_times_that_go_back_and_missing_columns_are_found(made):
    assert [each.code for each in check(spoilt(made, "EffectiveCost", Decimal(5), row=4))] == [
        "compute.focus_equals_billed"
    ]
    assert [each.code for each in check(spoilt(made, "ConsumedQuantity", Decimal(5), row=4))] == [
        "compute.focus_null_when",
        "compute.focus_null_with",
    ]
    started = made.column("ChargePeriodStart").to_pylist()[0]
    assert "compute.focus_after" in {
        each.code for each in check(spoilt(made, "ChargePeriodEnd", started))
    }
    assert check(made.drop_columns(["BilledCost"]))[0].code == "compute.focus_present"
    renamed = made.rename_columns(["billed" if n == "RegionId" else n for n in made.column_names])
    assert check(renamed)[0].code == "compute.focus_name"
    as_text = made.set_column(0, "BilledCost", made.column("ChargeDescription"))
    assert check(as_text)[0].code == "compute.focus_decimal"
    assert check(made.slice(0, 0)) == []


def test_every_rule_names_a_section_and_a_column():
    assert len({(rule.column, rule.kind) for rule in RULES}) == len(RULES)
    assert {rule.section for rule in RULES} >= {
        "specification/columns/provider.md",
        "specification/columns/billedcost.md",
    }


def test_the_files_hold_what_the_table_holds(made):
    again = parquet.read_table(io.BytesIO(writing.parquet(made)))
    assert again.equals(made)
    body = writing.csv(made)
    rows = csv_files.read_csv(io.BytesIO(body)).to_pylist()
    assert len(rows) == made.num_rows
    first = body.split(b"\n")[1].decode()
    assert "2026-11-01T00:00:00Z" in first
    assert sum(Decimal(str(row["BilledCost"])) for row in rows) == sum(
        made.column("BilledCost").to_pylist()
    )


def test_a_spreadsheet_gets_major_units_and_no_formula():
    lines = columns.table([charge(1, project="=cmd()")]).select(list(documents.LINE)).to_pylist()
    said = documents.as_csv(lines, "CNY").decode("utf-8-sig")
    assert "'=cmd()" in said
    assert ",36.00," in said
    assert "1800.003" in said


@pytest.mark.parametrize(
    ("given", "idle"),
    [
        (None, 0),
        (0, 3_000),
        (5, 2_985),
        (9, 2_973),
        (10, 0),
        (500, 0),
    ],
)
def test_devices_that_are_known_not_to_be_used_are_idle_and_what_is_unknown_is_not(given, idle):
    assert idle_ms(device_ms=3_000, utilisation_per_thousand=given) == idle


def test_what_nobody_told_anything_of_is_unknown_in_the_sums_and_empty_in_the_export():
    assert unwatched_ms(device_ms=9, utilisation_per_thousand=None) == 9
    assert unwatched_ms(device_ms=9, utilisation_per_thousand=0) == 0
    given = [charge(1, unwatched_ms=1_800_003, idle_ms=0), charge(2), charge(3, idle_ms=7)]
    table = columns.table(given)
    [line] = columns.usage(table, "organisation")
    assert (line.unwatched_ms, line.idle_ms) == (1_800_003, sum(one["idle_ms"] for one in given))
    made = focus.rows(table, period=MONTH, names={}, invoices={})
    assert made.column("x_IdleMilliseconds").to_pylist()[:3] == [None, charge(2)["idle_ms"], 7]
    assert check(made) == []


def test_concentration_is_ten_thousand_for_one_and_less_for_many():
    assert concentration({"a": 5}, "provider").hhi == 10_000
    assert concentration({}, "provider").hhi == 0
    even = concentration({str(number): 7 for number in range(4)}, "provider")
    assert (even.hhi, even.shares[0][2]) == (2_500, 2_500)
    assert concentration({"big": 3, "small": 1, "none": 0}, "chip").shares == (
        ("big", 3, 7_500),
        ("small", 1, 2_500),
    )
