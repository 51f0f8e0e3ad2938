"""Closing periods: borders, twice, in between a crash, several currencies, nothing at all."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compute_budget import Scripted
from test_compute_statements_service import billed, close, handed_in, ran, refused, to_end_of

from yunhe.compute import service as compute
from yunhe.compute.domain import WorkloadSpec
from yunhe.compute.providers.conformance import TRIAL
from yunhe.compute.service import statements
from yunhe.compute.statements import importing, store
from yunhe.compute.statements.domain import CLOSE_AFTER_US
from yunhe.custody import service as custody
from yunhe.kernel.clock import DAY_US, iso
from yunhe.kernel.errors import Invalid
from yunhe.ledger import service as ledger

JANUARY, FEBRUARY, MARCH = (statements.period(f"2026-0{month}") for month in (1, 2, 3))
LAST_US = 32_503_680_000 * 1_000_000 - 1
"""The last microsecond before the year 3000."""


def at(city, at_us: int) -> None:
    city.clock.advance(seconds=0)
    city.clock._now_us = at_us


def issued(city, **asked) -> list[statements.Document]:
    with city.storage.database.read() as tx:
        return statements.documents(tx, **asked)


def kinds_in_custody(city) -> list[str]:
    with city.storage.database.read() as tx:
        documents = statements.documents(tx)
        return [custody.record(tx, each.reference).kind for each in documents]


@given(st.integers(statements.period("2000-01").since_us, LAST_US))
@settings(max_examples=100, deadline=None)
def test_every_instant_is_in_the_one_month_its_utc_date_says(at_us):
    found = statements.period_at(at_us)
    assert found.since_us <= at_us < found.until_us
    assert statements.period(found.name) == found
    assert statements.period_at(found.until_us - 1) == found
    moment = datetime.fromtimestamp(at_us // 1_000_000, UTC)
    assert found.name == f"{moment.year}-{moment.month:02}"
    if found.name != "2999-12":
        assert statements.period_at(found.until_us).since_us == found.until_us


@pytest.mark.parametrize(
    "name",
    ["", "2026", "2026-00", "2026-13", "2026-1", "1999-12", "3000-01", "2026-11-01", "2026/11",
     " 2026-11", "2026-11\n", "2０２６-11", "2٠٢٦-11", "２026-11", "-2026-11", "now", "2026-1١"],
)  # fmt: skip
def test_a_month_has_one_name_and_anything_else_is_refused(name):
    with pytest.raises(Invalid) as caught:
        statements.period(name)
    assert caught.value.code == "compute.period_invalid"


def test_what_ends_in_the_last_microsecond_is_of_the_old_month_and_in_the_next_of_the_new(city):
    at(city, JANUARY.until_us - 1)
    old = ran(city, "old")
    at(city, JANUARY.until_us)
    new = ran(city, "new")
    at(city, FEBRUARY.until_us + CLOSE_AFTER_US)
    lines = {}
    for month in (JANUARY, FEBRUARY):
        invoice, payable = close(city, month)
        for each in (invoice, payable):
            said = statements.content(city.storage, each)["lines"]
            lines.setdefault(month.name, set()).update(line["id"] for line in said)
    assert lines == {"2026-01": {old.id}, "2026-02": {new.id}}


def test_a_month_opens_for_closing_an_hour_after_its_end_to_the_microsecond(city):
    ran(city, "a")
    at(city, JANUARY.until_us + CLOSE_AFTER_US - 1)
    with refused("compute.period_running"):
        close(city)
    at(city, JANUARY.until_us + CLOSE_AFTER_US)
    assert len(close(city)) == 2


def test_closing_at_once_from_many_sides_issues_each_document_once(city):
    ran(city, "a")
    to_end_of(city, JANUARY)
    found: list[list[statements.Document]] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        found.append(close(city))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(each == found[0] for each in found)
    assert [(each.kind, each.number) for each in issued(city)] == [("invoice", 1), ("payable", 1)]


@pytest.mark.parametrize("breaks_at", [1, 2])
def test_a_crash_while_documents_are_issued_leaves_no_gap_no_half_and_no_record(
    city, monkeypatch, breaks_at
):
    ran(city, "a")
    to_end_of(city, JANUARY)
    made = []
    real = store.add_document

    def crash(tx, document) -> None:
        real(tx, document)
        made.append(document)
        if len(made) == breaks_at:
            raise RuntimeError("power cut")

    monkeypatch.setattr(store, "add_document", crash)
    with pytest.raises(RuntimeError, match="power cut"):
        close(city)
    assert issued(city) == []
    with city.storage.database.read() as tx:
        assert not store.closed(tx, JANUARY.name)
        for document in made:
            assert custody.reference(tx, f"compute.{document.kind}", document.id) is None
    monkeypatch.setattr(store, "add_document", real)
    assert [(each.kind, each.number) for each in close(city)] == [("invoice", 1), ("payable", 1)]
    assert kinds_in_custody(city) == ["compute.invoice", "compute.payable"]


def test_what_ends_after_a_month_was_closed_is_of_its_own_month_and_changes_nothing(city):
    ran(city, "a")
    to_end_of(city, JANUARY)
    first = close(city)
    body = city.storage.blobs.read(first[0].digest)
    ran(city, "late")
    assert close(city) == first
    assert city.storage.blobs.read(first[0].digest) == body
    with city.storage.database.read() as tx:
        (line,) = statements.usage(tx, period=JANUARY)
        assert line.charges == first[0].lines
        (later,) = statements.usage(tx, period=FEBRUARY)
    assert later.charges == 1


def test_a_month_without_any_use_is_closed_with_nothing_and_uses_no_number(city):
    to_end_of(city, FEBRUARY)
    assert close(city, JANUARY) == []
    assert close(city, FEBRUARY) == []
    ran(city, "a")
    to_end_of(city, MARCH)
    assert [each.number for each in close(city, MARCH)] == [1, 1]
    with city.storage.database.read() as tx:
        rows = statements.export(tx, period=JANUARY)
        assert statements.usage(tx, period=JANUARY) == []
        assert statements.concentration(tx, period=JANUARY).hhi == 0
    assert (rows.num_rows, statements.focus_check(rows)) == (0, [])


def test_a_month_in_which_only_corrections_were_made_is_closed_before_the_next(city):
    job = ran(city, "a")
    to_end_of(city, JANUARY)
    close(city)
    statements.correct(
        city.storage,
        key="k",
        workload=job.id,
        device_ms=0,
        reason="node broke",
        corrected_by=city.operator,
    )
    to_end_of(city, MARCH)
    with refused("compute.period_order"):
        close(city, MARCH)
    assert [each.number for each in close(city, FEBRUARY)] == [2, 2]
    assert close(city, MARCH) == []


def priced(city, *, chip: str, price: int, currency: str) -> None:
    """A pool of a chip of its own, with device time and money for it."""
    compute.register_pool(
        city.storage,
        key=chip,
        provider=city.provider,
        site="east",
        chip=chip,
        devices=2,
        price_minor_per_device_hour=price,
        currency=currency,
        adapter=compute.DEMONSTRATION,
    )
    now_us = city.clock.now_us()
    compute.award(
        city.storage,
        key=chip,
        organisation=city.university,
        chip=chip,
        device_ms=10**9,
        expires_at_us=now_us + 300 * DAY_US,
        awarded_by=city.operator,
    )
    with city.storage.database.begin() as tx:
        account = ledger.open_account(tx, owner=city.university, unit=currency, purpose="cash")
        ledger.grant(tx, key=f"cash {chip}", account=account, amount=10**6, at_us=now_us)


def test_each_currency_has_documents_of_its_own_and_nothing_is_added_across(city):
    priced(city, chip="ascend910b", price=500, currency="JPY")
    priced(city, chip="v100", price=700, currency="USD")
    usages = {chip: ran(city, chip, chip=chip).usage for chip in ("ascend910b", "v100", "cpu")}
    to_end_of(city, JANUARY)
    documents = close(city)
    invoices = [each for each in documents if each.kind == "invoice"]
    assert [(each.currency, each.number) for each in reversed(invoices)] == [
        ("CNY", 1),
        ("JPY", 2),
        ("USD", 3),
    ]
    for each in documents:
        (usage,) = [one for one in usages.values() if one.currency == each.currency]
        assert (each.lines, each.cost_minor, each.cash_minor) == (
            1,
            usage.cost_minor,
            usage.cash_minor,
        )
        if each.currency != "CNY":
            assert city.balance(city.provider, each.currency, "cash")[0] == each.cash_minor
    with city.storage.database.read() as tx:
        rows = statements.export(tx, period=JANUARY)
        lines = statements.usage(tx, period=JANUARY)
        told = statements.invoiced(tx)
    assert statements.focus_check(rows) == []
    assert sorted(line.currency for line in lines) == ["CNY", "JPY", "USD"]
    assert [unit for unit, *_ in told] == ["CNY", "JPY", "USD"]
    numbers = {(row["BillingCurrency"], row["InvoiceId"]) for row in rows.to_pylist()}
    assert numbers == {("CNY", "00000001"), ("JPY", "00000002"), ("USD", "00000003")}


def test_what_costs_nothing_is_still_invoiced_matched_and_given_back(city):
    priced(city, chip="ascend910b", price=0, currency="CNY")
    job = ran(city, "free", chip="ascend910b")
    assert (job.usage.cost_minor, job.usage.device_ms) == (0, 30_000)
    to_end_of(city, JANUARY)
    invoice, _ = close(city)
    assert (invoice.lines, invoice.cost_minor, invoice.device_ms) == (1, 0, 30_000)
    with city.storage.database.read() as tx:
        rows = statements.export(tx, period=JANUARY)
    assert statements.focus_check(rows) == []
    assert [row["ChargeCategory"] for row in rows.to_pylist()] == ["Usage"]
    made = statements.correct(
        city.storage,
        key="k",
        workload=job.id,
        device_ms=10_000,
        reason="half of it",
        corrected_by=city.operator,
    )
    assert (made.device_ms, made.cost_minor, made.cash_minor) == (-20_000, 0, 0)
    city.assert_books_are_right()


def test_a_provider_that_uses_its_own_devices_is_invoiced_and_owed_the_same(city):
    now_us = city.clock.now_us()
    compute.award(
        city.storage,
        key="own",
        organisation=city.provider,
        chip="cpu",
        device_ms=10**6,
        expires_at_us=now_us + 300 * DAY_US,
        awarded_by=city.operator,
    )
    with city.storage.database.begin() as tx:
        account = ledger.open_account(tx, owner=city.provider, unit="CNY", purpose="cash")
        ledger.grant(tx, key="own", account=account, amount=10**5, at_us=now_us)
    made = compute.submit(
        city.storage,
        WorkloadSpec(
            key="own",
            organisation=city.provider,
            entry_point=TRIAL,
            arguments={"action": "copy", "word": "done"},
            inputs={},
            chip="cpu",
            devices=1,
            wall_seconds_max=100,
            cpu_seconds_max=60,
            memory_bytes_max=1 << 30,
        ),
    )
    compute.run_next(city.storage, Scripted("succeeded", 30_000))
    assert city.see(made).state == "settled"
    assert city.balance(city.provider, "CNY", "cash") == (10**5, 0)
    to_end_of(city, JANUARY)
    invoice, payable = close(city)
    assert invoice.party == payable.party == city.provider
    assert invoice.cash_minor == payable.cash_minor == city.see(made).usage.cash_minor
    handed = handed_in(city, billed(city))
    assert statements.matched(city.storage, handed.id).mismatches == ()
    back = statements.correct(
        city.storage,
        key="k",
        workload=made.id,
        device_ms=0,
        reason="own devices",
        corrected_by=city.operator,
    )
    assert back.cash_minor == -invoice.cash_minor
    assert city.balance(city.provider, "CNY", "cash") == (10**5, 0)
    assert city.balance(city.provider, "device:cpu", "award") == (10**6, 0)
    city.assert_books_are_right()
    line = {
        "workload": back.id,
        "device_seconds": "-30",
        "price_per_device_hour": "36.00",
        "currency": "CNY",
        "amount": "-0.30",
        "ended_at": iso(back.at_us),
    }
    handed = handed_in(city, importing.written([line]), FEBRUARY)
    assert statements.matched(city.storage, handed.id).mismatches == ()


def test_documents_are_one_for_each_party_and_page_after_page_without_one_twice(city):
    for month in (JANUARY, FEBRUARY, MARCH):
        ran(city, month.name)
        to_end_of(city, month)
        close(city, month)
    whole = issued(city)
    assert [each.number for each in whole] == [3, 2, 1, 3, 2, 1]
    seen: list[statements.Document] = []
    before = None
    while found := issued(city, before=before, limit=1):
        seen += found
        before = (found[0].kind, found[0].number)
    assert seen == whole
    assert issued(city, party=city.university, kind="payable") == []
    assert [each.period for each in issued(city, period="2026-02")] == ["2026-02"] * 2
    assert len({each.id for each in whole}) == len({each.reference for each in whole}) == 6
