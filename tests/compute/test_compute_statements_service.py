"""From real workloads to invoices, statements, corrections and the match, on a real database."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from test_compute_budget import Scripted

from yunhe.compute import service as compute
from yunhe.compute.service import statements
from yunhe.compute.statements import importing
from yunhe.compute.statements.domain import CLOSE_AFTER_US
from yunhe.custody import service as custody
from yunhe.identity import service as identity
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Invalid, NotAllowed, NotFound, YunheError
from yunhe.ledger import service as ledger
from yunhe.reports.invoice import hours, render_invoice

JANUARY, FEBRUARY = statements.period("2026-01"), statements.period("2026-02")


@contextmanager
def refused(code: str):
    """The body raises an error of ours with this code."""
    with pytest.raises(YunheError) as caught:
        yield
    assert caught.value.code == code


def ran(city, key: str, *, wall_ms: int = 30_000, verdict: str = "succeeded", **over):
    """A workload that ran to its end as told."""
    made = city.submit(key, **over)
    compute.run_next(city.storage, Scripted(verdict, wall_ms))
    return city.see(made)


def to_end_of(city, period) -> None:
    wait_us = period.until_us + CLOSE_AFTER_US - city.clock.now_us()
    city.clock.advance(seconds=wait_us / 1_000_000)


def close(city, period=JANUARY):
    return statements.close(city.storage, period=period, closed_by=city.operator)


@pytest.fixture
def used(city):
    """Three workloads of January that were paid, one that failed by itself, one never ran."""
    for key in ("a", "b"):
        ran(city, key)
    ran(city, "c", wall_ms=7_001, devices=2)
    ran(city, "d", verdict="failed")
    compute.cancel(city.storage, city.submit("e").id)
    return city


def billed(city, period=JANUARY, **over: str) -> bytes:
    """What an honest provider hands in; ``over`` spoils the first line."""
    lines = []
    with city.storage.database.read() as tx:
        pools = {status.pool.id: status.pool for status in compute.pools(tx)}
        for each in compute.workloads(tx):
            if each.usage is not None and each.pool is not None:
                price = pools[each.pool].price_minor_per_device_hour
                lines.append(
                    {
                        "workload": each.id,
                        "device_seconds": str(each.usage.device_ms / 1_000),
                        "price_per_device_hour": f"{price // 100}.{price % 100:02}",
                        "currency": "CNY",
                        "amount": f"{each.usage.cost_minor / 100:.2f}",
                        "voucher": f"{each.usage.voucher_minor / 100:.2f}",
                        "ended_at": iso(period.since_us),
                    }
                )
    lines[0] |= over
    return importing.written(lines)


def handed_in(city, body: bytes, period=JANUARY):
    return statements.receive(
        city.storage,
        provider=city.provider,
        period=period,
        body=body,
        form="csv",
        received_by=city.operator,
    )


def test_usage_shows_what_ended_and_what_it_cost(used):
    with used.storage.database.read() as tx:
        (line,) = statements.usage(tx, period=JANUARY)
        by_project = statements.usage(tx, period=JANUARY, by="project", projects=["proj_x"])
        mine = [each.usage for each in compute.workloads(tx) if each.usage]
    assert (line.group, line.charges) == (used.university, 4)
    assert line.cost_minor == sum(each.cost_minor for each in mine)
    assert line.voucher_minor + line.cash_minor == line.cost_minor
    # The scripted provider meters no processor time: nobody knows whether anything idled.
    assert (line.idle_ms, line.unwatched_ms) == (0, line.device_ms)
    assert by_project == []


def test_closing_a_period_issues_documents_that_equal_the_ledger_to_the_minor_unit(used):
    to_end_of(used, JANUARY)
    invoice, payable = close(used)
    assert (invoice.kind, invoice.party, invoice.number) == ("invoice", used.university, 1)
    assert (payable.kind, payable.party, payable.number) == ("payable", used.provider, 1)
    for each in (invoice, payable):
        assert used.balance(used.provider, "CNY", "cash")[0] == each.cash_minor
        assert used.balance(used.provider, "voucher:CNY", "voucher")[0] == each.voucher_minor
        assert used.balance(used.provider, "device:cpu", "delivered")[0] == each.device_ms
        assert each.cash_minor + each.voucher_minor == each.cost_minor
        whole = statements.content(used.storage, each)
        assert len(whole["lines"]) == each.lines == 4
        assert sum(line["cost_minor"] for line in whole["lines"]) == each.cost_minor
        with used.storage.database.read() as tx:
            record = custody.record(tx, each.reference)
        assert (record.kind, record.body["digest"]) == (f"compute.{each.kind}", each.digest)
    assert statements.document_parties(whole) == sorted([used.university, used.provider])
    said = statements.document_csv(whole).split(b"\r\n", 1)[1]
    assert said.count(b"workload_") == 8


def test_a_period_is_closed_once_after_its_end_in_order_by_the_operator(used):
    with refused("compute.period_running"):
        close(used)
    to_end_of(used, FEBRUARY)
    ran(used, "march")
    with refused("compute.period_order"):
        close(used, FEBRUARY)
    first = close(used)
    assert close(used) == first
    assert close(used, FEBRUARY) == []
    with pytest.raises(NotAllowed):
        statements.close(used.storage, period=JANUARY, closed_by="member_nobody")
    with refused("compute.period_invalid"):
        statements.period("2026-13")


def test_numbers_have_no_gaps_over_periods_and_documents_are_paged(used):
    to_end_of(used, JANUARY)
    close(used)
    ran(used, "later")
    to_end_of(used, FEBRUARY)
    close(used, FEBRUARY)
    with used.storage.database.read() as tx:
        every = statements.documents(tx)
        after = statements.documents(tx, before=("invoice", 2), limit=2)
        assert statements.document(tx, every[0].id) == every[0]
        with refused("compute.document_unknown"):
            statements.document(tx, "document_none")
    assert [(each.kind, each.number) for each in every] == [
        ("invoice", 2),
        ("invoice", 1),
        ("payable", 2),
        ("payable", 1),
    ]
    assert after == every[1:3]


def test_an_honest_statement_agrees_and_the_same_file_is_one_statement(used):
    body = billed(used)
    made = handed_in(used, body)
    assert handed_in(used, body) == made
    found = statements.matched(used.storage, made.id)
    assert found.mismatches == ()
    assert (found.agreed, found.lines) == (4, 4)
    with used.storage.database.read() as tx:
        assert statements.statements(tx, provider=used.provider) == [made]
        assert statements.statements(tx, provider=used.university) == []


def test_a_statement_that_asks_too_much_is_found_out(used):
    made = handed_in(used, billed(used, amount="99.00"))
    (found,) = statements.matched(used.storage, made.id).mismatches
    assert (found.kind, found.found) == ("amount", 9_900)
    with refused("compute.statement_unknown"):
        statements.matched(used.storage, "statement_none")
    with pytest.raises(Invalid):
        handed_in(used, billed(used, amount="much"))


def test_a_line_of_another_month_is_known_and_told_as_such(used):
    to_end_of(used, JANUARY)
    made = handed_in(used, billed(used, FEBRUARY), FEBRUARY)
    kinds = {each.kind for each in statements.matched(used.storage, made.id).mismatches}
    assert kinds == {"outside_period"}


def test_money_paid_by_hand_for_a_workload_is_seen_in_the_match(used):
    (first, *_) = [each for each in _workloads(used) if each.usage]
    with used.storage.database.begin() as tx:
        account = ledger.open_account(tx, owner=used.provider, unit="CNY", purpose="cash")
        payer = ledger.open_account(tx, owner=used.university, unit="CNY", purpose="cash")
        entry = ledger.Entry(payer, account, 5)
        ledger.transfer(
            tx, key="x", entries=[entry], kind="gift", at_us=used.clock.now_us(), memo=first.id
        )
    made = handed_in(used, billed(used))
    (found,) = statements.matched(used.storage, made.id).mismatches
    assert (found.kind, found.charge) == ("captured_twice", first.id)


def _workloads(city):
    with city.storage.database.read() as tx:
        return compute.workloads(tx)


def correct(city, workload: str, device_ms: int, *, key: str = "k", reason: str = "broken node"):
    return statements.correct(
        city.storage,
        key=key,
        workload=workload,
        device_ms=device_ms,
        reason=reason,
        corrected_by=city.operator,
    )


def test_a_correction_gives_back_award_voucher_and_cash_and_the_books_stay_right(used):
    first = next(each for each in _workloads(used) if each.usage)
    before = {unit: used.balance(used.university, *unit) for unit in _ACCOUNTS}
    to_end_of(used, JANUARY)
    (invoice, _) = close(used)
    made = correct(used, first.id, 0)
    usage = first.usage
    assert (made.device_ms, made.cost_minor) == (-usage.device_ms, -usage.cost_minor)
    assert (made.voucher_minor, made.cash_minor) == (-usage.voucher_minor, -usage.cash_minor)
    for unit, given in zip(
        _ACCOUNTS, (usage.device_ms, usage.voucher_minor, usage.cash_minor), strict=True
    ):
        assert used.balance(used.university, *unit)[0] == before[unit][0] + given
    used.assert_books_are_right()
    with used.storage.database.read() as tx:
        (award,) = compute.awards(tx)
        assert award.used_ms == invoice.device_ms - usage.device_ms
        (voucher,) = compute.vouchers(tx)
        assert voucher.used_minor == invoice.voucher_minor - usage.voucher_minor
        assert statements.corrections(tx, workload=first.id) == [made]
        rows = statements.export(tx, period=FEBRUARY).to_pylist()
    assert {row["ChargeClass"] for row in rows} == {"Correction"}
    assert correct(used, first.id, 0) == made


_ACCOUNTS = (("device:cpu", "award"), ("voucher:CNY", "voucher"), ("CNY", "cash"))


def test_a_correction_is_a_line_of_the_month_it_is_made_in_and_matches(used):
    first = next(each for each in _workloads(used) if each.usage)
    to_end_of(used, JANUARY)
    close(used)
    made = correct(used, first.id, 10_000)
    to_end_of(used, FEBRUARY)
    (invoice, payable) = close(used, FEBRUARY)
    assert invoice.cash_minor == payable.cash_minor == made.cash_minor < 0
    line = {
        "workload": made.id,
        "device_seconds": str(made.device_ms / 1_000),
        "price_per_device_hour": "36.00",
        "currency": "CNY",
        "amount": f"{made.cost_minor / 100:.2f}",
        "voucher": f"{made.voucher_minor / 100:.2f}",
        "ended_at": iso(made.at_us),
    }
    given = handed_in(used, importing.written([line]), FEBRUARY)
    assert statements.matched(used.storage, given.id).mismatches == ()


def test_corrections_only_give_back_and_say_why_they_cannot(used):
    first = next(each for each in _workloads(used) if each.usage)
    with refused("compute.correction_upwards"):
        correct(used, first.id, first.usage.device_ms + 1)
    with refused("compute.correction_nothing"):
        correct(used, first.id, first.usage.device_ms)
    with refused("compute.charge_unknown"):
        correct(used, "workload_none", 0)
    with pytest.raises(Invalid) as caught:
        correct(used, first.id, -1, key="", reason=" ")
    assert len(caught.value.findings) == 3
    correct(used, first.id, 5_000)
    with refused("compute.correction_differs"):
        correct(used, first.id, 0, reason="another")
    twice = correct(used, first.id, 0, key="k2")
    assert twice.device_ms == -5_000
    used.assert_books_are_right()


def test_a_provider_that_spent_the_money_is_said_to_and_nothing_is_half_done(used):
    first = next(each for each in _workloads(used) if each.usage)
    with used.storage.database.begin() as tx:
        mine = ledger.open_account(tx, owner=used.provider, unit="CNY", purpose="cash")
        other = ledger.open_account(tx, owner=used.operator, unit="CNY", purpose="cash")
        whole = ledger.balance(tx, mine).available
        entry = ledger.Entry(mine, other, whole)
        ledger.transfer(tx, key="y", entries=[entry], kind="rent", at_us=used.clock.now_us())
    with refused("ledger.insufficient"):
        correct(used, first.id, 0)
    used.assert_books_are_right()
    with used.storage.database.read() as tx:
        assert statements.corrections(tx) == []


def test_the_focus_export_of_a_period_equals_its_invoice_and_keeps_the_rules(used):
    to_end_of(used, JANUARY)
    invoice, _ = close(used)
    with used.storage.database.read() as tx:
        rows = statements.export(tx, period=JANUARY)
        body = statements.exported(tx, period=JANUARY, organisation=None, form="csv")
        none = statements.export(tx, period=JANUARY, organisation=used.provider)
    assert statements.focus_check(rows) == []
    assert none.num_rows == 0
    billed_minor = sum(row["BilledCost"] for row in rows.to_pylist()) * 100
    assert billed_minor == invoice.cash_minor
    assert {row["InvoiceId"] for row in rows.to_pylist()} == {"00000001"}
    assert body.count(b"\n") == rows.num_rows + 1


def test_concentration_is_that_of_providers_or_of_vendors(used):
    with used.storage.database.read() as tx:
        found = statements.concentration(tx, period=JANUARY)
        vendor = statements.concentration(tx, period=JANUARY, vendors={"cpu": "Zhaoxin"})
        lines = statements.usage(tx, period=JANUARY, by="provider")
    assert (found.hhi, found.shares[0][0]) == (10_000, used.provider)
    assert (vendor.by, vendor.shares[0][0]) == ("vendor", "Zhaoxin")
    assert statements.concentrated(lines) == found


def test_an_invoice_prints_in_both_languages_and_escapes_names(used):
    to_end_of(used, JANUARY)
    invoice, payable = close(used)
    names = {used.university: "<b>大学</b>", used.provider: "Centre"}
    for document in (invoice, payable):
        whole = json.loads(used.storage.blobs.read(document.digest))
        for language, word in (("en", "Cash"), ("zh", "现金")):
            page = render_invoice(whole, digest=document.digest, names=names, language=language)
            assert word in page
            assert "&lt;b&gt;大学" in page
            assert "<script" not in page
            assert document.digest in page
    assert hours(5_400_000) == "1.500"
    assert hours(-1_800) == "-0.001"


def test_figures_for_whoever_watches_are_sums_of_what_was_settled(used):
    to_end_of(used, JANUARY)
    invoice, _ = close(used)
    with used.storage.database.read() as tx:
        assert statements.used_by_chip(tx) == [("cpu", invoice.device_ms)]
        wanted = ("CNY", invoice.voucher_minor, invoice.cash_minor)
        assert statements.invoiced(tx) == [wanted]


def test_only_organisations_that_exist_hand_in_statements(used):
    with pytest.raises(NotFound):
        statements.receive(
            used.storage,
            provider="org_none",
            period=JANUARY,
            body=billed(used),
            form="csv",
            received_by=used.operator,
        )
    with used.storage.database.read() as tx:
        assert identity.organisation(tx, used.provider).id == used.provider
