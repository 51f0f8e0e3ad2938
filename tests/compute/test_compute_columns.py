"""What a workload's row means, and that nothing is lost between a value and its columns."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.compute.columns import (
    award_of,
    draw_of,
    fields_of,
    pool_of,
    says,
    spec_of,
    why_of,
    why_text,
    workload_of,
)
from yunhe.compute.domain import (
    Accepted,
    Approval,
    Award,
    Pool,
    State,
    Usage,
    Voucher,
    WorkloadSpec,
)
from yunhe.compute.reasons import Change, Why
from yunhe.compute.scheduling.weights import Draw
from yunhe.compute.tables import approval_table, award_table, pool_table, voucher_table
from yunhe.kernel.canonical import canonical_bytes

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
WHOLE = st.integers(0, 2**53 - 1)
KEYS = st.text(st.characters(codec="ascii"), max_size=20)  # of objects in records
PARAMS = st.dictionaries(KEYS, st.one_of(WORDS, WHOLE), max_size=3).map(
    lambda found: tuple(sorted(found.items()))
)
WHYS = st.builds(
    Why,
    code=WORDS,
    params=PARAMS,
    changes=st.lists(st.builds(Change, code=WORDS, params=PARAMS), max_size=3).map(tuple),
    shorter_wall_seconds=WHOLE,
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), WHOLE, WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(KEYS, inner, max_size=2)),
    max_leaves=5,
)
NAMES = st.dictionaries(KEYS, WORDS, max_size=3)
SPECS = st.builds(
    WorkloadSpec,
    key=WORDS,
    organisation=WORDS,
    entry_point=WORDS,
    arguments=st.dictionaries(KEYS, JSON, max_size=3),
    inputs=NAMES,
    chip=WORDS,
    devices=WHOLE,
    wall_seconds_max=WHOLE,
    cpu_seconds_max=WHOLE,
    memory_bytes_max=WHOLE,
    input_reference=st.none() | WORDS,
    secrets=NAMES,
    project=WORDS,
)
USAGES = st.builds(
    Usage,
    **{name: WORDS if kind == "str" else WHOLE for name, kind in Usage.__annotations__.items()},
)
SPEC = WorkloadSpec("key", "org_1", "train", {"a": 1}, {"in": "sha256:0"}, "cpu", 1, 60, 50)


def row(**changed):
    """A row of a workload that waits and has never run."""
    return {
        "id": "workload_1",
        "spec": canonical_bytes(SPEC.as_json()).decode(),
        "spec_digest": "sha256:1",
        "state": "waiting",
        "why": None,
        "pool": None,
        "held_voucher_minor": 0,
        "held_cash_minor": 0,
        "outputs": None,
        "usage": None,
        "reference": None,
        "log": None,
        "attempts": 0,
        "member": None,
        "replicas": None,
        **changed,
    }


@given(SPECS)
def test_a_spec_comes_back_from_its_row_as_it_was(spec):
    assert spec_of({"spec": canonical_bytes(spec.as_json()).decode()}) == spec


@given(WHYS)
def test_a_reason_comes_back_from_its_row_as_it_was(why):
    kept = {"why": why_text(why)}
    assert why_of(kept) == why
    assert says(kept, why)


@given(WHYS, WHYS)
def test_only_the_very_same_reason_is_said_already(one, other):
    assert says({"why": why_text(one)}, other) == (one == other)
    assert not says({"why": None}, other)


def test_a_row_without_a_reason_has_none():
    assert why_of({"why": None}) is None
    assert why_of({"why": ""}) is None


@given(USAGES, NAMES)
def test_what_was_used_and_written_comes_back(usage, outputs):
    found = workload_of(row(usage=json.dumps(asdict(usage)), outputs=json.dumps(outputs)), [])
    assert (found.usage, found.outputs) == (usage, outputs)


def test_usage_with_a_field_that_a_newer_version_added_can_still_be_read():
    usage = Usage(1, 2, 3, 4, "bubblewrap", "sha256:2", 30, 10, 20, "CNY")
    newer = json.dumps({**asdict(usage), "energy_joules": 5})
    assert workload_of(row(usage=newer), []).usage == usage


@pytest.mark.parametrize("state", get_args(State))
def test_every_state_is_read_and_no_other(state):
    assert workload_of(row(state=state), []).state == state
    with pytest.raises(StopIteration):
        workload_of(row(state=state.upper()), [])


@given(st.lists(st.tuples(WORDS, WHOLE), max_size=4), WHOLE, WHOLE)
def test_what_is_held_is_the_sum_over_awards_and_over_voucher_and_cash(drawn, voucher, cash):
    found = workload_of(row(held_voucher_minor=voucher, held_cash_minor=cash), drawn)
    assert found.awards == tuple(award for award, _ in drawn)  # in the order of drawing
    assert found.held_device_ms == sum(held for _, held in drawn)
    assert found.held_minor == voucher + cash


def test_an_untouched_workload_has_nothing():
    found = workload_of(row(), [])
    nothing = (found.why, found.pool, found.usage, found.reference, found.log, found.member)
    assert set(nothing) == {None}
    assert (found.outputs, found.awards, found.held_minor, found.attempts) == ({}, (), 0, 0)
    assert found.spec == SPEC


def test_a_pool_comes_back_from_its_columns():
    pool = Pool("pool_1", "org_1", "east", "local", "cpu", 4, 3_600, "CNY")
    assert pool_of({**fields_of(pool), "created_at_us": 1}) == pool


@pytest.mark.parametrize(
    ("shape", "table"),
    [
        (Pool, pool_table),
        (Award, award_table),
        (Voucher, voucher_table),
        (Approval, approval_table),
    ],
)
def test_every_field_that_is_written_has_a_column(shape, table):
    names = [name for name in shape.__dataclass_fields__ if name != "accepts"]
    value = shape(*range(len(names)))
    assert set(fields_of(value)) <= set(table.columns.keys())
    assert [fields_of(value)[name] for name in names] == list(range(len(names)))


def test_an_award_for_several_chips_is_read_as_it_was_written():
    pinned = Accepted(("a100", "h100"), "a100", "ratecard_1", 3, (("h100", "training", 2_500),))
    for accepts in (None, pinned):
        made = Award("award_1", "org", "a100+h100", 5, 6, "ref", None, accepts)
        assert award_of({**fields_of(made), "lapsed_ms": 0}) == made


def test_what_is_held_of_an_award_for_several_is_read_with_the_chips_own_time():
    row = {"award": "award_1", "chip": "class:x", "raw_ms": 40, "per_thousand": 2_500}
    assert draw_of(row, 100) == Draw("award_1", 100, "class:x", 40, 2_500)
    assert draw_of(row, 0).covers_ms == 0
    assert draw_of({**row, "raw_ms": None}, 7) == Draw("award_1", 7)
