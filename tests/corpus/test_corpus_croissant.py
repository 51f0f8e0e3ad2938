"""The Croissant description: valid, and its records are read back, offline."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from yunhe.corpus.datasheet import writing
from yunhe.kernel.canonical import sha256

mlcroissant = pytest.importorskip("mlcroissant")
COLUMNS = ("id", "text", "label", "group", "source")


def folder(path: Path, *, parts: int, packed: bool = False) -> Path:
    """An output folder as the engine leaves it, of so many parts of ten documents."""
    (path / "documents").mkdir(parents=True)
    listed = []
    for part in range(parts):
        names = [f"d{part}-{n}" for n in range(10)]
        table = pa.table({
            "id": names, "text": [f"第{name}件，请打[电话]。" for name in names],
            "label": ["路", None] * 5, "group": names, "source": ["a.jsonl"] * 10,
        })  # fmt: skip
        name = f"documents/part-{part:05d}.{'jsonl.zst' if packed else 'parquet'}"
        parquet.write_table(table, path / name)
        data = (path / name).read_bytes()
        about = {"name": name, "digest": sha256(data), "bytes": len(data), "rows": 10}
        listed.append({"documents": about})
    steps = [{"name": "personal", "version": 2, "data": {}}]
    manifest = {
        "source": {"name": "热线 tickets", "holder": "Our City", "licence": "CC-BY-4.0"},
        "inputs": [{"name": "a.jsonl", "digest": "sha256:" + "1" * 64, "bytes": 5, "documents": 9}],
        "pipeline": {"digest": "sha256:" + "2" * 64, "steps": steps},
        "parts": listed,
        "residual_risk": {
            "PHONE": {
                "probes": 400,
                "found": 399,
                "low_per_thousand": 985,
                "high_per_thousand": 1000,
            }
        },
    }
    statistics = {
        "documents_in": 10 * parts + 1, "documents_out": 10 * parts,
        "dropped": {"spam": {"spam": 1}}, "details": {"PHONE": {"spans": 7, "documents": 6}},
    }  # fmt: skip
    (path / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    (path / "statistics.json").write_text(json.dumps(statistics), "utf-8")
    writing.write(path, "en")
    return path


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("parts", [1, 3])
def test_every_record_of_every_part_is_read_back(tmp_path, parts):
    out = folder(tmp_path / "OUT", parts=parts)
    dataset = mlcroissant.Dataset(jsonld=out / "croissant.json")
    assert not dataset.metadata.issues.errors
    records = list(dataset.records("document"))
    found = {record["document/id"]: record["document/text"] for record in records}
    assert set(records[0]) == {f"document/{name}" for name in COLUMNS}
    assert len(found) == len(records) == 10 * parts
    assert {name: text.decode() for name, text in found.items()} == {
        name: f"第{name.decode()}件，请打[电话]。" for name in found
    }


@pytest.mark.usefixtures("offline")
def test_packed_parts_are_named_with_their_digests_only(tmp_path):
    out = folder(tmp_path / "OUT", parts=2, packed=True)
    dataset = mlcroissant.Dataset(jsonld=out / "croissant.json")
    assert not dataset.metadata.issues.errors
    described = json.loads((out / "croissant.json").read_text("utf-8"))
    assert "recordSet" not in described
    for file in described["distribution"]:
        data = (out / file["contentUrl"]).read_bytes()
        assert sha256(data) == f"sha256:{file['sha256']}"


def test_fields_of_responsible_use_say_what_was_done_and_what_remains(tmp_path):
    out = folder(tmp_path / "OUT", parts=1)
    described = json.loads((out / "croissant.json").read_text("utf-8"))
    assert described["conformsTo"] == [
        "http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0",
    ]  # fmt: skip
    personal = described["rai:personalSensitiveInformation"]
    assert personal[0].startswith("de-identified (去标识化)")
    assert personal[1].endswith(": 7 masked in 6 documents")
    assert "399 of 400 planted probes found (95 % interval 0.985 to 1.000)" in personal[2]
    assert described["rai:dataManipulationProtocol"] == ["spam: 1 documents"]
    assert described["rai:dataPreprocessingProtocol"][0] == "personal version 2"
    assert "Our City" in described["rai:dataCollection"]
    assert "anonymised" not in json.dumps(described)


def test_a_certificate_is_described_with_the_one_file_it_names(tmp_path):
    table = pa.table({name: ["x"] for name in COLUMNS[:4]})
    parquet.write_table(table, tmp_path / "dataset.parquet")
    digest = sha256((tmp_path / "dataset.parquet").read_bytes())
    body = {"source": {"name": "s", "licence": "MIT"}, "output": {"digest": digest, "documents": 1}}
    issued = {"id": "certificate_a", "issued_at": "2026-01-01T00:00:00Z", "body": body}
    (tmp_path / "croissant.json").write_bytes(writing.croissant_of_certificate(issued, []))
    dataset = mlcroissant.Dataset(jsonld=tmp_path / "croissant.json")
    assert not dataset.metadata.issues.errors
    assert len(list(dataset.records("document"))) == 1
