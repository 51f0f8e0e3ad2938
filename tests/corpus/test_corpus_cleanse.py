"""The whole command on real storage: what it leaves, that it repeats itself, what it refuses."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from corpus_desk import (
    ROWS,
    body,
    cleanse,
    request,
    rows_kept,
    sampling,
    table,
)
from pyarrow import parquet

from yunhe.compute.service import limits
from yunhe.corpus import service
from yunhe.corpus.domain import Cleansed, Columns, Decision
from yunhe.custody import service as custody
from yunhe.kernel.canonical import canonical_bytes, sha256
from yunhe.kernel.clock import ManualClock
from yunhe.kernel.errors import Conflict
from yunhe.storage.service import Storage


def test_the_dataset_has_the_released_documents_in_order_and_masked(
    storage: Storage, tmp_path: Path
) -> None:
    made = cleanse(storage, request(tmp_path / "in"))
    data = table(storage, made.output_digest)
    assert data.schema.names == ["id", "text", "label", "group"]
    assert set(data.schema.types) == {pa.string()}
    assert data.column("id").to_pylist() == [row["id"] for row in ROWS]
    assert data.column("label").to_pylist() == [row["label"] for row in ROWS]
    assert set(data.column("group").to_pylist()) <= set(data.column("id").to_pylist())
    assert "[电话]" in "".join(data.column("text").to_pylist())


def test_the_certificate_says_what_happened(storage: Storage, tmp_path: Path) -> None:
    asked = request(tmp_path / "in")
    made = cleanse(storage, asked)
    found = body(made)
    assert found["input"] == {
        "digest": sha256(asked.path.read_bytes()),
        "bytes": asked.path.stat().st_size,
        "encoding": "utf-8",
        "documents": 402,
    }
    assert found["output"] == {"digest": made.output_digest, "documents": 400}
    assert found["source"]["synthetic"] is True  # type: ignore[call-overload,index]
    assert found["decisions"]["dropped"] == {"duplicate": 1, "spam": 1}  # type: ignore[call-overload,index]
    assert [entry["documents"] for entry in found["labels"]] == [134, 133, 133]  # type: ignore[call-overload,union-attr,index]
    assert found["sample"]["documents"] == 400  # type: ignore[call-overload,index]
    assert found["truth"]["recall"]["PHONE"]["share"] == "1.000000"  # type: ignore[call-overload,index]
    assert found["de_identification"]["claim"] == "de-identified"  # type: ignore[call-overload,index]
    planted = {str(span[2]) for row in ROWS for span in row["spans"]}  # type: ignore[attr-defined]
    assert set(found["personal_details"]["by_type"]) == planted  # type: ignore[call-overload,index]
    assert sha256(storage.blobs.read(made.certificate_digest)) == made.certificate_digest
    assert canonical_bytes(made.certificate) == storage.blobs.read(made.certificate_digest)


def test_without_truth_the_certificate_says_so(storage: Storage, tmp_path: Path) -> None:
    made = cleanse(storage, request(tmp_path / "in", truth=None))
    assert body(made)["truth"] == "none given"


def test_custody_holds_source_and_certificate_bound_together(
    storage: Storage, tmp_path: Path
) -> None:
    asked = request(tmp_path / "in")
    made = cleanse(storage, asked)
    with storage.database.read() as tx:
        source = custody.record(tx, made.source_reference)
        certificate = custody.record(tx, made.certificate_reference)
    assert (source.kind, source.subject) == ("data.source", made.source_id)
    assert source.body == {
        "digest": made.input_digest,
        "bytes": asked.path.stat().st_size,
        "name": asked.name,
        "holder": asked.holder,
        "licence": asked.licence,
        "synthetic": True,
    }
    assert (certificate.kind, certificate.subject) == ("data.certificate", made.certificate_id)
    assert certificate.links == {"source": made.source_reference}
    assert certificate.body["output_digest"] == made.output_digest
    assert certificate.body["pipeline_digest"] == body(made)["pipeline"]["digest"]  # type: ignore[call-overload,index]
    assert (certificate.body["documents_in"], certificate.body["documents_out"]) == (402, 400)


def test_no_planted_value_is_in_anything_that_was_stored(storage: Storage, tmp_path: Path) -> None:
    cleanse(storage, request(tmp_path / "in", profile=sampling(50)))
    values = {str(span[3]) for row in ROWS for span in row["spans"]}  # type: ignore[attr-defined]
    files = [file for file in (tmp_path / "blobs").rglob("*") if file.is_file()]
    assert len(files) == 5
    leaks = 0
    for file in files:
        data = file.read_bytes()
        text = (
            str(parquet.read_table(io.BytesIO(data)).to_pydict())
            if data.startswith(b"PAR1")
            else data.decode()
        )
        leaks += sum(value in text for value in values)
    assert leaks == 0
    database = b"".join(file.read_bytes() for file in tmp_path.glob("yunhe.db*"))
    assert not any(value.encode() in database for value in values)


def test_every_decision_and_span_is_a_row_without_its_value(
    storage: Storage, tmp_path: Path
) -> None:
    made = cleanse(storage, request(tmp_path / "in"))
    decisions = table(storage, made.decisions_digest).to_pylist()
    assert [(d["document"], d["row"], d["step"], d["action"], d["reason"]) for d in decisions] == [
        ("copy", 401, "duplicates", "dropped", "duplicate"),
        ("spam", 402, "spam", "dropped", "spam"),
    ]
    spans = table(storage, made.spans_digest)
    assert spans.schema.names == ["document", "type", "start", "end", "score", "reason"]
    planted = {
        (row["id"], *span[:2])
        for row in ROWS
        for span in row["spans"]  # type: ignore[attr-defined]
    }
    found = {(s["document"], s["start"], s["end"]) for s in spans.to_pylist()}
    assert planted <= found


def test_any_document_leads_to_its_decisions_and_its_spans(
    storage: Storage, tmp_path: Path
) -> None:
    made = cleanse(storage, request(tmp_path / "in"))
    [decision] = service.decisions_of(storage, made.decisions_digest, document="spam")
    assert dataclasses.replace(decision, score=None, version=1) == Decision(
        "spam", 402, "spam", 1, "dropped", "spam"
    )
    assert len(service.decisions_of(storage, made.decisions_digest)) == 2
    planted = next(row for row in ROWS if len(row["spans"]) == 3)  # type: ignore[arg-type]
    spans = service.spans_of(storage, made.spans_digest, document=str(planted["id"]))
    assert [[span.start, span.end, span.type] for span in spans] == [
        span[:3]
        for span in planted["spans"]  # type: ignore[attr-defined]
    ]
    assert {span.document for span in spans} == {planted["id"]}


def test_the_sample_is_drawn_from_the_released_documents(storage: Storage, tmp_path: Path) -> None:
    made = cleanse(storage, request(tmp_path / "in", profile=sampling(50)))
    data = table(storage, made.output_digest).to_pylist()
    sample = table(storage, made.sample_digest).to_pylist()
    assert len(sample) == 50
    assert [row for row in data if row in sample] == sample


@pytest.mark.parametrize("threads", [2, 5])
def test_the_number_of_threads_changes_no_byte(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr("yunhe.corpus.readers.blocks.blocks.__kwdefaults__", {
        "block_bytes": 5000, "line_bytes_max": 1 << 20,
    })  # fmt: skip
    one = cleanse(storage, request(tmp_path / "in"))
    several = cleanse(storage, request(tmp_path / "in", key="run-2", threads=threads))
    assert body(several) == body(one)
    assert several.certificate_id != one.certificate_id


def test_how_the_input_is_cut_into_blocks_changes_no_byte(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = cleanse(storage, request(tmp_path / "in"))
    monkeypatch.setattr("yunhe.corpus.readers.blocks.blocks.__kwdefaults__", {
        "block_bytes": 701, "line_bytes_max": 1 << 20,
    })  # fmt: skip
    cut = cleanse(storage, request(tmp_path / "in", key="run-2"))
    assert body(cut) == body(whole)


def test_the_same_rows_give_the_same_dataset_from_every_format(
    storage: Storage, tmp_path: Path
) -> None:
    asked = request(tmp_path / "in", truth=None)
    tickets = [json.loads(line) for line in asked.path.read_text("utf-8").splitlines()]
    parquet.write_table(pa.Table.from_pylist(tickets), tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_bytes(asked.path.read_text("utf-8").encode("gb18030"))
    digests = {cleanse(storage, asked).output_digest}
    for number, name in enumerate(("t.parquet", "t.jsonl")):
        again = dataclasses.replace(asked, key=f"k{number}", path=tmp_path / name)
        digests.add(cleanse(storage, again).output_digest)
    assert len(digests) == 1


def test_the_same_key_again_is_the_same_answer_without_a_second_effect(
    storage: Storage, clock: ManualClock, tmp_path: Path
) -> None:
    asked = request(tmp_path / "in")
    first = cleanse(storage, asked)
    clock.advance(seconds=3600)
    assert cleanse(storage, dataclasses.replace(asked, threads=2)) == first
    assert rows_kept(storage) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"licence": "MIT"},
        {"synthetic": False},
        {"columns": Columns("text", None, "id")},
        {"truth": None},
        {"profile": service.load_profile().with_value("spam", "points_min", 9, source="test")},
    ],
)
def test_the_same_key_for_another_cleansing_is_refused(
    storage: Storage, tmp_path: Path, change: dict[str, object]
) -> None:
    asked = request(tmp_path / "in")
    cleanse(storage, asked)
    with pytest.raises(Conflict) as caught:
        cleanse(storage, dataclasses.replace(asked, **change))  # type: ignore[arg-type]
    assert caught.value.code == "corpus.request_differs"


def test_another_input_under_the_same_key_is_refused(storage: Storage, tmp_path: Path) -> None:
    asked = request(tmp_path / "in")
    cleanse(storage, asked)
    with asked.path.open("a") as file:
        file.write('{"id": "new", "text": "多出来的一行", "label": "x"}\n')
    with pytest.raises(Conflict):
        cleanse(storage, asked)


def test_progress_counts_documents(storage: Storage, tmp_path: Path) -> None:
    steps: list[tuple[str, int]] = []

    class Counter:
        def step(self, what: str, *, done: int, total: int | None = None) -> None:
            steps.append((what, done))

    service.cleanse(storage, request(tmp_path / "in"), progress=Counter())
    assert steps[-1] == ("corpus.documents", 402)


def test_ids_are_made_from_row_numbers_where_none_are_mapped(
    storage: Storage, tmp_path: Path
) -> None:
    asked = request(tmp_path / "in", truth=None, columns=Columns("text"))
    data = table(storage, cleanse(storage, asked).output_digest)
    assert data.column("id").to_pylist()[:2] == ["row-1", "row-2"]
    assert data.column("label").null_count == len(data)


def test_two_runs_at_once_end_with_one_certificate(storage: Storage, tmp_path: Path) -> None:
    asked = request(tmp_path / "in")
    inner: list[Cleansed] = []

    class Rival:
        def step(self, what: str, *, done: int, total: int | None = None) -> None:
            if not inner:
                inner.append(cleanse(storage, asked))

    outer = service.cleanse(storage, asked, progress=Rival())
    assert outer == inner[0]
    assert rows_kept(storage) == 1


def test_what_is_made_of_a_limited_file_is_limited(storage: Storage, tmp_path: Path) -> None:
    asked = request(tmp_path / "in")
    digest = sha256(asked.path.read_bytes())
    with storage.database.begin() as tx:
        limits.limit_data(tx, digest, ["CN"], reason="terms", by="member_1", at_us=1)
    made = cleanse(storage, asked)
    with storage.database.read() as tx:
        [said] = limits.said(tx, what="data", subject=made.output_digest)
    assert (said.jurisdictions, said.by) == (("CN",), "")
