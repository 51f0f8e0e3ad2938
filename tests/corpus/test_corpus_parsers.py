"""The bulk parsers read what the careful ones read."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.corpus.domain import Columns
from yunhe.corpus.encoding import CLEAN
from yunhe.corpus.readers import blocks, delimited, lines

COLUMNS = Columns("text", "label", "id")
ROWS = [
    {"id": "a", "text": "路灯坏了，请派人来修。", "label": "市政"},
    {"id": "b", "text": '两行\n文字, 和"引号"', "label": "环保"},
    {"id": "c", "text": "", "label": None},
    {"id": "d", "text": "表情😀与生僻字𠮷", "label": "市政"},
]
SPARSE_BYTES = 200 << 20


def jsonl(path: Path, records: list[dict[str, object]], encoding: str = "utf-8") -> Path:
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_bytes(text.encode(encoding))
    return path


def as_csv(path: Path, records: list[dict[str, object]], encoding: str = "utf-8") -> Path:
    sink = io.StringIO()
    writer = csv.DictWriter(sink, ["id", "label", "text"], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(records)
    path.write_bytes(sink.getvalue().encode(encoding))
    return path


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries({"id": TEXT, "text": TEXT, "label": TEXT | st.none()}), min_size=1
    )
)
def test_the_bulk_parser_reads_json_like_the_careful_one(
    tmp_path: Path, records: list[dict[str, object]]
) -> None:
    data = jsonl(tmp_path / "in.jsonl", records).read_bytes()
    layout = lines._layout(tmp_path / "in.jsonl", COLUMNS, head=data, encoding="utf-8")[0]
    block = blocks.Block(data, 1, 0)
    bulk, careful = lines._in_bulk(block, layout), lines._line_by_line(block, layout)
    assert careful.batch.to_pylist() == [{**record, "damage": CLEAN} for record in records]
    if bulk is not None:
        assert bulk.batch.to_pylist() == careful.batch.to_pylist()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.fixed_dictionaries({"id": TEXT, "text": TEXT, "label": TEXT}), min_size=1))
def test_the_bulk_parser_reads_csv_like_the_careful_one(
    tmp_path: Path, records: list[dict[str, object]]
) -> None:
    data = as_csv(tmp_path / "in.csv", records).read_bytes()
    layout = delimited._Layout(tmp_path / "in.csv", COLUMNS, "utf-8", ("id", "label", "text"), ",")
    block = blocks.Block(data, 1, 0)
    bulk = delimited._in_bulk(block, layout, skip=1)
    careful = delimited._row_by_row(block, layout, skip=1)
    assert careful.batch.to_pylist() == [{**record, "damage": CLEAN} for record in records]
    if bulk is not None:
        assert bulk.batch.to_pylist() == careful.batch.to_pylist()


def test_clean_files_take_the_bulk_path(tmp_path: Path) -> None:
    data = jsonl(tmp_path / "in.jsonl", ROWS).read_bytes()
    layout = lines._layout(tmp_path / "in.jsonl", COLUMNS, head=data, encoding="utf-8")[0]
    assert lines._in_bulk(blocks.Block(data, 1, 0), layout) is not None
    data = as_csv(tmp_path / "in.csv", ROWS).read_bytes()
    csv_layout = delimited._Layout(
        tmp_path / "in.csv", COLUMNS, "utf-8", ("id", "label", "text"), ","
    )
    assert delimited._in_bulk(blocks.Block(data, 1, 0), csv_layout, skip=1) is not None
