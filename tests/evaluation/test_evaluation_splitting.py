"""No group straddles a split, nothing is lost, and what cannot be split says why, all at once."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evaluation_centre import parquet, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.evaluation import splitting
from yunhe.evaluation.domain import GROUPS_MIN
from yunhe.kernel.errors import Invalid


def documents(labels: list[str], groups: list[str]) -> splitting.Documents:
    count = len(labels)
    return splitting.Documents(
        [f"d{n}" for n in range(count)], [f"文本{n}" for n in range(count)], labels, groups
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**53 - 1), st.integers(10, 50), st.integers(300, 600))
def test_no_group_straddles_and_no_document_is_lost(seed: int, percent: int, count: int) -> None:
    whole = rows(count)
    parts = splitting.divide(whole, held_out_percent=percent, seed=seed)
    assert not set(parts.train.groups) & set(parts.heldout.groups)
    assert sorted([*parts.train.ids, *parts.heldout.ids]) == sorted(whole.ids)
    assert set(parts.train.labels) == set(parts.heldout.labels)
    for part in (parts.train, parts.heldout):
        assert list(part.ids) == sorted(part.ids, key=lambda i: int(i.split("-")[1]))
    share = len(set(parts.heldout.groups)) / len(set(whole.groups))
    assert abs(share - percent / 100) < 0.13  # five standard deviations at 270 groups


def test_adding_documents_moves_no_other() -> None:
    few = splitting.divide(rows(400), held_out_percent=20, seed=3)
    many = splitting.divide(rows(900), held_out_percent=20, seed=3)
    assert set(few.heldout.groups) <= set(many.heldout.groups)
    assert set(few.train.groups) <= set(many.train.groups)


def test_another_seed_holds_out_other_groups() -> None:
    one, other = (splitting.divide(rows(500), held_out_percent=20, seed=s) for s in (1, 2))
    assert set(one.heldout.groups) != set(other.heldout.groups)


def test_the_share_of_names_held_out_is_the_one_asked_for() -> None:
    held = sum(splitting.held_out(f"组{n}", seed=5, percent=20) for n in range(20_000))
    assert abs(held / 20_000 - 0.2) < 0.01
    assert not any(splitting.held_out(f"g{n}", seed=5, percent=0) for n in range(100))
    assert all(splitting.held_out(f"g{n}", seed=5, percent=100) for n in range(100))


def test_a_part_reads_back_as_it_was_written_and_has_the_same_bytes() -> None:
    part = splitting.divide(rows(300), held_out_percent=20, seed=3).train
    data = splitting.to_parquet(part)
    assert splitting.to_parquet(part) == data
    assert splitting.read_documents(data, digest="sha256:x") == splitting.Documents(
        list(part.ids), list(part.texts), list(part.labels), list(part.groups)
    )


def test_documents_without_a_label_are_on_neither_side() -> None:
    whole = rows(400)
    labels = ["" if n % 8 == 0 else " " if n % 8 == 1 else x for n, x in enumerate(whole.labels)]
    parts = splitting.divide(
        splitting.Documents(whole.ids, whole.texts, labels, whole.groups),
        held_out_percent=25,
        seed=3,
    )
    assert parts.unlabelled == 100
    assert len(parts.train) + len(parts.heldout) == 300
    assert all(label.strip() for label in [*parts.train.labels, *parts.heldout.labels])


def test_a_document_without_a_group_is_a_group_of_its_own() -> None:
    table = pa.table(
        {
            "id": ["a", "a", "b"],
            "text": ["x", "y", None],
            "label": ["k", None, "m"],
            "group": pa.array([None, None, "g"], pa.string()),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    read = splitting.read_documents(sink.getvalue().to_pybytes(), digest="sha256:x")
    assert len(set(read.groups)) == 3
    assert list(read.texts) == ["x", "y", ""]
    assert list(read.labels) == ["k", "", "m"]


def test_large_text_columns_are_read_too() -> None:
    sink = pa.BufferOutputStream()
    columns = {name: pa.array(["甲"], pa.large_string()) for name in splitting.COLUMNS}
    pq.write_table(pa.table(columns), sink)
    assert list(splitting.read_documents(sink.getvalue().to_pybytes(), digest="d").texts) == ["甲"]


@pytest.mark.parametrize("data", [b"", b"id,text\n1,no table\n", parquet(rows(40))[:-20]])
def test_what_is_no_table_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        splitting.read_documents(data, digest="sha256:abc")
    assert refused.value.code == "evaluation.dataset_unreadable"
    assert "sha256:abc" in str(refused.value)


def test_every_column_that_is_absent_or_no_text_is_named() -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"id": [1, 2], "text": ["x", "y"]}), sink)
    with pytest.raises(Invalid) as refused:
        splitting.read_documents(sink.getvalue().to_pybytes(), digest="sha256:abc")
    assert [(f.where, f.code) for f in refused.value.findings] == [
        ("id", "evaluation.not_text"),
        ("label", "evaluation.column_missing"),
        ("group", "evaluation.column_missing"),
    ]


def test_every_class_on_one_side_only_is_named() -> None:
    groups = [f"g{n}" for n in range(300)]
    labels = ["供电" if n % 2 else "水务" for n in range(300)]
    held = [splitting.held_out(g, seed=1, percent=30) for g in groups]
    labels[held.index(True)] = "城管"
    trained = held.index(False)
    labels[trained] = labels[held.index(False, trained + 1)] = "民政"
    with pytest.raises(Invalid) as refused:
        splitting.divide(documents(labels, groups), held_out_percent=30, seed=1)
    assert refused.value.code == "evaluation.class_one_sided"
    assert {(f.where, f.code, f.params) for f in refused.value.findings} == {
        ("城管", "evaluation.class_not_trained", (("documents", 1),)),
        ("民政", "evaluation.class_not_heldout", (("documents", 2),)),
    }
    assert "城管" in refused.value.message("zh")
    assert "民政" in refused.value.message("zh")


def test_too_few_groups_are_refused_however_many_documents_there_are() -> None:
    labels = ["甲", "乙"] * 500
    with pytest.raises(Invalid) as refused:
        splitting.divide(
            documents(labels, [f"g{n % 15}" for n in range(1_000)]), held_out_percent=30, seed=1
        )
    assert refused.value.code == "evaluation.groups_too_few"
    assert refused.value.params["least"] == GROUPS_MIN
    assert refused.value.params["train"] + refused.value.params["heldout"] == 15


@pytest.mark.parametrize(
    ("labels", "code"),
    [(["甲"] * 200, "evaluation.classes_too_few"), ([""] * 200, "evaluation.no_labels")],
)
def test_data_with_nothing_to_learn_is_refused(labels: list[str], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        splitting.divide(
            documents(labels, [f"g{n}" for n in range(200)]), held_out_percent=30, seed=1
        )
    assert refused.value.code == code
