"""What a duplicate was dropped for is named, and is a document that stayed."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from corpus_engine_desk import digests, job, many, names, rows, write_rows
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from yunhe.corpus import forgetting
from yunhe.corpus.domain import Columns, Profile, StepPlan, Threshold
from yunhe.corpus.engine import run, trace
from yunhe.corpus.readers import parquet as parquet_reader
from yunhe.corpus.running import originals
from yunhe.corpus.running.whole import KEPT

NAMED = Columns("text", id="id")
HALF = Threshold(60, "test", verified=False)
BOTH = Profile(
    "both",
    1,
    Threshold(10, "test", verified=False),
    (StepPlan("duplicates"), StepPlan("similar", {"similarity_percent_min": HALF})),
)


class Quiet:
    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        assert what


def sentence(seed: int, count: int = 60) -> str:
    draw = random.Random(seed)
    return "".join(chr(draw.randrange(0x4E00, 0x9FA5)) for _ in range(count))


def dropped(out: Path) -> dict[str, tuple[str, str | None]]:
    said = rows(out, "decisions")
    return {row["document"]: (row["step"], row["of"]) for row in said if row["action"] == "dropped"}


def test_a_copy_names_the_first_of_its_kind_and_what_is_no_copy_names_nothing(
    tmp_path: Path,
) -> None:
    made = job(tmp_path, write_rows(tmp_path / "in.jsonl", many(200)))
    run(made, progress=Quiet())
    texts = {row["id"]: row["text"] for row in many(200)}
    released = set(names(made.out))
    copies = {name: of for name, (step, of) in dropped(made.out).items() if step == "engine_once"}
    assert len(copies) > 5
    assert all(of in released and texts[of] == texts[name] for name, of in copies.items())
    others = [row["of"] for row in rows(made.out, "decisions") if row["step"] != "engine_once"]
    assert others.count(None) == len(others) > 0


def test_a_copy_of_what_is_itself_dropped_as_alike_names_the_one_that_stays(
    tmp_path: Path,
) -> None:
    text, tail = sentence(1, 100), sentence(2, 10)
    lines = [
        {"id": "first", "text": text + sentence(3, 8)},
        {"id": "alike", "text": text + tail},
        {"id": "alone", "text": sentence(4, 100)},
        {"id": "copy", "text": text + tail},
    ]
    made = job(tmp_path, write_rows(tmp_path / "in.jsonl", lines), profile=BOTH, columns=NAMED)
    run(made, progress=Quiet())
    assert names(made.out) == ["first", "alone"]
    assert dropped(made.out) == {"alike": ("similar", "first"), "copy": ("duplicates", "first")}
    traced: Any = trace(made.out, "copy")
    assert [each["of"] for each in traced["decisions"]] == ["first"]


def test_names_are_those_of_the_output_however_it_was_cut_and_whoever_worked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = many(900, copies=3)
    for at in (5, 6, 7, 300):
        lines[at]["id"] = "same"  # told apart by their numbers, also where another names them
    source = tmp_path / "in.parquet"
    parquet.write_table(pa.Table.from_pylist(lines), source)
    whole = job(tmp_path, source, out=tmp_path / "one")
    run(whole, progress=Quiet())
    monkeypatch.setattr(parquet_reader, "BATCH_ROWS", 40)
    monkeypatch.setattr("yunhe.corpus.running.intake.UNIT_BYTES", 6_000)
    cut = [job(tmp_path, source, out=tmp_path / f"t{n}", threads=n) for n in (1, 2)]
    for each in cut:
        run(each, progress=Quiet())
    assert digests(cut[0].out) == digests(cut[1].out)
    assert dropped(cut[0].out) == dropped(whole.out)
    assert len(list((cut[0].out / "decisions").iterdir())) > 3
    away = {of for _, of in dropped(whole.out).values() if of}
    assert away <= set(names(whole.out))
    assert any(of.startswith("same") for of in away)


def test_where_nothing_is_dropped_for_another_nothing_is_named(tmp_path: Path) -> None:
    lines = [{"id": str(n), "text": sentence(n)} for n in range(4)]
    source = write_rows(tmp_path / "in.jsonl", [*lines, {"id": "again", "text": sentence(1)}])
    plans = (StepPlan("similar", {"similarity_percent_min": HALF}, {"keep": "all"}),)
    grouping = Profile("all", 1, HALF, plans)
    made = job(tmp_path, source, profile=grouping, columns=NAMED)
    run(made, progress=Quiet())
    assert len(names(made.out)) == 5
    assert rows(made.out, "decisions") == []


class Held(SimpleNamespace):
    """As much of a whole as is asked for."""


@given(st.data())
def test_following_what_stayed_is_what_one_does_by_hand(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 30))
    firsts = np.array([data.draw(st.integers(0, at)) for at in range(count)])
    places = np.array(
        [data.draw(st.sampled_from([KEPT, 0, 1])) for _ in range(count)], dtype=np.int16
    )
    whole: Any = Held(firsts=firsts, places=places)
    late = np.flatnonzero(places != KEPT)
    found = originals.kept_for(whole, late)
    for own, of in zip(late.tolist(), found.tolist(), strict=True):
        at = int(firsts[own])
        while places[at] != KEPT and firsts[at] != at:
            at = int(firsts[at])
        assert of == (at if places[at] == KEPT else -1)


def test_erasing_a_document_also_takes_its_name_from_its_copies() -> None:
    table = pa.table({"document": ["b", "c", "d"], "of": pa.array(["a", None, "x"], pa.string())})
    left, changed = forgetting._unnamed(table, "a")
    assert changed
    assert left.column("of").to_pylist() == [None, None, "x"]
    assert left.schema == table.schema
    assert forgetting._unnamed(left, "a") == (left, False)
    old = table.drop_columns(["of"])
    assert forgetting._unnamed(old, "a") == (old, False)
