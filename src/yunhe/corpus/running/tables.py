"""The tables that one unit leaves, once everything is settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from yunhe.corpus import output
from yunhe.corpus.documents import Spans
from yunhe.corpus.domain import PERSONAL_TYPES
from yunhe.corpus.naming import LABELS_MAX
from yunhe.corpus.personal.found import REASONS
from yunhe.corpus.rejects import Sealer
from yunhe.corpus.running import originals
from yunhe.corpus.running.unit import NO_SCORE, Unit
from yunhe.corpus.running.whole import Whole, one
from yunhe.corpus.statistics import lengths
from yunhe.kernel.canonical import Json

_MANY = "…"
"""Counts the labels beyond `LABELS_MAX`, which are no labels."""


@dataclass(frozen=True)
class UnitTables:
    """What becomes of one unit. Whatever is asked for is made from the disk, one unit at a time."""

    whole: Whole
    """Everything."""
    number: int
    """Which unit."""

    @property
    def unit(self) -> Unit:
        """The unit."""
        return self.whole.of.units[self.number]

    @cached_property
    def names(self) -> pa.StringArray:
        """string[documents]."""
        return self.whole.names(self.number)

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """bool[survivors]: which are released."""
        return self.whole.kept(self.number)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """int64[survivors]: which documents survived the steps."""
        return self.unit.rows()

    @cached_property
    def released(self) -> NDArray[np.int64]:
        """int64[released]: which documents they are."""
        return self.rows[self.kept]

    @cached_property
    def labels(self) -> pa.StringArray:
        """string[released]; those that are personal details are left out."""
        labels = self.unit.names().labels.take(pa.array(self.released))
        personal = self.unit.about["labels_personal"]
        if not personal:
            return labels
        hidden = pc.is_in(labels, value_set=pa.array(personal, pa.string()))
        return pc.if_else(hidden, pa.scalar(None, pa.string()), labels)

    @cached_property
    def firsts(self) -> NDArray[np.int64]:
        """int64[released]: the survivor that is the first of each one's group."""
        low, high = self.whole.of.survivors_before[self.number : self.number + 2]
        return np.asarray(self.whole.firsts[low:high])[self.kept]

    def groups(self) -> pa.StringArray:
        """string[released]: the id of the first of each one's group."""
        low = int(self.whole.of.survivors_before[self.number])
        own = np.flatnonzero(self.kept) + low
        groups = self.names.take(pa.array(self.released))
        others = self.firsts != own
        if not others.any():
            return groups
        away = self.whole.names_of(self.firsts[others])
        return pc.replace_with_mask(groups, pa.array(others), away)

    def sources(self, rows: NDArray[np.int64]) -> pa.StringArray:
        """string[n]: the files that documents of the unit come from."""
        runs = self.whole.of.runs[self.number]
        ends = np.cumsum([run.count for run in runs])
        at = np.searchsorted(ends, rows, side="right")
        return pa.array([run.file for run in runs], pa.string()).take(pa.array(at))

    def rows_in_files(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[n]: the numbers that documents of the unit have in their files, from 1."""
        runs = self.whole.of.runs[self.number]
        ends = np.cumsum([run.count for run in runs])
        starts = np.array(
            [run.first - (end - run.count) for run, end in zip(runs, ends.tolist(), strict=True)]
        )
        found: NDArray[np.int64] = rows + starts[np.searchsorted(ends, rows, side="right")] + 1
        return found

    def documents(self) -> Iterator[pa.Table]:
        """Released documents, some at a time, as `output.DATASET` with the source."""
        columns = {
            "id": self.names.take(pa.array(self.released)),
            "label": self.labels,
            "group": self.groups(),
            "source": self.sources(self.released),
        }
        schema = output.with_source(output.DATASET)
        survivor = row = 0
        for texts in self.unit.texts():
            kept = self.kept[survivor : survivor + len(texts)]
            survivor += len(texts)
            some = texts if kept.all() else texts.filter(pa.array(kept))
            here = {name: column.slice(row, len(some)) for name, column in columns.items()}
            here["text"] = some.cast(pa.string())
            yield pa.table([here[name] for name in schema.names], schema=schema)
            row += len(some)

    @cached_property
    def marks(self) -> dict[str, NDArray[Any]]:
        """Repairs, then drops of every step, as columns: row, place, repair, code, score, of.

        ``of``: the survivor that stayed where the document is a duplicate of it, else -1.
        """
        found = self.unit.marks()
        order = np.argsort(1 - found["repair"].astype(np.int8), kind="stable")
        low, high = self.whole.of.survivors_before[self.number : self.number + 2]
        late = ~self.kept
        settled = {
            "row": self.rows[late],
            "place": np.asarray(self.whole.places[low:high])[late],
            "repair": np.zeros(int(late.sum()), np.uint8),
            "code": np.asarray(self.whole.codes[low:high])[late],
            "score": np.asarray(self.whole.scores[low:high])[late],
        }
        marks = {name: np.concatenate([found[name][order], settled[name]]) for name in settled}
        own = np.full(len(order), -1, np.int64)  # what a step drops by itself is no duplicate
        found_for = originals.kept_for(self.whole, np.flatnonzero(late) + low)
        return {**marks, "of": np.concatenate([own, found_for])}

    def decisions(self) -> pa.Table:
        """`output.DECISIONS` with the source, in the order of the documents."""
        marks = self.marks
        order = np.argsort(marks["row"], kind="stable")
        rows = marks["row"][order].astype(np.int64)
        steps = self.whole.of.pipeline.steps
        place, code = marks["place"][order].astype(np.int64), marks["code"][order].astype(np.int64)
        repair, score = marks["repair"][order].astype(np.int64), marks["score"][order]
        said: list[str] = []
        at: dict[tuple[int, int], int] = {}
        for number, placed in enumerate(steps):
            for kind, reasons in ((0, placed.step.reasons), (1, placed.step.repairs)):
                at[number, kind] = len(said)
                said += reasons
        starts = np.array([[at[number, kind] for kind in (0, 1)] for number in range(len(steps))])
        chosen = starts[place, repair] + code - 1 if len(rows) else rows
        actions = pa.array(["dropped", "repaired"])
        return pa.table(
            [
                self.names.take(pa.array(rows)),
                pa.array(self.rows_in_files(rows)),
                pa.array([placed.name for placed in steps], pa.string()).take(pa.array(place)),
                pa.array([placed.step.version for placed in steps], pa.int64()).take(
                    pa.array(place)
                ),
                actions.take(pa.array(repair)),
                pa.array(said, pa.string()).take(pa.array(chosen)),
                pa.array(score.astype(np.int32), mask=score == NO_SCORE),
                originals.names(self.whole, marks["of"][order]),
                self.sources(rows),
            ],
            schema=output.with_source(output.DECISIONS),
        )

    @cached_property
    def _place_of(self) -> NDArray[np.int64]:
        """int64[documents]: its place among the released, or -1."""
        places = np.full(self.unit.documents, -1, np.int64)
        places[self.released] = np.arange(len(self.released))
        return places

    @cached_property
    def found(self) -> Spans:
        """Personal details of released documents; documents are places among the released."""
        spans = self.unit.spans()
        places = self._place_of[spans.documents]
        return spans.where(places >= 0, places)

    def spans(self) -> pa.Table:
        """`output.SPANS`."""
        found, released = self.found, self.names.take(pa.array(self.released))
        return pa.table(
            [
                released.take(pa.array(found.documents)),
                pa.array(PERSONAL_TYPES, pa.string()).take(pa.array(found.types)),
                pa.array(found.starts.astype(np.int32)),
                pa.array(found.ends.astype(np.int32)),
                pa.array(found.scores.astype(np.int32)),
                pa.array(REASONS, pa.string()).take(pa.array(found.reasons)),
            ],
            schema=output.SPANS,
        )

    def removed(self) -> pa.Table:
        """`output.REMOVED`, by document, in the order of the steps."""
        found = self.unit.removed()
        there = self._place_of[found["documents"].astype(np.int64)] >= 0
        order = np.argsort(found["documents"][there], kind="stable")
        documents, place, kind, start, end = (
            found[name][there][order].astype(np.int64)
            for name in ("documents", "place", "reasons", "starts", "ends")
        )
        steps = self.whole.of.pipeline.steps
        first = np.cumsum([0, *(len(placed.step.removes) for placed in steps)])
        kinds = [kind for placed in steps for kind in placed.step.removes]
        return pa.table(
            [
                self.names.take(pa.array(documents)),
                pa.array([placed.name for placed in steps], pa.string()).take(pa.array(place)),
                pa.array(kinds, pa.string()).take(pa.array(first[place] + kind - 1)),
                pa.array(start.astype(np.int32)),
                pa.array(end.astype(np.int32)),
            ],
            schema=output.REMOVED,
        )

    def rejects(self, sealer: Sealer) -> pa.Table:
        """Dropped documents as they were read, with the step and the reason."""
        marks = self.marks
        dropped = np.flatnonzero(marks["repair"] == 0)
        order = dropped[np.argsort(marks["row"][dropped], kind="stable")]
        rows = marks["row"][order].astype(np.int64)
        decided = self.decisions()
        drops = decided.filter(pc.equal(decided.column("action"), "dropped"))
        texts = one(self.unit.raw_texts(sealer).take(pa.array(rows)))
        return drops.select(["document", "source", "row", "step", "reason"]).append_column(
            "text", texts
        )

    def counted(self, characters: NDArray[np.int64]) -> Mapping[str, Json]:
        """The unit's share of `Statistics` beyond what was counted when it was read.

        ``characters``: int64[released], lengths of the released texts.
        """
        steps = self.whole.of.pipeline.steps
        dropped: dict[str, dict[str, int]] = {}
        drops = self.marks["repair"] == 0
        pairs = self.marks["place"][drops].astype(np.int64) * 256 + self.marks["code"][drops]
        for pair, count in zip(*np.unique(pairs, return_counts=True), strict=True):
            placed = steps[int(pair) // 256]
            reason = placed.step.reasons[int(pair) % 256 - 1]
            dropped.setdefault(placed.name, {})[reason] = int(count)
        return {
            "documents_out": len(self.released),
            "characters_out": int(characters.sum()),
            "lengths_out": lengths(characters),
            "dropped": dropped,
            "details": self._details(),
            "removed": self._taken_out(),
            "sources": self._by_source(characters),
            **self._labelled(),
        }

    def _details(self) -> Json:
        found: dict[str, Json] = {}
        for code in np.unique(self.found.types).tolist():
            documents = self.found.documents[self.found.types == code]
            counts = {"spans": len(documents), "documents": len(np.unique(documents))}
            found[PERSONAL_TYPES[code]] = counts
        return found

    def _taken_out(self) -> Json:
        table, found = self.removed(), dict[str, Json]()
        names = pc.binary_join_element_wise(table.column("step"), table.column("kind"), ".")
        characters = pc.subtract(table.column("end"), table.column("start"))
        grouped = pa.table({"name": names, "n": characters}).group_by("name")
        for each in grouped.aggregate([("n", "sum"), ("n", "count")]).to_pylist():
            found[each["name"]] = {"places": each["n_count"], "characters": each["n_sum"]}
        return found

    def _by_source(self, characters: NDArray[np.int64]) -> Json:
        found: dict[str, Json] = {}
        end = 0
        for run in self.whole.of.runs[self.number]:
            low, high = np.searchsorted(self.released, (end, end + run.count)).tolist()
            end += run.count
            found[run.file] = {
                "documents_out": high - low,
                "characters_out": int(characters[low:high].sum()),
            }
        return found

    def _labelled(self) -> dict[str, Json]:
        counted = pc.value_counts(self.labels)
        values, counts = counted.field("values").to_pylist(), counted.field("counts").to_pylist()
        pairs = {v: c for v, c in zip(values, counts, strict=True) if v is not None}
        if len(pairs) > LABELS_MAX:
            pairs = {_MANY: sum(pairs.values())}
        return {"labels": pairs, "unlabelled": self.labels.null_count}
