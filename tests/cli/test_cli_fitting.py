"""Tables at 60, 80 and 120 columns, in both languages, with values as long as real ones are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.cli import fitting, pooling, queueing, remote, settling, working
from yunhe.cli.fitting import Fitted, cells, is_figure, narrowest, wrapped
from yunhe.cli.session import Session
from yunhe.client.wire.compute import Workload
from yunhe.client.wire.queue import Queued
from yunhe.client.wire.statements import Usage
from yunhe.client.wire.supply import Offer
from yunhe.kernel.ids import derived_id

ORGS = [derived_id("org", str(number)) for number in range(3)]
WIDTHS = (60, 80, 120)
SITE = "长三角国家算力枢纽节点·芜湖集群二期机房"
WHY_EN = (
    "Waiting for capacity: 5 of the 8 × ascend910b asked for are free at 长三角枢纽 in "
    f"{derived_id('pool', 'x')}, and the head of the queue is promised 12 of them."
)
WHY_ZH = f"等待容量：所需的 8 个 ascend910b 在{SITE}（{derived_id('pool', 'x')}）仅有 5 个空闲。"


def example(shape, **over):
    return shape.model_validate({**shape.model_config["json_schema_extra"]["example"], **over})


def usage_lines():
    line = example(Usage).lines[0]
    long = {
        "group": ORGS[0],
        "charges": 82_247,
        "device_ms": 3_520_000_000_000,
        "idle_ms": 123_456_789_000,
        "unwatched_ms": 400_000_000_000,
        "reported_ms": 1_000_000_000_000,
        "busy_ms": 640_000_000_000,
        "cost_minor": 123_456_789_012,
        "voucher_minor": 24_691_357_802,
        "cash_minor": 98_765_431_210,
    }
    return [line, line.model_copy(update=long)]


def usage(session):
    names = ("group", "charges", "hours", "normalised", "idle", "real", "cost", "voucher", "cash")
    rows = [
        (
            line.group,
            str(line.charges),
            settling._raw(session, line),
            settling._normalised(session, line),
            settling._idle(session, line),
            settling._real(line),
            *(
                settling._money(amount, "CNY")
                for amount in (line.cost_minor, line.voucher_minor, line.cash_minor)
            ),
        )
        for line in usage_lines()
    ]
    return remote.table(session, names, rows), rows


def pools(session):
    plain = example(Offer)
    far = plain.pool.model_copy(
        update={
            "site": SITE,
            "adapter": "demonstration",
            "devices": 100_000,
            "devices_busy": 98_765,
        }
    )
    rows = [
        pooling._row(session, each)
        for each in (plain, plain.model_copy(update={"pool": far, "maintenance": []}))
    ]
    names = ("pool", "site", "chip", "busy", "price", "state", "maintenance")
    return remote.table(session, names, rows), rows


def queue(session):
    from datetime import UTC, datetime  # noqa: PLC0415

    each = example(Queued, rank=100_000, devices=1_024, substitutes=["h20", "mlu590"])
    now = datetime(2027, 2, 21, tzinfo=UTC)
    rows = list(queueing._rows(session, each, now=now, whose=True))
    return remote.table(session, queueing._COLUMNS, rows), rows


def statements(session):
    rows = [
        (derived_id("document", "x"), "invoice", "00000012", "2026-10", "1,234,567,890.12 CNY",
         "246,913,578.02 CNY", "987,654,312.10 CNY"),
    ]  # fmt: skip
    names = ("invoice", "kind", "number", "period", "cost", "voucher", "cash")
    return remote.table(session, names, rows), rows


def jobs(session):
    why = {"code": "x", "message": WHY_ZH if session.language == "zh" else WHY_EN, "params": {}}
    rows = [
        working._workload(
            session,
            example(Workload, why=why, chip="ascend910b", chip_placed="h20", devices=128,
                    replicas=64, program="python -m train --epochs 3"),
        )
    ]  # fmt: skip
    return remote.table(session, ("workload", "state", "entry_point", "devices", "why"), rows), rows


LISTS = {"usage": usage, "pools": pools, "queue": queue, "statements": statements, "jobs": jobs}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_fits_and_breaks_no_figure_and_no_id(name, language, width) -> None:
    shown, rows = LISTS[name](Session(language, None, False))
    lines = [line for line, _ in shown.lines(width)]
    assert max(map(cells, lines)) <= width, "\n".join(lines)
    for value in (value for row in rows for value in row if value):
        for whole in [value] if is_figure(value) else fitting.WHOLE.findall(value):
            assert any(whole in line for line in lines), whole
    kept = re.sub(r"\s", "", "".join(lines))
    for value in (value for row in rows for value in row):
        if fitting.WHOLE.fullmatch(value) or is_figure(value):
            assert re.sub(r"\s", "", value) in kept


@pytest.mark.parametrize(
    ("over", "en", "zh"),
    [
        ({"chip_placed": None}, "2 × h20", "2 × h20"),
        ({"chip_placed": "h20", "replicas": 3}, "3 × 2 × h20", "3 × 2 × h20"),
        ({"chip_placed": "cpu"}, "2 × cpu (asked for h20)", "2 × cpu（原请求 h20）"),
    ],
    ids=["waits", "same", "another"],
)
def test_work_shows_the_chip_it_runs_on_and_the_one_that_was_asked_for(over, en, zh) -> None:
    found = example(Workload, chip="h20", devices=2, **over)
    assert working.devices_of(Session("en", None, False), found) == en
    assert working.devices_of(Session("zh", None, False), found) == zh


def test_what_does_not_fit_is_one_block_for_each_thing_with_its_labels() -> None:
    shown, rows = usage(Session("zh", None, False))
    lines = [line for line, _ in shown.lines(80)]
    assert lines.count("") == len(rows) - 1
    heads = [line.split(":")[0] for line in lines if ":" in line and not line.startswith(" ")]
    assert heads[: len(shown.heads)] == shown.heads
    wide = [line for line, _ in shown.lines(400)]
    assert len(wide) == 1 + len(rows)


def test_a_column_that_says_nothing_is_left_out_before_things_are_stacked() -> None:
    table = Fitted(["Pool", "Maintenance"], [["pool-a", ""], ["pool-b", ""]])
    assert [line for line, _ in table.lines(10)] == ["Pool", "pool-a", "pool-b"]
    assert next(line for line, _ in table.lines(40)) == "Pool    Maintenance"


def test_a_table_of_nothing_is_its_heads() -> None:
    assert [line for line, _ in Fitted(["A", "B"], []).lines(80)] == ["A  B"]


@pytest.mark.parametrize(
    ("value", "least"),
    [
        ("12.00 CNY", 9),
        ("2026-11-23 04:05:06Z", 20),
        ("云河平台", 2),
        ("（云河），", 6),
        ("two words", 5),
        ("x" * 60, fitting.WORD_MAX),
        (derived_id("pool", "x"), 31),
        (f"见 {derived_id('pool', 'x')}。", 33),
        ("", 0),
    ],
    ids=["money", "time", "wide", "marks", "words", "long", "id", "inside", "empty"],
)
def test_what_belongs_together_is_as_wide_as_it_is(value, least) -> None:
    assert narrowest(value) == least


@given(st.text(st.characters(blacklist_categories=["Cc", "Cs", "Mn", "Me", "Cf", "Zl", "Zp"]),
               max_size=80), st.integers(20, 120))  # fmt: skip
def test_wrapping_loses_no_letter_and_keeps_within_the_width(value, width) -> None:
    lines = wrapped(value, width)
    assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", value)
    assert all(cells(line) <= max(width, narrowest(value)) for line in lines)


@given(
    st.lists(st.lists(st.text("ab云 河1。", max_size=30), min_size=3, max_size=3), max_size=4),
    st.integers(40, 200),
)
def test_any_table_fits_wherever_its_pieces_do(rows, width) -> None:
    table = Fitted(["A", "B", "C"], rows)
    assert all(cells(line) <= width for line, _ in table.lines(width))
