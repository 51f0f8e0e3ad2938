"""Normalised time of charges: by the card of its day, beside the raw time, never made up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statement_rows import MIDDLE, MONTH, charge
from test_compute_statements_service import FEBRUARY, JANUARY, close, ran, to_end_of

from yunhe.compute.service import statements, supply
from yunhe.compute.statements import charges as columns
from yunhe.compute.statements import documents
from yunhe.compute.statements.focus import rows as focus_rows
from yunhe.compute.statements.focus_checks import check
from yunhe.compute.statements.normalising import class_of, rated
from yunhe.compute.supply.domain import Rate
from yunhe.compute.supply.rating import Ratings
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.clock import DAY_US
from yunhe.reports.invoice import render_invoice


def published(city, key: str, *rates: Rate, reference: str = "v100"):
    return supply.publish(
        city.storage,
        key=key,
        reference=reference,
        rates=rates,
        provenance="a trial",
        by=city.operator,
    )


def used_in(city, period=JANUARY, by="organisation"):
    with city.storage.database.read() as tx:
        return statements.usage(tx, period=period, by=by)


def normalised(line):
    return [
        (each.reference, each.versions, each.normalised_ms, each.device_ms, each.disputed_ms)
        for each in line.normalised
    ]


def test_work_is_normalised_by_its_class_and_time_without_a_rate_is_counted_apart(city):
    ran(city, "before", wall_ms=10_000)
    city.clock.advance(seconds=60)
    published(city, "one", Rate("cpu", "training", 500), Rate("cpu", "batch.small", 20))
    ran(city, "trained", wall_ms=20_000, kind="training")
    ran(city, "finer", wall_ms=1_000, kind="training", workload_class="training.resnet50")
    ran(city, "small", wall_ms=3_000, workload_class="batch.small")
    ran(city, "batch", wall_ms=5_000)
    (line,) = used_in(city)
    assert normalised(line) == [("v100", (1,), 10_000 + 500 + 60, 24_000, 0)]
    assert (line.device_ms, line.unrated_ms, line.chips) == (39_000, 15_000, ("cpu",))


def test_a_closed_invoice_keeps_the_card_and_the_marks_that_it_was_issued_with(city):
    card = published(city, "one", Rate("cpu", "batch", 500))
    ran(city, "a", wall_ms=20_000)
    supply.dispute(
        city.storage,
        key="d",
        card=card.id,
        chip="cpu",
        workload_class="batch",
        organisation=city.university,
        reason="measured twice as fast",
        by=city.operator,
    )
    assert normalised(used_in(city)[0]) == [("v100", (1,), 10_000, 20_000, 20_000)]
    to_end_of(city, JANUARY)
    issued = close(city)
    whole = [canonical_bytes(statements.content(city.storage, each)) for each in issued]
    published(city, "two", Rate("cpu", "batch", 900), reference="h200")
    ran(city, "b", wall_ms=20_000)
    again = close(city)
    assert again == issued
    assert [canonical_bytes(statements.content(city.storage, each)) for each in again] == whole
    assert normalised(issued[0]) == [("v100", (1,), 10_000, 20_000, 20_000)]
    (line,) = statements.content(city.storage, issued[0])["lines"]
    assert (line["rate_version"], line["rate_per_thousand"], line["rate_disputed"]) == (
        1,
        500,
        True,
    )
    assert (line["normalised_ms"], line["workload_class"]) == (10_000, "batch")
    assert normalised(used_in(city)[0]) == [("v100", (1,), 10_000, 20_000, 20_000)]
    assert normalised(used_in(city, FEBRUARY)[0]) == [("h200", (2,), 18_000, 20_000, 0)]


def test_a_correction_takes_back_normalised_time_at_the_rate_of_what_it_corrects(city):
    published(city, "one", Rate("cpu", "batch", 500))
    job = ran(city, "a", wall_ms=20_000)
    city.clock.advance(seconds=60)
    published(city, "two", Rate("cpu", "batch", 900))
    statements.correct(
        city.storage,
        key="c",
        workload=job.id,
        device_ms=0,
        reason="node broke",
        corrected_by=city.operator,
    )
    (line,) = used_in(city)
    assert normalised(line) == [("v100", (1,), 0, 0, 0)]


def test_versions_with_different_references_are_told_one_by_one_and_never_added():
    charges = columns.table(
        [
            charge(1, rate_reference="v100", rate_version=1, normalised_ms=50, rate_disputed=False),
            charge(2, rate_reference="h200", rate_version=2, normalised_ms=30, rate_disputed=True),
            charge(3, chip="p100"),
        ]
    )
    (line,) = columns.usage(charges, "organisation")
    assert [(each.reference, each.normalised_ms) for each in line.normalised] == [
        ("h200", 30),
        ("v100", 50),
    ]
    assert line.chips == ("a100", "p100")
    assert line.unrated_ms == charge(3)["device_ms"]
    assert line.normalised[0].disputed_ms == charge(2)["device_ms"]


def test_the_page_the_table_and_focus_say_what_the_document_says(city):
    published(city, "one", Rate("cpu", "training", 500))
    ran(city, "a", wall_ms=36_000, kind="training")
    ran(city, "b", wall_ms=36_000)
    to_end_of(city, JANUARY)
    whole = statements.content(city.storage, close(city)[0])
    for language, words in (("en", "0.005 h × v100 (rate card 1)"), ("zh", "0.005 小时 × v100")):
        page = render_invoice(whole, digest="sha256:0", names={}, language=language)
        assert words in page
    header, first, second, _ = statements.document_csv(whole).decode().split("\r\n")
    assert "normalised_seconds" in header
    assert ("18.000" in first, "18.000" in second) == (True, False)
    with city.storage.database.read() as tx:
        rows = statements.export(tx, period=JANUARY)
    assert check(rows) == []
    said = rows.to_pylist()
    assert [str(row["x_NormalisedHours"]) for row in said[:2]] == ["0.005000000000", "None"]
    assert [row["x_RateStanding"] for row in said[:2]] == ["undisputed", None]
    assert {row["x_NormalisedHours"] for row in said if row["ChargeCategory"] == "Credit"} == {None}


def test_documents_of_before_there_were_rates_are_still_shown(city):
    ran(city, "a")
    to_end_of(city, JANUARY)
    whole = dict(statements.content(city.storage, close(city)[0]))
    old = ("normalised_ms", "term", "workload_class", "rate_version")
    whole["lines"] = [{n: v for n, v in line.items() if n not in old} for line in whole["lines"]]
    whole["totals"] = {
        n: v for n, v in whole["totals"].items() if not n.startswith(("norm", "unr"))
    }
    assert statements.document_csv(whole).count(b"\r\n") == 2
    assert "Normalised" not in render_invoice(whole, digest="", names={}, language="en")


@pytest.mark.parametrize("per_thousand", [1, 500, 1_000_000])
def test_a_rate_beyond_what_json_can_hold_is_no_rate(city, per_thousand):
    published(city, "one", Rate("cpu", "batch", per_thousand))
    with city.storage.database.read() as tx:
        said = rated(
            Ratings(tx),
            chip="cpu",
            workload_class="batch",
            device_ms=10**15,
            at_us=city.clock.now_us() + DAY_US,
        )
    assert ("normalised_ms" in said) == (per_thousand == 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**9), st.sampled_from([None, 0, 1, 333, 1_000]))))
def test_sums_are_those_of_the_lines_and_unreported_time_is_never_called_idle(parts):
    rows = [
        charge(at, device_ms=ms, utilisation_per_thousand=used)
        for at, (ms, used) in enumerate(parts)
    ]
    lines = columns.usage(columns.table(rows), "chip")
    assert sum(line.device_ms for line in lines) == sum(ms for ms, _ in parts)
    reported = [(ms, used) for ms, used in parts if used is not None]
    assert sum(line.reported_ms for line in lines) == sum(ms for ms, _ in reported)
    assert sum(line.busy_ms for line in lines) == sum(ms * used // 1_000 for ms, used in reported)


def test_totals_and_lines_of_a_document_agree():
    rows = [
        charge(1, rate_reference="v100", rate_version=1, normalised_ms=7, rate_disputed=False),
        charge(2, rate_reference="v100", rate_version=2, normalised_ms=5, rate_disputed=True),
        charge(3),
    ]
    paper = documents.written(
        columns.table(rows),
        kind="invoice",
        number=1,
        party="org_user",
        period=MONTH,
        currency="CNY",
        issued_at_us=MIDDLE,
    )
    (total,) = paper["totals"]["normalised"]
    assert (
        total["normalised_ms"] == sum(line["normalised_ms"] or 0 for line in paper["lines"]) == 12
    )
    assert total["versions"] == [1, 2]
    assert paper["totals"]["unrated_ms"] == rows[2]["device_ms"]


def test_focus_names_the_terms_as_the_specification_does():
    terms = {"on_demand": "Standard", "reserved": "Standard", "spot": "Dynamic"}
    table = columns.table([charge(at, term=term) for at, term in enumerate(terms)])
    found = focus_rows(table, period=MONTH, names={}, invoices={})
    assert check(found) == []
    usage = [row for row in found.to_pylist() if row["ChargeCategory"] == "Usage"]
    assert [row["PricingCategory"] for row in usage] == list(terms.values())
    assert len({row["SkuPriceId"] for row in usage}) == 3


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("{}", "batch"),
        ('{"kind":"training"}', "training"),
        ('{"kind":"training","workload_class":"training.x"}', "training.x"),
        ('{"arguments":{"kind":"odd"}}', "batch"),
    ],
)
def test_the_class_is_the_one_said_or_the_kind(spec, named):
    assert class_of(spec) == named
