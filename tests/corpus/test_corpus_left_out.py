"""What of an input is not used is named: columns nobody asked for, and damaged row groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from corpus_engine_desk import job, names, write_rows
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from yunhe.corpus import cleaning
from yunhe.corpus.domain import Columns
from yunhe.corpus.engine import run
from yunhe.corpus.reading import open_input
from yunhe.corpus.running.columns import NAMES_MAX, left_out
from yunhe.kernel.progress import Silent

NAMED = Columns("text", id="id")
ROW = {"id": "a", "text": "一段文字", "label": "x", "score": 3, "meta": {"url": "u"}}


def columns_of(path: Path, columns: Columns = NAMED) -> Any:
    made = job(path.parent, path, columns=columns)
    return run(made, progress=Silent()).manifest["columns_left_out"]


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv", "parquet"])
def test_columns_that_nobody_asked_for_are_named_once(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"in.{ending}"
    rows = [ROW, {**ROW, "id": "b", "text": "另一段"}]
    if ending == "jsonl":
        write_rows(path, rows)
    elif ending == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        mark = "\t" if ending == "tsv" else ","
        lines = [mark.join(ROW), *(mark.join(str(row[name]) for name in ROW) for row in rows)]
        path.write_text("\n".join(line.replace("'", "") for line in lines) + "\n")
    assert columns_of(path) == {"names": ["label", "score", "meta"], "others": 0}


def test_a_column_within_another_is_asked_for_and_text_has_no_columns(tmp_path: Path) -> None:
    nested = {"a": {"text": "一段文字", "b": 1}, "c": 2}
    source = write_rows(tmp_path / "in.jsonl", [nested])
    assert columns_of(source, Columns("a.text")) == {"names": ["c"], "others": 0}
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "in.txt").write_text("只有文字。")
    assert columns_of(tmp_path / "t" / "in.txt", Columns("text")) == {"names": [], "others": 0}


def test_several_files_give_each_name_once_in_their_order(tmp_path: Path) -> None:
    first = write_rows(tmp_path / "a.jsonl", [{"id": "a", "text": "t", "z": 1, "y": 1}])
    second = write_rows(tmp_path / "b.jsonl", [{"id": "b", "text": "u", "y": 1, "x": 1}])
    done = run(job(tmp_path, first, second, columns=NAMED), progress=Silent())
    assert done.manifest["columns_left_out"] == {"names": ["z", "y", "x"], "others": 0}
    assert cleaning.columns_left_out(done) == ["z", "y", "x"]
    again = run(job(tmp_path, first, second, columns=NAMED), progress=Silent())
    assert again.repeated
    assert cleaning.columns_left_out(again) == ["z", "y", "x"]


def test_a_name_that_is_a_personal_detail_or_no_name_is_counted_only() -> None:
    odd = ["text", "13800138000", "wang@example.com", "", "长" * 65, "plain"]
    said = left_out([odd], Columns("text"))
    assert "wang@example.com" not in json.dumps(said)
    assert "plain" in said["names"]  # type: ignore[operator]
    assert "长" not in json.dumps(said, ensure_ascii=False)
    many = left_out([[f"c{n}" for n in range(NAMES_MAX + 5)]], Columns("text"))
    assert many == {"names": [f"c{n}" for n in range(NAMES_MAX)], "others": 5}


@given(st.lists(st.lists(st.sampled_from("abcdefg"), max_size=7), max_size=4))
def test_every_column_is_asked_for_named_or_counted(files: list[list[str]]) -> None:
    said: Any = left_out(files, Columns("a", label="b", id="c.x"))
    there = {name for file in files for name in file}
    assert set(said["names"]) == there - {"a", "b", "c"}
    assert said["others"] == 0
    assert len(said["names"]) == len(set(said["names"]))


def damaged(path: Path, group: int) -> list[str]:
    """A file of three groups of 500 rows, one of them with bytes changed in the middle."""
    texts = [f"第{n}篇 {n * 7919}" for n in range(1500)]
    table = pa.table({"id": [f"n{n}" for n in range(1500)], "text": texts})
    parquet.write_table(table, path, row_group_size=500, use_dictionary=False, compression="gzip")
    about = parquet.ParquetFile(path).metadata.row_group(group)
    column = about.column(1)
    data = bytearray(path.read_bytes())
    at = column.data_page_offset + column.total_compressed_size // 2
    data[at : at + 200] = bytes(200)
    path.write_bytes(data)
    return [f"n{n}" for n in range(1500) if n // 500 != group]


@pytest.mark.parametrize("group", [0, 1, 2])
def test_a_damaged_row_group_is_named_with_its_rows_and_the_others_are_read(
    tmp_path: Path, group: int
) -> None:
    expected = damaged(tmp_path / "in.parquet", group)
    made = job(tmp_path, tmp_path / "in.parquet", columns=NAMED)
    done = run(made, progress=Silent())
    assert names(made.out) == [name for name in expected if name in set(names(made.out))]
    assert done.unread == ("in.parquet",)
    [finding] = [each for each in done.findings if each.code == "corpus.parquet_damaged"]
    assert dict(finding.params) == {
        "group": group + 1, "row": group * 500 + 1, "last": (group + 1) * 500,
    }  # fmt: skip
    with open_input(tmp_path / "in.parquet", NAMED) as opened:
        read = [name for task in opened.tasks for name in task().batch.column("id").to_pylist()]
    assert read == expected
    assert str(group * 500 + 1) in finding.message("zh")


def test_a_page_whose_checksum_is_wrong_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    table = pa.table({"id": ["a", "b"], "text": ["甲" * 50, "乙" * 50]})
    parquet.write_table(
        table, path, row_group_size=1, compression="none", use_dictionary=False,
        write_page_checksum=True, write_statistics=False,
    )  # fmt: skip
    data = path.read_bytes()
    path.write_bytes(data.replace(("甲" * 50).encode(), ("丙" * 50).encode(), 1))
    with open_input(path, NAMED) as opened:
        parsed = [task() for task in opened.tasks]
    assert [name for each in parsed for name in each.batch.column("id").to_pylist()] == ["b"]
    assert [finding.code for each in parsed for finding in each.findings] == [
        "corpus.parquet_damaged"
    ]


def test_a_file_without_its_end_says_that_none_of_it_could_be_read(tmp_path: Path) -> None:
    damaged(tmp_path / "in.parquet", 0)
    data = (tmp_path / "in.parquet").read_bytes()
    (tmp_path / "in.parquet").write_bytes(data[:-100])
    good = write_rows(tmp_path / "z.jsonl", [ROW])
    done = run(job(tmp_path, tmp_path / "in.parquet", good, columns=NAMED), progress=Silent())
    assert [each.code for each in done.findings] == ["corpus.parquet_unopened"]
    assert done.unread == ("in.parquet",)
