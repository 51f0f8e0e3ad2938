"""Runs over drawn inputs beside a model of a run in plain Python: every row of every table."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from corpus_engine_desk import job, profile, rows, write_rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.corpus.engine import run, trace
from yunhe.kernel.errors import NotFound
from yunhe.kernel.progress import Silent

NOISE_MAX = 3
TEXT = st.one_of(
    st.lists(st.sampled_from(["一段文字", "#", "@", " ", "x𝄞", "##"]), min_size=1, max_size=6).map(
        "".join
    ),
    st.sampled_from(["drop me", "mend # it", "same text", "same # text", "mend @", " "]),
)
ROW = st.fixed_dictionaries({
    "id": st.sampled_from(["a", "b", "c", "d", "e", None, "row-2"]),
    "text": TEXT,
    "label": st.sampled_from(["x", "y", None]),
})  # fmt: skip
FILES = st.lists(st.lists(ROW, max_size=7), min_size=1, max_size=3).filter(any)


@dataclass
class Told:
    """What a run should leave."""

    names: list[str] = field(default_factory=list)
    documents: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[tuple[Any, ...]] = field(default_factory=list)
    spans: list[tuple[Any, ...]] = field(default_factory=list)
    removed: list[tuple[Any, ...]] = field(default_factory=list)


def named(given_: list[dict[str, Any]]) -> list[str]:
    plain = [row["id"] or f"row-{at + 1}" for at, row in enumerate(given_)]
    return [
        name if plain.index(name) == at else f"{name}~{at + 1}" for at, name in enumerate(plain)
    ]


def modelled(files: list[list[dict[str, Any]]], *, keep: str) -> Told:
    """The three steps of the desk, one document after the other."""
    given_ = [row for rows_ in files for row in rows_]
    places = [(f"{n}.jsonl", at + 1) for n, rows_ in enumerate(files) for at in range(len(rows_))]
    told, seen = Told(named(given_)), dict[str, str]()
    for row, name, (source, number) in zip(given_, told.names, places, strict=True):
        text, noise = row["text"], row["text"].count("#")

        def decide(
            step: str,
            version: int,
            action: str,
            reason: str,
            score: int | None,
            name: str = name,
            source: str = source,
            number: int = number,
        ) -> None:
            told.decisions.append((name, number, step, version, action, reason, score, source))

        if text.startswith("drop") or noise > NOISE_MAX:
            reason = "told_to" if text.startswith("drop") else "noisy"
            decide("engine_trim", 3, "dropped", reason, noise)
            continue
        if text.startswith("mend"):
            decide("engine_trim", 3, "repaired", "mended", None)
        trimmed = text.replace("#", "")
        masked = trimmed.replace("@", "[邮箱]")
        first = seen.setdefault(masked, name)
        if first != name and keep == "first":
            decide("engine_once", 1, "dropped", "again", 100)
            continue
        told.removed += [(name, at, at + 1) for at, one in enumerate(text) if one == "#"]
        told.spans += [(name, at, at + 1) for at, one in enumerate(trimmed) if one == "@"]
        told.documents.append({
            "id": name, "text": masked, "label": row["label"], "group": first, "source": source,
        })  # fmt: skip
    return told


CALM = settings(
    max_examples=14, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@CALM
@given(files=FILES, keep=st.sampled_from(["first", "all"]), kind=st.sampled_from(
    ["parquet", "jsonl.zst"]), cut=st.sampled_from([1, 120, 1 << 20]))  # fmt: skip
def test_every_row_of_every_table_is_that_of_the_model(
    files: list[list[dict[str, Any]]], keep: str, kind: str, cut: int,
) -> None:  # fmt: skip
    told = modelled(files, keep=keep)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr("yunhe.corpus.running.intake.UNIT_BYTES", cut)
        folder = Path(name)
        inputs = [write_rows(folder / f"{n}.jsonl", part) for n, part in enumerate(files)]
        made = job(folder, *inputs, profile=profile(keep=keep, noise_max=NOISE_MAX), format=kind)
        done = run(made, progress=Silent())
        columns = ("document", "row", "step", "version", "action", "reason", "score", "source")
        found = [tuple(row[each] for each in columns) for row in rows(made.out, "decisions")]
        assert rows(made.out, "documents") == told.documents
        assert found == told.decisions
        spans = [(each["document"], each["start"], each["end"]) for each in rows(made.out, "spans")]
        assert spans == told.spans
        gone = [
            (each["document"], each["start"], each["end"]) for each in rows(made.out, "removed")
        ]
        assert gone == told.removed
        statistics = json.loads((made.out / "statistics.json").read_text())
        assert statistics["documents_in"] == len(told.names)
        assert statistics["documents_out"] == len(told.documents)
        assert sum(unit["documents"] for unit in done.manifest["units"]) == len(told.names)
        for at, document in enumerate(told.names):
            check_trace(made.out, told, at, document)
        with pytest.raises(NotFound):
            trace(made.out, "no such document")


def check_trace(out: Path, told: Told, at: int, document: str) -> None:
    """What a trace says of one document is what the tables say of it."""
    found = trace(out, document)
    released = [row for row in told.documents if row["id"] == document]
    decided = [row for row in told.decisions if row[0] == document]
    assert found["released"] == bool(released)
    assert found["group"] == (released[0]["group"] if released else None)
    assert found["label"] == (released[0]["label"] if released else None)
    assert [each["reason"] for each in found["decisions"]] == [row[5] for row in decided]
    assert [each["score"] for each in found["decisions"]] == [row[6] for row in decided]
    assert [(each["start"], each["end"]) for each in found["spans"]] == [
        row[1:] for row in told.spans if row[0] == document
    ]
    assert [(each["start"], each["end"]) for each in found["removed"]] == [
        row[1:] for row in told.removed if row[0] == document
    ]
    if released:
        assert found["source"] == released[0]["source"]
    elif decided:
        assert (found["row"], found["source"]) == (decided[-1][1], decided[-1][-1])
    assert 0 <= at < len(told.names)
