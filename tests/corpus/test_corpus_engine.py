"""A run over files: what it leaves, that nothing but content decides, what it refuses."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from corpus_engine_desk import COLUMNS, ROWS, digests, job, many, names, profile, rows, write_rows

from yunhe.corpus import engine
from yunhe.corpus.domain import Columns
from yunhe.corpus.engine import RejectsKey, run, trace
from yunhe.corpus.rejects import new_key, read_rejects
from yunhe.corpus.running.folder import locked
from yunhe.corpus.statistics import Statistics
from yunhe.kernel.errors import Conflict, Invalid, NotFound
from yunhe.kernel.progress import Silent

QUIET = Silent()


@pytest.fixture
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yunhe.corpus.running.intake.UNIT_BYTES", 6_000)
    monkeypatch.setattr("yunhe.corpus.readers.blocks.blocks.__kwdefaults__", {
        "block_bytes": 2_000, "line_bytes_max": 1 << 20,
    })  # fmt: skip


def test_released_documents_carry_id_text_label_group_and_source(tmp_path: Path) -> None:
    made = job(tmp_path, write_rows(tmp_path / "in.jsonl", ROWS), profile=profile(keep="all"))
    done = run(made, progress=QUIET)
    assert rows(made.out, "documents") == [
        {"id": "a", "text": "good 一段文字", "label": "x", "group": "a", "source": "in.jsonl"},
        {"id": "d", "text": "mend me[邮箱]here", "label": "y", "group": "d", "source": "in.jsonl"},
        {"id": "e", "text": "good 一段文字", "label": None, "group": "a", "source": "in.jsonl"},
        {
            "id": "f",
            "text": "two [邮箱] and [邮箱]",
            "label": "x",
            "group": "f",
            "source": "in.jsonl",
        },
    ]
    assert (done.faults, done.unread, done.findings, done.repeated) == (0, (), (), False)
    assert not made.out.with_name("OUT.work").exists()


def test_every_decision_is_a_row_with_its_score(tmp_path: Path) -> None:
    made = job(tmp_path, write_rows(tmp_path / "in.jsonl", ROWS))
    run(made, progress=QUIET)
    columns = ("document", "row", "step", "version", "action", "reason", "score", "source")
    assert [tuple(row[name] for name in columns) for row in rows(made.out, "decisions")] == [
        ("b", 2, "engine_trim", 3, "dropped", "told_to", 0, "in.jsonl"),
        ("c", 3, "engine_trim", 3, "dropped", "noisy", 4, "in.jsonl"),
        ("d", 4, "engine_trim", 3, "repaired", "mended", None, "in.jsonl"),
        ("e", 5, "engine_once", 1, "dropped", "again", 100, "in.jsonl"),
    ]
    assert [(s["document"], s["start"], s["end"], s["type"]) for s in rows(made.out, "spans")] == [
        ("d", 7, 8, "EMAIL"),
        ("f", 4, 5, "EMAIL"),
        ("f", 10, 11, "EMAIL"),
    ]
    assert rows(made.out, "removed") == [
        {"document": "d", "step": "engine_trim", "kind": "noise", "start": 5, "end": 6}
    ]


def test_statistics_count_what_is_in_the_tables(tmp_path: Path) -> None:
    made = job(tmp_path, write_rows(tmp_path / "in.jsonl", ROWS))
    run(made, progress=QUIET)
    found = Statistics.of_json(json.loads((made.out / "statistics.json").read_text()))
    assert (found.documents_in, found.documents_out) == (6, 3)
    assert found.characters_in == sum(len(str(row["text"])) for row in ROWS)
    assert found.characters_out == sum(len(row["text"]) for row in rows(made.out, "documents"))
    assert found.dropped == {"engine_once": {"again": 1}, "engine_trim": {"noisy": 1, "told_to": 1}}
    assert found.repaired == {"engine_trim": {"mended": 1}}
    assert found.details == {"EMAIL": {"documents": 2, "spans": 3}}
    assert found.removed == {"engine_trim.noise": {"characters": 1, "places": 1}}
    assert found.clusters == {"000000002": 1}
    assert found.released_groups == {"000000001": 3}
    assert found.labels == {"x": 2, "y": 1}
    assert sum(found.lengths_in.values()) == 6
    assert found.sources["in.jsonl"]["documents_out"] == 3


def test_the_manifest_names_every_byte_of_the_output_and_of_the_input(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", ROWS)
    made = job(tmp_path, source, source={"name": "tickets", "licence": "CC0-1.0"})
    manifest = json.loads(json.dumps(run(made, progress=QUIET).manifest))
    there = {name: f"sha256:{digest}" for name, digest in digests(made.out).items()}
    del there["manifest.json"]
    listed = [*manifest["files"], *(file for part in manifest["parts"] for file in part.values())]
    assert {file["name"]: file["digest"] for file in listed} == there
    assert manifest["inputs"] == [{
        "name": "in.jsonl", "format": "jsonl", "encoding": "utf-8", "documents": 6,
        "digest": f"sha256:{hashlib.sha256(source.read_bytes()).hexdigest()}",
        "bytes": source.stat().st_size,
    }]  # fmt: skip
    assert manifest["source"] == {"name": "tickets", "licence": "CC0-1.0"}
    assert manifest == json.loads((made.out / "manifest.json").read_text("utf-8"))


@pytest.mark.parametrize("threads", [2, 5])
@pytest.mark.parametrize("kind", ["parquet", "jsonl.zst"])
@pytest.mark.usefixtures("small_units")
def test_the_number_of_threads_changes_no_byte(tmp_path: Path, threads: int, kind: str) -> None:
    inputs = [write_rows(tmp_path / f"{n}.jsonl", many(300, name=n)) for n in "pq"]
    one = job(tmp_path / "one", *inputs, format=kind)
    several = job(tmp_path / "several", *inputs, format=kind, threads=threads)
    run(one, progress=QUIET)
    run(several, progress=QUIET)
    assert len(json.loads((one.out / "manifest.json").read_text())["units"]) > 4
    assert digests(one.out) == digests(several.out)


def test_where_units_are_cut_changes_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_rows(tmp_path / "in.jsonl", many(500))
    whole = job(tmp_path / "whole", source, profile=profile(keep="all"))
    run(whole, progress=QUIET)
    monkeypatch.setattr("yunhe.corpus.running.intake.UNIT_BYTES", 1)
    monkeypatch.setattr("yunhe.corpus.readers.blocks.blocks.__kwdefaults__", {
        "block_bytes": 700, "line_bytes_max": 1 << 20,
    })  # fmt: skip
    cut = job(tmp_path / "cut", source, profile=profile(keep="all"))
    run(cut, progress=QUIET)
    for kind in ("documents", "decisions", "spans", "removed"):
        assert rows(cut.out, kind) == rows(whole.out, kind)
    statistics = [json.loads((each.out / "statistics.json").read_text()) for each in (whole, cut)]
    assert statistics[0] == statistics[1]
    assert statistics[0]["clusters"] != {}


def test_json_lines_say_the_same_as_parquet(tmp_path: Path) -> None:
    odd = [{"id": f'"{n}\\', "text": text, "label": None} for n, text in enumerate(
        ['say "hi"\\', "tab\tline\nend\r\x01\x1f", "emoji 😀 𠮷", "\u2028\u007f"]
    )]  # fmt: skip
    source = write_rows(tmp_path / "in.jsonl", odd)
    columnar, lines = job(tmp_path / "a", source), job(tmp_path / "b", source, format="jsonl.zst")
    run(columnar, progress=QUIET)
    run(lines, progress=QUIET)
    assert rows(lines.out, "documents") == rows(columnar.out, "documents")
    assert [row["text"] for row in rows(lines.out, "documents")] == [row["text"] for row in odd]


@pytest.mark.usefixtures("small_units")
def test_rows_are_counted_file_by_file_and_documents_without_a_name_by_number(
    tmp_path: Path,
) -> None:
    inputs = [write_rows(tmp_path / f"{n}.jsonl", many(200, copies=1000)) for n in "pq"]
    chosen = profile(keep="all", noise_max=10)
    made = job(tmp_path, *inputs, columns=Columns("text"), profile=chosen)
    run(made, progress=QUIET)
    assert names(made.out) == [f"row-{n}" for n in range(1, 401)]
    found = trace(made.out, "row-300")
    assert (found["source"], found["row"], found["group"]) == ("q.jsonl", 100, "row-100")


def test_ids_that_are_there_already_are_told_apart_and_reported(tmp_path: Path) -> None:
    inputs = [write_rows(tmp_path / f"{n}.jsonl", ROWS[:1]) for n in "pq"]
    made = job(tmp_path, *inputs, profile=profile(keep="all"))
    done = run(made, progress=QUIET)
    assert names(made.out) == ["a", "a~2"]
    assert [(f.code, dict(f.params)) for f in done.findings] == [
        ("corpus.id_twice", {"row": 1, "times": 2})
    ]
    assert done.faults == 1
    assert trace(made.out, "a~2")["source"] == "q.jsonl"
    assert rows(made.out, "documents")[1]["group"] == "a"


def test_ids_and_labels_that_are_personal_details_do_not_go_out(tmp_path: Path) -> None:
    secret = "someone.private@example.com"
    made = job(
        tmp_path,
        write_rows(
            tmp_path / "in.jsonl", [{**ROWS[0], "id": secret}, {**ROWS[3], "label": secret}]
        ),
    )
    done = run(made, progress=QUIET)
    assert names(made.out) == ["row-1", "d"]
    assert [row["label"] for row in rows(made.out, "documents")] == ["x", None]
    assert [f.code for f in done.findings] == ["corpus.id_personal", "corpus.labels_personal"]
    assert not any(secret.encode() in path.read_bytes() for path in made.out.rglob("*.json"))


def test_a_finished_output_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = job(tmp_path, write_rows(tmp_path / "in.jsonl", ROWS))
    first = run(made, progress=QUIET)
    before = digests(made.out)
    monkeypatch.setattr("yunhe.corpus.engine.stages", None)
    again = run(made, progress=QUIET)
    assert again.repeated
    assert again.manifest == json.loads(json.dumps(first.manifest))
    assert digests(made.out) == before
    assert not made.out.with_name("OUT.work").exists()


@pytest.mark.parametrize("change", ["input", "profile", "format", "columns", "source", "more"])
def test_the_output_of_another_job_is_not_overwritten(tmp_path: Path, change: str) -> None:
    source = write_rows(tmp_path / "in.jsonl", ROWS)
    made = job(tmp_path, source)
    run(made, progress=QUIET)
    before = digests(made.out)
    other = {
        "input": lambda: made,
        "profile": lambda: replace(made, profile=profile(noise_max=4)),
        "format": lambda: replace(made, format="jsonl.zst"),
        "columns": lambda: replace(made, columns=Columns("text")),
        "source": lambda: replace(made, source={"name": "other"}),
        "more": lambda: job(tmp_path, source, write_rows(tmp_path / "b.jsonl", ROWS)),
    }[change]()
    if change == "input":
        write_rows(source, ROWS[1:])
    with pytest.raises(Conflict) as caught:
        run(other, progress=QUIET)
    assert caught.value.code == "corpus.out_other"
    assert digests(made.out) == before


def test_a_folder_that_holds_anything_else_is_not_touched(tmp_path: Path) -> None:
    made = job(tmp_path, write_rows(tmp_path / "in.jsonl", ROWS))
    made.out.mkdir()
    (made.out / "thesis.txt").write_text("precious")
    with pytest.raises(Conflict) as caught:
        run(made, progress=QUIET)
    assert caught.value.code == "corpus.out_taken"
    (made.out / "thesis.txt").unlink()
    run(made, progress=QUIET)  # an empty one is taken
    assert names(made.out) == ["a", "d", "f"]


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    made = job(tmp_path, write_rows(tmp_path / "in.jsonl", ROWS))
    with locked(made.out.with_name("OUT.work")), pytest.raises(Conflict) as caught:
        run(made, progress=QUIET)
    assert caught.value.code == "corpus.out_busy"
    assert caught.value.retryable
    run(made, progress=QUIET)


def test_a_bad_file_and_bad_rows_are_reported_and_the_others_finish(tmp_path: Path) -> None:
    good = write_rows(tmp_path / "a.jsonl", ROWS[:1])
    with good.open("a") as file:
        file.write('{broken\n{"id": "z", "text": "the last one", "label": "x"}\n')
    (tmp_path / "b.csv").write_text("wrong,columns\n1,2\n")
    (tmp_path / "c.parquet").write_bytes(b"PAR1 not really")
    last = write_rows(tmp_path / "d.jsonl", ROWS[5:])
    made = job(tmp_path, good, tmp_path / "b.csv", tmp_path / "c.parquet", last)
    done = run(made, progress=QUIET)
    assert names(made.out) == ["a", "z", "f"]
    assert done.unread == ("b.csv", "c.parquet")
    places = {finding.where: finding.code for finding in done.findings}
    assert places.pop("c.parquet") == "corpus.parquet_unopened"
    assert places.pop("b.csv:1") == "corpus.column_missing"
    [(where, code)] = places.items()
    assert where.startswith("a.jsonl:2 (byte ")
    assert code == "corpus.json_broken"
    assert done.faults == len(done.findings) == 5
    assert done.manifest["unread"] == ["b.csv", "c.parquet"]
    again = run(made, progress=QUIET)
    assert (again.repeated, again.faults, again.unread) == (True, 5, done.unread)


def test_inputs_without_a_single_document_are_an_error_and_leave_no_output(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{broken\n")
    made = job(tmp_path, tmp_path / "a.jsonl")
    with pytest.raises(Invalid) as caught:
        run(made, progress=QUIET)
    assert caught.value.code == "corpus.input_faulty"
    assert not made.out.exists()


def test_an_output_without_documents_still_says_why(tmp_path: Path) -> None:
    made = job(tmp_path, write_rows(tmp_path / "in.jsonl", ROWS[1:3]))
    run(made, progress=QUIET)
    assert not (made.out / "documents").exists()
    assert [row["reason"] for row in rows(made.out, "decisions")] == ["told_to", "noisy"]
    assert trace(made.out, "c")["released"] is False


def test_a_trace_leads_from_a_document_to_all_that_is_known_of_it(tmp_path: Path) -> None:
    for kind in ("parquet", "jsonl.zst"):
        made = job(tmp_path / kind, write_rows(tmp_path / "in.jsonl", ROWS), format=kind)
        run(made, progress=QUIET)
        found = trace(made.out, "d")
        assert (found["source"], found["row"], found["released"]) == ("in.jsonl", 4, True)
        assert [each["reason"] for each in found["decisions"]] == ["mended"]
        assert [(each["start"], each["type"]) for each in found["spans"]] == [(7, "EMAIL")]
        assert [each["kind"] for each in found["removed"]] == ["noise"]
        assert (found["group"], found["label"]) == ("d", "y")
        dropped = trace(made.out, "e")
        assert (dropped["released"], dropped["group"]) == (False, None)
        with pytest.raises(NotFound) as caught:
            trace(made.out, "nobody")
        assert caught.value.code == "corpus.document_unknown"
    with pytest.raises(NotFound):
        trace(tmp_path, "a")


@pytest.mark.usefixtures("small_units")
def test_rejects_are_kept_only_if_asked_for_and_only_for_who_has_the_key(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", [*ROWS, *many(200)])
    plain = job(tmp_path / "plain", source)
    run(plain, progress=QUIET)
    assert not (plain.out / "rejects").exists()
    new_key(tmp_path / "key")
    asked = RejectsKey(tmp_path / "key", date(2027, 1, 31))
    made = [job(tmp_path / name, source, rejects=asked) for name in "ab"]
    for each in made:
        run(each, progress=QUIET)
    assert digests(made[0].out) == digests(made[1].out)
    found = [
        row
        for path in sorted((made[0].out / "rejects").glob("*.sealed"))
        for row in read_rejects(path, tmp_path / "key").to_pylist()
    ]
    texts = {row["id"]: row["text"] for row in [*ROWS, *many(200)]}
    assert [row["document"] for row in found[:3]] == ["b", "c", "e"]
    assert all(row["text"] == texts[row["document"]] for row in found)
    drops = [row for row in rows(made[0].out, "decisions") if row["action"] == "dropped"]
    assert [(row["document"], row["reason"]) for row in found] == [
        (row["document"], row["reason"]) for row in drops
    ]
    manifest = json.loads((made[0].out / "manifest.json").read_text())
    assert manifest["rejects"]["delete_after"] == "2027-01-31"
    assert not any(b"drop this" in path.read_bytes() for path in made[0].out.rglob("*.sealed"))


def test_progress_tells_bytes_documents_and_parts(tmp_path: Path) -> None:
    steps: list[tuple[str, int, int | None]] = []

    class Counter:
        def step(self, what: str, *, done: int, total: int | None = None) -> None:
            steps.append((what, done, total))

    source = write_rows(tmp_path / "in.jsonl", ROWS)
    run(job(tmp_path, source), progress=Counter())
    size = source.stat().st_size
    assert steps == [
        ("corpus.bytes", size, size),
        ("corpus.documents", 6, None),
        ("corpus.parts", 1, 1),
    ]


def test_the_corpus_in_memory_says_the_same_as_the_output(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.jsonl", many(300))
    made = job(tmp_path, source, profile=profile(keep="all"))
    run(made, progress=QUIET)
    corpus = engine.cleanse(
        source, COLUMNS, engine.build(profile(keep="all")), threads=2, progress=QUIET
    )
    released = rows(made.out, "documents")
    assert corpus.texts.to_pylist() == [row["text"] for row in released]
    ids = corpus.names.take(corpus.rows).to_pylist()
    assert ids == [row["id"] for row in released]
    assert [ids[first] for first in corpus.groups.tolist()] == [row["group"] for row in released]
    assert len(corpus.spans) == len(rows(made.out, "spans"))
    assert sum(len(marks.rows) for marks in corpus.drops) == corpus.documents - len(released)
