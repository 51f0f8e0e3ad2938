"""What follows the reading of units: names told apart, settling, arrays and folders on the disk."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from corpus_units_desk import unit, units
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.documents import Outcome, Step, Values
from yunhe.corpus.evidence import Evidence, Settled
from yunhe.corpus.kernels.keys import name_hashes
from yunhe.corpus.running import calling
from yunhe.corpus.running.arrays import blank, load, save
from yunhe.corpus.running.folder import LOCK, disk, locked, whole, write_json
from yunhe.corpus.running.settling import OnDisk, settle
from yunhe.corpus.running.whole import KEPT, Whole
from yunhe.kernel.errors import Conflict, Unavailable

MAIL = "somebody@example.com"
IDS = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "", None, "row-1", "a~3", MAIL]), max_size=6),
    min_size=1,
    max_size=4,
)


def called_by_hand(parts: list[list[str | None]]) -> tuple[list[str], dict[str, list[int]]]:
    """Final names of all documents, and which documents had each name before."""
    plain, number = [], 0
    for part in parts:
        for id_ in part:
            number += 1
            plain.append(id_ if id_ and id_ != MAIL else f"row-{number}")
    had: dict[str, list[int]] = {}
    for at, name in enumerate(plain):
        had.setdefault(name, []).append(at)
    final = [name if had[name][0] == at else f"{name}~{at + 1}" for at, name in enumerate(plain)]
    return final, had


@settings(max_examples=40, deadline=None)
@given(parts=IDS)
def test_every_document_gets_a_name_and_repeated_ones_are_numbered(
    parts: list[list[str | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("names")
    made = units([unit(folder / str(n), part) for n, part in enumerate(parts)])
    repeats = calling.repeated(made, folder)
    final, had = called_by_hand(parts)
    twice = {at[0]: len(at) for at in had.values() if len(at) > 1}
    assert dict(zip(repeats.firsts.tolist(), repeats.times.tolist(), strict=True)) == twice
    assert repeats.firsts.tolist() == sorted(twice)
    everything = Whole(made, folder)
    names = [name for n in range(len(parts)) for name in everything.names(n).to_pylist()]
    assert names == final
    target = folder / "index"
    target.mkdir()
    calling.index(everything, folder, target)
    hashes, numbers = load(target / calling.HASHES), load(target / calling.DOCUMENTS)
    assert hashes.tolist() == sorted(hashes.tolist())
    wanted = name_hashes(pa.array(final, pa.string())).tolist()
    assert [wanted[number] for number in numbers.tolist()] == hashes.tolist()
    assert sorted(numbers.tolist()) == list(range(len(final)))


@settings(max_examples=25, deadline=None)
@given(parts=IDS)
def test_names_are_sorted_alike_however_few_are_sorted_at_once(
    parts: list[list[str | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("few")
    made = units([unit(folder / str(n), part) for n, part in enumerate(parts)])
    at_once = calling.repeated(made, folder)
    renamed = load(folder / "renamed.npy").tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calling, "SORTED_AT_ONCE", 2)
        in_parts = calling.repeated(made, folder)
    assert in_parts.firsts.tolist() == at_once.firsts.tolist()
    assert in_parts.times.tolist() == at_once.times.tolist()
    assert load(folder / "renamed.npy").tolist() == renamed


def test_what_is_wrong_with_names_and_labels_is_told_by_row_and_never_repeated(
    tmp_path: Path,
) -> None:
    made = units([
        unit(tmp_path / "0", ["a", MAIL, "a"], labels=["x", "y", None]),
        unit(tmp_path / "1", ["b", "a", None], labels=["x", MAIL, "x"]),
    ])  # fmt: skip
    repeats = calling.repeated(made, tmp_path)
    found = list(calling.findings(made, "in", repeats=repeats))
    assert [(each.code, dict(each.params)) for each in found] == [
        ("corpus.id_twice", {"row": 1, "times": 3}),
        ("corpus.id_personal", {"row": 2}),
        ("corpus.labels_personal", {}),
    ]
    assert MAIL not in repr(found)


# --- settling ------------------------------------------------------------------------------------


def by_value(evidence: Evidence, values: Values, scratch: Path, memory: int) -> Settled:
    """Drops documents whose value was there before."""
    del values, memory
    (scratch / "deep").mkdir()
    (scratch / "deep" / "file").write_bytes(b"left behind")
    seen: dict[int, int] = {}
    found = Settled.nothing(sum(evidence.counts))
    number = 0
    for part, count in enumerate(evidence.counts):
        read = evidence.values(part)
        assert len(read) == count
        for value in read[:, 0].tolist():
            first = seen.setdefault(value, number)
            if first != number:
                found.codes[number], found.firsts[number] = 1, first
                found.scores[number] = 100
            number += 1
    return found


def by_text(evidence: Evidence, values: Values, scratch: Path, memory: int) -> Settled:
    """Drops documents that begin with the same letter; keeps no evidence of its own."""
    del values, memory, scratch
    seen: dict[str, int] = {}
    found = Settled.nothing(sum(evidence.counts))
    number = 0
    for part, count in enumerate(evidence.counts):
        for text in evidence.texts(part, np.arange(count)).to_pylist():
            first = seen.setdefault(text[:1], number)
            if first != number:
                found.codes[number], found.firsts[number] = 2, first
                found.scores[number] = 60
            number += 1
    return found


def nothing(documents: object, values: Values) -> Outcome:
    del documents, values
    return Outcome()


STEPS = (
    Step(version=1, reasons=("again",), work=nothing, settle=by_value),
    Step(version=1, work=nothing),
    Step(version=1, reasons=("other", "alike"), work=nothing, settle=by_text),
)
CORPUS = st.lists(
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["ax", "ay", "bx", "cz"])), max_size=5),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(parts=CORPUS)
def test_steps_settle_one_after_the_other_what_the_ones_before_left(
    parts: list[list[tuple[int, str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("settle")
    made = units([
        unit(
            folder / str(n), [f"{n}-{at}" for at in range(len(part))],
            texts=[text for _, text in part], evidence={0: [value for value, _ in part]},
        )
        for n, part in enumerate(parts)
    ], *STEPS)  # fmt: skip
    statistics = settle(made, folder, memory_bytes_max=1 << 20)
    rows = [row for part in parts for row in part]
    places, firsts, scores = [KEPT] * len(rows), list(range(len(rows))), [0] * len(rows)
    for place, key, score in ((0, 0, 100), (2, 1, 60)):
        seen: dict[object, int] = {}
        for at, row in enumerate(rows):
            if places[at] != KEPT:
                continue
            first = seen.setdefault(row[key] if key == 0 else row[1][:1], at)
            firsts[at], scores[at] = first, score if first != at else 0
            if first != at:
                places[at] = place
    settled = Whole(made, folder)
    assert settled.places.tolist() == places
    assert settled.firsts.tolist() == firsts
    assert settled.scores.tolist() == scores
    assert not (folder / "scratch").exists()
    roots = [firsts[firsts[at]] for at in range(len(rows))]
    groups = Counter(Counter(roots).values())
    assert statistics["clusters"] == {
        f"{size:09d}": count for size, count in sorted(groups.items()) if size > 1
    }
    kept = sum(place == KEPT for place in places)
    assert sum(int(settled.kept(n).sum()) for n in range(len(parts))) == kept


def test_evidence_on_disk_leaves_out_what_was_dropped_before(tmp_path: Path) -> None:
    made = units([
        unit(tmp_path / "0", ["a", "b", "c"], texts=["x", "y", "z"], evidence={0: [1, 2, 3]}),
        unit(tmp_path / "1", [], evidence={0: []}),
        unit(tmp_path / "2", ["d", "e"], survivors=[1], texts=["w"], evidence={0: [9]}),
    ], *STEPS)  # fmt: skip
    whole_ = OnDisk(made, 0, np.full(4, KEPT, np.int16))
    assert whole_.counts == [3, 0, 1]
    assert whole_.values(0)[:, 0].tolist() == [1, 2, 3]
    assert whole_.texts(2, np.array([0])).to_pylist() == ["w"]
    some = OnDisk(made, 0, np.array([KEPT, 0, KEPT, KEPT], np.int16))
    assert some.counts == [2, 0, 1]
    assert some.values(0)[:, 0].tolist() == [1, 3]
    assert some.texts(0, np.array([1])).to_pylist() == ["z"]
    assert OnDisk(made, 1, np.full(4, KEPT, np.int16)).values(0).shape == (0, 1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=6), min_size=1, max_size=12), st.integers(1, 5), st.data())
def test_some_texts_are_read_from_whatever_batches_they_lie_in(
    texts: list[str], batch: int, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        ids = [str(n) for n in range(len(texts))]
        made = unit(Path(name) / "u", ids, texts=texts, batch=batch)
        rows = sorted(data.draw(st.sets(st.integers(0, len(texts) - 1))))
        assert made.some_texts(np.array(rows, np.int64)).to_pylist() == [texts[n] for n in rows]
        assert [text for part in made.texts() for text in part.to_pylist()] == texts


def test_rows_are_counted_through_files_that_go_on_in_the_next_unit(tmp_path: Path) -> None:
    made = units([
        unit(tmp_path / "0", ["a", "b", "c"], runs=[("p", 1), ("q", 2)]),
        unit(tmp_path / "1", ["d", "e"], runs=[("q", 1), ("p", 1)]),
    ])  # fmt: skip
    assert [[(run.file, run.first, run.count) for run in here] for here in made.runs] == [
        [("p", 0, 1), ("q", 0, 2)],
        [("q", 2, 1), ("p", 1, 1)],
    ]
    assert made.documents_before.tolist() == [0, 3, 5]
    calling.repeated(made, tmp_path)
    everything = Whole(made, tmp_path)
    assert everything.names_of(np.array([4, 0, 3, 0])).to_pylist() == ["e", "a", "d", "a"]


# --- the disk ------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([np.uint8, np.int16, np.int32, np.int64, np.uint64]),
    st.integers(0, 900),
    st.integers(1, 3),
)
def test_an_array_is_read_as_it_was_written(kind: type, count: int, width: int) -> None:
    array = np.arange(count * width).astype(kind).reshape(count, width)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "array.npy"
        for given_ in (array, array[::2], array.T):
            save(path, given_)
            found = load(path)
            assert found.dtype == given_.dtype
            assert found.tolist() == given_.tolist()
        fresh = blank(path, kind, count)
        assert fresh.tolist() == [0] * count
        fresh[:] = 7
        del fresh
        assert load(path).tolist() == [7] * count


def test_a_folder_is_held_by_one_and_free_again_after(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "OUT.work"
    with locked(folder):
        with pytest.raises(Conflict) as caught, locked(folder):
            pass
        assert caught.value.retryable
        with locked(tmp_path / "another"):
            pass
    with locked(folder):
        assert (folder / LOCK).exists()


def test_a_folder_that_was_taken_away_meanwhile_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "OUT.work"
    with locked(folder):
        (folder / LOCK).unlink()
        folder.rmdir()
        with locked(folder):  # nobody else sees the one held above any more
            assert folder.is_dir()


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def failing() -> None:
        with whole(tmp_path / "unit") as folder:
            (folder / "half").write_text("x")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        failing()
    assert list(tmp_path.iterdir()) == []
    with whole(tmp_path / "unit") as folder:
        (folder / "file").write_text("first")
        assert not (tmp_path / "unit").exists()
    with whole(tmp_path / "unit") as folder:
        (folder / "file").write_text("second")
    assert (tmp_path / "unit" / "file").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["unit"]


def test_what_a_killed_run_left_is_in_nobodys_way(tmp_path: Path) -> None:
    left = tmp_path / f".unit-{os.getpid()}"
    left.mkdir()
    (left / "old").write_text("x")
    (tmp_path / "unit").mkdir()
    with whole(tmp_path / "unit") as folder:
        assert list(folder.iterdir()) == []
        (folder / "new").write_text("y")
    assert [path.name for path in (tmp_path / "unit").iterdir()] == ["new"]


def test_plain_data_is_written_in_one_form_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": "二", "a": 1})
    first = path.read_bytes()
    write_json(path, {"a": 1, "b": "二"})
    assert path.read_bytes() == first
    assert json.loads(first) == {"a": 1, "b": "二"}
    assert "二".encode() in first
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_a_disk_that_refuses_is_told_to_a_person(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    with pytest.raises(Unavailable):
        write_json(file / "a.json", {})
    with pytest.raises(Unavailable), locked(file / "deeper"):
        pass
    with pytest.raises(ValueError, match="mine"), disk(tmp_path):
        raise ValueError("mine")
