"""What the whole command refuses, and that a refusal leaves nothing behind."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_desk import (
    ROWS,
    SPAM,
    body,
    cleanse,
    refusal,
    request,
    rows_kept,
    table,
)
from corpus_planting import Planter, write_jsonl

from yunhe.corpus import service
from yunhe.corpus.domain import CleanseRequest, Columns
from yunhe.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from yunhe.storage.service import Storage


def test_an_input_that_changes_while_it_is_read_is_refused(
    storage: Storage, tmp_path: Path
) -> None:
    asked = request(tmp_path / "in")

    class Writer:
        def step(self, what: str, *, done: int, total: int | None = None) -> None:
            with asked.path.open("a") as file:
                file.write("\n")

    with pytest.raises(Conflict) as caught:
        service.cleanse(storage, asked, progress=Writer())
    assert caught.value.code == "corpus.input_changed"
    assert rows_kept(storage) == 0


def edit(asked: CleanseRequest, change: Callable[[dict[str, object]], None]) -> CleanseRequest:
    rows = [json.loads(line) for line in asked.path.read_text("utf-8").splitlines()]
    for row in rows:
        change(row)
    write_jsonl(asked.path, rows)
    return asked


def test_ids_that_occur_twice_are_all_named(storage: Storage, tmp_path: Path) -> None:
    asked = edit(request(tmp_path / "in"), lambda row: row.update(id=str(row["id"])[:2]))
    error = refusal(storage, asked)
    assert [(f.code, dict(f.params)) for f in error.findings] == [
        ("corpus.id_twice", {"row": n + 1, "times": 111}) for n in (1, 2, 3)
    ] + [("corpus.id_twice", {"row": n + 1, "times": 11}) for n in range(4, 10)]


def test_ids_and_labels_that_are_personal_details_are_refused_without_showing_them(
    storage: Storage, tmp_path: Path
) -> None:
    planter = Planter(5)
    numbers = iter([planter.phone() for _ in range(402)])
    asked = edit(request(tmp_path / "a"), lambda row: row.update(id=next(numbers)))
    error = refusal(storage, asked)
    assert error.findings[0].code == "corpus.id_personal"
    assert "138" not in error.message("en")
    secret = f"{planter.name()} {planter.resident_id()}"
    asked = edit(request(tmp_path / "b"), lambda row: row.update(label=secret))
    error = refusal(storage, asked)
    assert [f.code for f in error.findings] == ["corpus.labels_personal"]
    assert secret not in error.message("zh")
    labels = iter(range(10_000))
    many = [
        {**row, "id": f"{row['id']}-{n}", "text": f"{row['text']}{n}"}
        for n in range(3)
        for row in ROWS
    ]
    asked = edit(request(tmp_path / "c", many), lambda row: row.update(label=f"l{next(labels)}"))
    assert [f.code for f in refusal(storage, asked).findings] == ["corpus.labels_many"]


def test_nothing_left_is_an_error_and_no_empty_dataset(storage: Storage, tmp_path: Path) -> None:
    asked = request(tmp_path / "in", [SPAM], truth=None)
    error = refusal(storage, asked)
    assert isinstance(error, Invalid)
    assert error.code == "corpus.nothing_left"


def test_a_request_with_several_faults_names_them_all(storage: Storage, tmp_path: Path) -> None:
    asked = request(
        tmp_path / "in", key=" ", licence="", threads=0, columns=Columns("text", "text")
    )
    assert [(f.where, f.code) for f in refusal(storage, asked).findings] == [
        ("key", "corpus.field_empty"),
        ("licence", "corpus.field_empty"),
        ("threads", "corpus.threads_range"),
        ("columns", "corpus.column_reused"),
    ]


def test_faults_of_records_are_counted_and_the_first_twenty_named(
    storage: Storage, tmp_path: Path
) -> None:
    asked = request(tmp_path / "in")
    with asked.path.open("a") as file:
        file.write("{broken\n" * 35)
    error = refusal(storage, asked)
    assert error.code == "corpus.input_faulty"
    assert error.params["count"] == 35
    assert len(error.findings) == 21
    assert error.findings[0].where.startswith("tickets.jsonl:403 (byte ")
    assert dict(error.findings[-1].params)["count"] == 15


def test_damaged_rows_are_counted_and_the_others_released(storage: Storage, tmp_path: Path) -> None:
    asked = request(tmp_path / "in", truth=None)
    with asked.path.open("ab") as file:
        file.write(b'{"id":"bad","label":"x","text":"\xe5\x9d 13812345678"}\n')
        file.write('{"id":"gbk","label":"x","text":"小区门口的路灯又坏了"}\n'.encode("gb18030"))
    made = cleanse(storage, asked)
    decisions = body(made)["decisions"]
    assert decisions["dropped"]["bytes_lost"] == 1  # type: ignore[call-overload,index]
    assert decisions["repaired"] == {"gb18030_row": 1}  # type: ignore[call-overload,index]
    released = table(storage, made.output_digest).column("id").to_pylist()
    assert "gbk" in released
    assert "bad" not in released


def test_missing_files_and_folders_are_told_apart(storage: Storage, tmp_path: Path) -> None:
    asked = request(tmp_path / "in")
    missing = refusal(storage, dataclasses.replace(asked, path=tmp_path / "absent.jsonl"))
    assert isinstance(missing, NotFound)
    assert isinstance(refusal(storage, dataclasses.replace(asked, truth=tmp_path / "no")), NotFound)
    assert (
        refusal(storage, dataclasses.replace(asked, path=tmp_path)).code == "corpus.input_is_folder"
    )


class Full:
    """Blobs on a disk that is full after some blobs."""

    def __init__(self, storage: Storage, after: int) -> None:
        self._blobs, self._left = storage.blobs, after

    def put(self, data: bytes) -> object:
        self._count()
        return self._blobs.put(data)

    def put_file(self, path: Path) -> object:
        self._count()
        return self._blobs.put_file(path)

    def _count(self) -> None:
        if not self._left:
            raise Unavailable("storage.disk_full", where="blobs", free_bytes=0)
        self._left -= 1

    def __getattr__(self, name: str) -> object:
        return getattr(self._blobs, name)


@pytest.mark.parametrize("after", range(5))
def test_a_full_disk_leaves_no_row_and_the_next_run_finishes(
    storage: Storage, tmp_path: Path, after: int
) -> None:
    asked = request(tmp_path / "in")
    with pytest.raises(Unavailable) as caught:
        cleanse(dataclasses.replace(storage, blobs=Full(storage, after)), asked)  # type: ignore[arg-type]
    assert caught.value.code == "storage.disk_full"
    assert rows_kept(storage) == 0
    cleanse(storage, asked)
    assert rows_kept(storage) == 1
