"""The three-way match: one fault gives one finding, named by its cause; agreement gives none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statement_rows import MIDDLE, MONTH, NEXT, Three, charge, line, payments

from yunhe.compute.scheduling.cost import cost
from yunhe.compute.statements import charges as columns
from yunhe.compute.statements.matching import Prices

LINE_FAULTS = {
    "wrong_provider": {"provider": "org_other"},
    "wrong_pool": {"pool": "pool_other"},
    "wrong_currency": {"currency": "USD"},
    "outside_period": {"ended_us": NEXT.since_us},
    "rounding": {"amount_minor": charge(2)["cost_minor"] - 1},
    "amount": {"amount_minor": charge(2)["cost_minor"] + 500},
    "voucher": {"voucher_minor": charge(2)["voucher_minor"] - 1},
    "voucher_share": {"voucher_minor": charge(2)["cost_minor"]},
    "quantity": {
        "device_ms": charge(2)["device_ms"] + 60_000,
        "amount_minor": cost(charge(2)["device_ms"] + 60_000, price_minor_per_device_hour=3_600),
    },
    "price": {
        "price_minor_per_device_hour": 4_000,
        "amount_minor": cost(charge(2)["device_ms"], price_minor_per_device_hour=4_000),
    },
}


def test_what_agrees_three_ways_gives_no_finding():
    found = Three.agreeing().match()
    assert found.mismatches == ()
    assert (found.charges, found.agreed, found.lines) == (5, 5, 5)


@pytest.mark.parametrize("kind", LINE_FAULTS)
def test_each_fault_of_a_line_is_one_finding_of_its_kind(kind):
    three = Three.agreeing()
    three.lines[2] |= LINE_FAULTS[kind]
    assert three.kinds() == [(kind, "workload_2")]
    (found,) = three.match().mismatches
    assert (found.where, found.side) == ("4", "statement")
    for language in ("en", "zh"):
        assert "workload_2" in found.message(language)
        assert found.do(language)


def test_a_finding_says_what_was_expected_and_what_was_found():
    three = Three.agreeing()
    three.lines[2]["amount_minor"] += 500
    (found,) = three.match().mismatches
    assert (found.expected, found.found - found.expected) == (charge(2)["cost_minor"], 500)


def test_a_line_nobody_knows_and_a_charge_nobody_bills_are_told():
    three = Three.agreeing()
    three.lines[2]["workload"] = "workload_x"
    assert three.kinds() == [("unknown_job", "workload_x"), ("not_billed", "workload_2")]


def test_what_is_billed_twice_is_told_of_the_later_line_only():
    three = Three.agreeing()
    three.lines.append(three.lines[1] | {"line": 9, "amount_minor": 7})
    (found,) = three.match().mismatches
    assert (found.kind, found.where, found.found) == ("billed_twice", "9", 7)


@pytest.mark.parametrize(
    ("outcome", "kind"), [("cancelled", "after_cancellation"), ("failed", "not_billable")]
)
def test_what_never_ran_is_not_billed(outcome, kind):
    three = Three.agreeing()
    never = charge(7, outcome=outcome, billable=False, device_ms=0, cost_minor=0)
    three.charges.append(never | {"voucher_minor": 0, "cash_minor": 0})
    assert three.kinds() == []
    three.lines.append(line(never, 9) | {"amount_minor": 100})
    assert three.kinds() == [(kind, "workload_7")]


def test_a_job_that_was_cancelled_while_it_ran_is_billed_to_that_moment():
    three = Three.agreeing()
    three.charges[2]["outcome"] = "cancelled"
    assert three.kinds() == []
    three.lines[2] |= LINE_FAULTS["quantity"]
    assert three.kinds() == [("after_cancellation", "workload_2")]


def test_a_provider_without_a_statement_is_not_missed():
    three = Three.agreeing()
    three.charges.append(charge(8, provider="org_silent"))
    three.ledger += payments(three.charges[-1])
    assert three.kinds() == []
    three.providers = ("org_centre", "org_silent")
    assert three.kinds() == [("not_billed", "workload_8")]


def test_the_ledger_is_held_to_the_job_log():
    three = Three.agreeing(8)
    rows = {row["charge"] + row["purpose"]: row for row in three.ledger}
    rows["workload_1delivered"]["amount"] += 1
    rows["workload_2voucher"]["amount"] -= 1
    rows["workload_3cash"]["amount"] += 1
    rows["workload_4cash"]["provider"] = "org_other"
    rows["workload_5voucher"]["unit"] = "voucher:USD"
    three.ledger = [row for row in three.ledger if row["charge"] != "workload_0"]
    three.ledger.append(rows["workload_6cash"] | {"transfer": "transfer_again"})
    three.ledger.append(rows["workload_7cash"] | {"charge": "workload_nobody"})
    assert sorted(three.kinds()) == [
        ("captured_amount", "workload_3"),
        ("captured_elsewhere", "workload_4"),
        ("captured_elsewhere", "workload_5"),
        ("captured_quantity", "workload_1"),
        ("captured_twice", "workload_6"),
        ("captured_unknown", "workload_nobody"),
        ("captured_voucher", "workload_2"),
        ("not_captured", "workload_0"),
    ]


def test_a_voucher_that_paid_what_cash_should_have_is_one_finding():
    three = Three.agreeing()
    rows = {row["charge"] + row["purpose"]: row for row in three.ledger}
    rows["workload_1voucher"]["amount"] += 5
    rows["workload_1cash"]["amount"] -= 5
    assert three.kinds() == [("captured_voucher", "workload_1")]


def test_payments_for_what_is_never_paid_and_payments_of_another_month_are_told():
    three = Three.agreeing()
    never = charge(7, outcome="cancelled", billable=False)
    three.charges.append(never)
    three.ledger.append(payments(never)[2])
    three.ledger[0]["at_us"] = NEXT.since_us
    assert three.kinds() == [
        ("captured_unbillable", "workload_7"),
        ("captured_late", "workload_0"),
    ]


def test_the_job_log_is_held_to_itself_and_to_the_price_lists():
    three = Three.agreeing(4)
    three.charges[1]["cash_minor"] += 3
    assert ("metered_split", "workload_1") in three.kinds()
    three = Three.agreeing(4)
    three.charges[1] |= {"cost_minor": charge(1)["cost_minor"] + 9}
    assert ("metered_cost", "workload_1") in three.kinds()
    three = Three.agreeing(4)
    three.charges[1] |= {"voucher_minor": charge(1)["cash_minor"]}
    three.charges[1] |= {"cash_minor": charge(1)["voucher_minor"]}
    assert ("metered_share", "workload_1") in three.kinds()


def prices(*rows: tuple[str, int, int]) -> Prices:
    return Prices(
        tuple(row[0] for row in rows),
        np.asarray([row[1] for row in rows], np.int64),
        np.asarray([row[2] for row in rows], np.int64),
    )


def test_the_price_in_force_when_a_job_was_placed_is_the_one_that_counts():
    three = Three.agreeing(2)
    at_us = three.charges[0]["priced_us"]
    assert three.kinds(prices=prices(("pool_one", 0, 3_600), ("pool_one", at_us + 10**9, 9))) == []
    assert three.kinds(prices=prices(("pool_other", 0, 1))) == []
    late = prices(("pool_zero", 0, 5), ("pool_one", at_us - 10**9, 3_500), ("pool_one", 0, 3_600))
    assert three.kinds(prices=late) == [
        ("metered_price", "workload_0"),
        ("metered_price", "workload_1"),
    ]
    assert three.kinds(prices=prices(("pool_one", at_us + 10**9, 9))) == []


@pytest.mark.parametrize("gone", ["charges", "ledger", "lines"])
def test_an_empty_table_is_no_fault_of_the_matcher(gone):
    three = Three.agreeing(2)
    setattr(three, gone, [])
    kinds = {kind for kind, _ in three.kinds()}
    assert kinds <= {"unknown_job", "captured_unknown", "not_captured", "not_billed"}
    assert kinds
    assert Three().kinds() == []


def test_a_correction_is_matched_like_a_charge_of_its_own():
    three = Three.agreeing(1)
    given = charge(0, id="correction_1", kind="correction", corrects="2026-10", device_ms=-360_000)
    given |= {"cost_minor": -1_080, "voucher_minor": -216, "cash_minor": -864}
    three.charges.append(given)
    three.ledger += payments(given)
    three.lines.append(line(given, 3))
    assert three.kinds() == []
    three.lines[-1]["amount_minor"] = -1_000
    assert three.kinds() == [("amount", "correction_1")]


@given(
    faults=st.dictionaries(st.integers(0, 59), st.sampled_from(sorted(LINE_FAULTS)), max_size=20)
)
@settings(max_examples=25, deadline=None)
def test_any_mixture_of_faults_is_found_and_nothing_else(faults):
    three = Three.agreeing(60)
    for at, kind in faults.items():
        of, change = three.charges[at], dict(LINE_FAULTS[kind])
        off = change.get("amount_minor", 0) - charge(2)["cost_minor"]
        if kind in ("quantity", "price"):
            used = of["device_ms"] + (60_000 if kind == "quantity" else 0)
            price = change.get("price_minor_per_device_hour", 3_600)
            change |= {"device_ms": used}
            change["amount_minor"] = cost(used, price_minor_per_device_hour=price)
        elif "amount_minor" in change:
            change["amount_minor"] = of["cost_minor"] + off
        if kind == "voucher":
            change["voucher_minor"] = of["voucher_minor"] - 1
        if kind == "voucher_share":
            change["voucher_minor"] = of["cost_minor"]
        three.lines[at] |= change
    wanted = sorted((kind, f"workload_{at}") for at, kind in faults.items())
    assert sorted(three.kinds()) == wanted
    assert three.match().agreed == 60 - len(faults)


@given(
    st.lists(
        st.tuples(st.integers(-(2**40), 2**40), st.integers(0, 10**12)), min_size=1, max_size=20
    )
)
@settings(max_examples=50, deadline=None)
def test_costs_of_columns_are_those_of_the_scheduler_however_large(rows):
    device_ms = np.asarray([row[0] for row in rows], np.int64)
    price = np.asarray([row[1] for row in rows], np.int64)
    wanted = [min(cost(a, price_minor_per_device_hour=b), 2**62) for a, b in rows]
    assert columns.costs(device_ms, price).tolist() == wanted


def test_usage_is_added_up_by_group_and_by_day():
    rows = [charge(0), charge(1, organisation="org_b"), charge(2, ended_us=MIDDLE - 86_400_000_000)]
    found = columns.within(columns.table(rows), MONTH)
    by = columns.usage(found, "organisation")
    assert [(each.group, each.charges) for each in by] == [("org_user", 2), ("org_b", 1)]
    assert sum(each.cost_minor for each in by) == sum(row["cost_minor"] for row in rows)
    days = columns.usage(found, "day")
    assert [each.group for each in days] == ["2026-11-15", "2026-11-16"]
