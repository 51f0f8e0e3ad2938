"""Readers: every format, every kind of damage, and the bound on what is held."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from yunhe.corpus.domain import Columns
from yunhe.corpus.encoding import CLEAN, DAMAGED, RECOVERED
from yunhe.corpus.readers import blocks
from yunhe.corpus.readers.parsed import Parsed
from yunhe.corpus.reading import open_input
from yunhe.kernel.errors import Invalid, NotFound, YunheError

COLUMNS = Columns("text", "label", "id")
ROWS = [
    {"id": "a", "text": "路灯坏了，请派人来修。", "label": "市政"},
    {"id": "b", "text": '两行\n文字, 和"引号"', "label": "环保"},
    {"id": "c", "text": "", "label": None},
    {"id": "d", "text": "表情😀与生僻字𠮷", "label": "市政"},
]
SPARSE_BYTES = 200 << 20


def read(path: Path, columns: Columns = COLUMNS) -> list[Parsed]:
    with open_input(path, columns) as opened:
        return [task() for task in opened.tasks]


def rows(path: Path, columns: Columns = COLUMNS) -> list[dict[str, object]]:
    return [row for parsed in read(path, columns) for row in parsed.batch.to_pylist()]


def values(path: Path) -> list[tuple[object, ...]]:
    return [(row["id"], row["text"], row["label"]) for row in rows(path)]


def faults(path: Path) -> list[tuple[str, str]]:
    parsed = read(path)
    assert sum(len(p.findings) for p in parsed) == sum(p.faults for p in parsed)
    return [(finding.where, finding.code) for p in parsed for finding in p.findings]


def refusal(path: Path, columns: Columns = COLUMNS) -> YunheError:
    with pytest.raises(YunheError) as caught:
        read(path, columns)
    assert not str(caught.value).startswith(caught.value.code)  # there is a sentence for it
    assert caught.value.message("zh") != caught.value.message("en")
    return caught.value


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


EXPECTED = [(row["id"], row["text"], row["label"]) for row in ROWS]
EXPECTED_CSV = [(a, b, c or "") for a, b, c in EXPECTED]


def test_json_lines_are_read_whole(tmp_path: Path) -> None:
    assert values(jsonl(tmp_path / "in.jsonl", ROWS)) == EXPECTED


def test_csv_with_line_feeds_and_quotes_inside_is_read_whole(tmp_path: Path) -> None:
    assert values(as_csv(tmp_path / "in.csv", ROWS)) == EXPECTED_CSV


def test_tab_separated_values_are_read(tmp_path: Path) -> None:
    (tmp_path / "in.tsv").write_text("id\ttext\tlabel\n1\t你好, 世界\t甲\n", encoding="utf-8")
    assert values(tmp_path / "in.tsv") == [("1", "你好, 世界", "甲")]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()])
def test_parquet_is_read_whatever_its_kind_of_text(tmp_path: Path, kind: pa.DataType) -> None:
    texts = [row["text"] for row in ROWS]
    encoded = [str(t).encode() for t in texts] if kind == pa.binary() else texts
    table = pa.table(
        {
            "id": [row["id"] for row in ROWS],
            "text": pa.array(encoded, kind),
            "label": pa.array([row["label"] for row in ROWS]).dictionary_encode(),
        }
    )
    parquet.write_table(table, tmp_path / "in.parquet")
    assert values(tmp_path / "in.parquet") == EXPECTED


def test_whole_numbers_serve_as_ids_and_labels_in_every_format(tmp_path: Path) -> None:
    records = [{"id": 7, "text": "甲", "label": 1}, {"id": 8, "text": "乙", "label": 0}]
    parquet.write_table(pa.Table.from_pylist(records), tmp_path / "in.parquet")
    for path in (
        jsonl(tmp_path / "in.jsonl", records),
        as_csv(tmp_path / "in.csv", records),
        tmp_path / "in.parquet",
    ):
        assert values(path) == [("7", "甲", "1"), ("8", "乙", "0")]


@pytest.mark.parametrize("name", ["in.jsonl.gz", "in.csv.gz"])
def test_compressed_files_are_read(tmp_path: Path, name: str) -> None:
    make = jsonl if "jsonl" in name else as_csv
    plain = make(tmp_path / "plain", ROWS)
    (tmp_path / name).write_bytes(gzip.compress(plain.read_bytes()))
    assert values(tmp_path / name) == (EXPECTED if "jsonl" in name else EXPECTED_CSV)


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = as_csv(tmp_path / "in.csv", ROWS, "utf-8-sig")
    assert values(path) == EXPECTED_CSV
    assert values(jsonl(tmp_path / "in.jsonl", ROWS, "utf-8-sig")) == EXPECTED


@pytest.mark.parametrize("make", [jsonl, as_csv])
def test_a_file_in_gb18030_is_recognised(tmp_path: Path, make: object) -> None:
    path = make(tmp_path / f"in.{'jsonl' if make is jsonl else 'csv'}", ROWS, "gb18030")  # type: ignore[operator]
    with open_input(path, COLUMNS) as opened:
        assert opened.encoding == "gb18030"
        found = [row for task in opened.tasks for row in task().batch.to_pylist()]
    assert [row["text"] for row in found] == [row["text"] for row in ROWS]
    assert {row["damage"] for row in found} == {CLEAN}


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_single_rows_in_another_encoding_are_recovered_or_marked(tmp_path: Path, kind: str) -> None:
    texts = [
        "正常的一行文字".encode(),
        "路灯坏了请派人来修".encode("gb18030"),
        "坏".encode()[:2] + "了的一行".encode(),
    ]
    path = tmp_path / f"in.{kind}"
    if kind == "jsonl":
        path.write_bytes(b"".join(b'{"id":"x","label":"y","text":"%b"}\n' % t for t in texts * 5))
    else:
        path.write_bytes(b"id,label,text\n" + b"".join(b"x,y,%b\n" % t for t in texts * 5))
    found = rows(path)
    assert [row["damage"] for row in found] == [CLEAN, RECOVERED, DAMAGED] * 5
    assert found[1]["text"] == "路灯坏了请派人来修"
    assert "\ufffd" in str(found[2]["text"])
    assert faults(path) == []


def test_invalid_utf8_in_parquet_is_marked_row_by_row(tmp_path: Path) -> None:
    texts = pa.array(["好的文字".encode(), b"\xff\xfe\xfd", None], pa.binary())
    table = pa.table({"id": ["a", "b", "c"], "text": texts, "label": ["x", "y", "z"]})
    parquet.write_table(table, tmp_path / "in.parquet")
    assert [row["damage"] for row in rows(tmp_path / "in.parquet")] == [CLEAN, DAMAGED, CLEAN]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_missing_column_is_refused_with_the_names_that_are_there(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"in.{kind}"
    if kind == "parquet":
        parquet.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        {"jsonl": jsonl, "csv": as_csv}[kind](path, ROWS)
    error = refusal(path, Columns("texts", "labels", "id"))
    assert error.code == "corpus.input_faulty"
    assert [dict(f.params)["column"] for f in error.findings] == ["texts", "labels"]
    assert all("text" in str(dict(f.params)["there"]) for f in error.findings)


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,text,text,label\n1,a,b,c\n", encoding="utf-8")
    assert [f.code for f in refusal(tmp_path / "in.csv").findings] == ["corpus.column_twice"]


def test_a_text_column_that_holds_numbers_is_refused(tmp_path: Path) -> None:
    parquet.write_table(
        pa.table({"id": ["a"], "text": [1.5], "label": ["x"]}), tmp_path / "in.parquet"
    )
    found = refusal(tmp_path / "in.parquet").findings
    assert [(f.code, dict(f.params)["kind"]) for f in found] == [
        ("corpus.column_not_text", "double")
    ]


@pytest.mark.parametrize("name", ["in.jsonl", "in.csv", "in.parquet", "in.jsonl.gz"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    assert [f.code for f in refusal(tmp_path / name).findings] == ["corpus.input_empty"]
    if name.endswith("jsonl"):
        (tmp_path / name).write_bytes(b"\n \n\n")
        assert [f.code for f in refusal(tmp_path / name).findings] == ["corpus.input_empty"]


def test_a_folder_a_missing_file_and_an_unknown_ending_are_told_apart(tmp_path: Path) -> None:
    assert refusal(tmp_path).code == "corpus.input_is_folder"
    missing = refusal(tmp_path / "absent.jsonl")
    assert isinstance(missing, NotFound)
    assert missing.code == "corpus.input_missing"
    (tmp_path / "in.docx").write_bytes(b"x")
    error = refusal(tmp_path / "in.docx")
    assert isinstance(error, Invalid)
    assert error.code == "corpus.format_unknown"
    assert ".parquet" in error.message("zh")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize("make", [jsonl, as_csv])
def test_utf16_with_its_mark_is_read_like_utf8(tmp_path: Path, make: object, encoding: str) -> None:
    path = make(tmp_path / f"in.{'jsonl' if make is jsonl else 'csv'}", ROWS, encoding)  # type: ignore[operator]
    if encoding == "utf-16-be":
        path.write_bytes(b"\xfe\xff" + path.read_bytes())
    assert values(path) == (EXPECTED if make is jsonl else EXPECTED_CSV)


def test_utf32_is_refused_and_says_what_to_save_it_as(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes("id,text,label\n".encode("utf-32"))
    assert [f.code for f in refusal(tmp_path / "in.csv").findings] == [
        "corpus.encoding_unsupported"
    ]


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "in.parquet").write_bytes(whole[: len(whole) // 2])
    assert [f.code for f in refusal(tmp_path / "in.parquet").findings] == [
        "corpus.parquet_unopened"
    ]


def test_a_parquet_page_damaged_further_in_is_a_fault_with_its_row(tmp_path: Path) -> None:
    texts = [f"第{n}篇 {n * 7919}" for n in range(30_000)]
    table = pa.table({"id": texts, "text": texts, "label": texts})
    parquet.write_table(table, tmp_path / "in.parquet", row_group_size=10_000, use_dictionary=False)
    data = bytearray((tmp_path / "in.parquet").read_bytes())
    middle = len(data) * 2 // 3
    data[middle : middle + 4000] = bytes(4000)
    (tmp_path / "in.parquet").write_bytes(data)
    [(where, code)] = faults(tmp_path / "in.parquet")
    assert (where, code) == ("in.parquet", "corpus.parquet_damaged")


def test_a_compressed_file_that_breaks_off_is_a_fault_after_what_was_read(tmp_path: Path) -> None:
    many = [{"id": str(n), "text": f"{n}" * 50, "label": "x"} for n in range(60_000)]
    packed = gzip.compress(jsonl(tmp_path / "plain", many).read_bytes())
    (tmp_path / "in.jsonl.gz").write_bytes(packed[: len(packed) * 3 // 4])
    assert faults(tmp_path / "in.jsonl.gz")[-1] == ("in.jsonl.gz", "corpus.packing_damaged")
    (tmp_path / "no.jsonl.gz").write_bytes(b"not gzip at all")
    assert [f.code for f in refusal(tmp_path / "no.jsonl.gz").findings] == [
        "corpus.packing_damaged"
    ]


def test_broken_json_lines_are_all_named_with_line_and_byte(tmp_path: Path) -> None:
    good = b'{"id":"a","text":"b","label":"c"}\n'
    path = tmp_path / "in.jsonl"
    path.write_bytes(good + b'{"id": "a", "text"\n' + good + b"[1]\n\n" + b'{"text": {}}\n' + good)
    assert faults(path) == [
        (f"in.jsonl:2 (byte {len(good)})", "corpus.json_broken"),
        (f"in.jsonl:4 (byte {2 * len(good) + 19})", "corpus.json_no_object"),
        (f"in.jsonl:6 (byte {2 * len(good) + 24})", "corpus.value_not_text"),
    ]
    assert len(rows(path)) == 3


def test_json_nested_without_end_is_a_fault_and_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text":"a"}\n{"text":"b","x":' + "[" * 200_000 + "\n")
    found = read(tmp_path / "in.jsonl", Columns("text"))
    assert [f.code for p in found for f in p.findings] == ["corpus.json_too_deep"]


def test_half_a_surrogate_pair_is_marked_as_damage(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"id":"a","label":"b","text":"x\\ud800y"}\n')
    assert rows(tmp_path / "in.jsonl") == [
        {"id": "a", "text": "x\ufffdy", "label": "b", "damage": DAMAGED}
    ]


def test_csv_records_with_too_many_fields_or_an_open_quote_are_named(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text('id,text,label\n1,a,b\n2,a,b,c\n3,"x\ny",b\n4\n', encoding="utf-8")
    assert faults(path) == [
        ("in.csv:3", "corpus.fields_wrong"),
        ("in.csv:6", "corpus.fields_wrong"),
    ]
    path.write_text('id,text,label\n1,a,b\n2,"a,b\n3,c,d\n', encoding="utf-8")
    assert [code for _, code in faults(path)] == ["corpus.record_broken"]


def test_a_csv_field_longer_than_the_module_allows_by_itself_is_read(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"id,text,label\n1," + b"a" * 300_000 + b",x\n2,\xff,y\n")
    assert len(str(rows(tmp_path / "in.csv")[0]["text"])) == 300_000


def sparse(path: Path, head: bytes, tail: bytes) -> Path:
    """A file with a gap that takes no disk and reads as one endless line of zeros."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + SPARSE_BYTES)
        file.seek(0, io.SEEK_END)
        file.write(tail)
    return path


@pytest.mark.parametrize("name", ["in.jsonl", "in.csv"])
def test_a_line_beyond_the_bound_is_refused_while_streaming(tmp_path: Path, name: str) -> None:
    good = b'{"id":"a","text":"b","label":"c"}\n' if "json" in name else b"id,text,label\n1,a,b\n"
    path = sparse(tmp_path / name, good, b"\n" + good)
    tracemalloc.start()
    try:
        found = faults(path)
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    expected = (f"{name}:2 (byte {len(good)})", "corpus.line_too_long")
    assert found[0] == (expected if "json" in name else (f"{name}:3", "corpus.record_too_long"))
    assert held < blocks.LINE_BYTES_MAX + 8 * blocks.BLOCK_BYTES
    if "json" in name:
        assert len(rows(path)) == 2  # what follows the long line is read again


def test_blocks_count_lines_and_bytes_past_a_line_that_was_too_long() -> None:
    stream = io.BytesIO(b"ab\n" + b"x" * 50 + b"\ncd\nef")
    found = list(blocks.blocks(stream, blocks.LineCut(), block_bytes=4, line_bytes_max=10))
    data = [(b.line, b.byte, b.data) for b in found if not b.too_long]
    assert b"".join(d for _, _, d in data) == b"ab\ncd\nef"
    assert [(b.line, b.byte) for b in found if b.too_long] == [(2, 3)]
    whole = b"ab\n" + b"x" * 50 + b"\ncd\nef"
    for line, byte, piece in data:
        assert whole[byte : byte + len(piece)] == piece
        assert whole[:byte].count(b"\n") == line - 1


@given(st.binary(max_size=200), st.integers(1, 20))
def test_blocks_lose_and_repeat_nothing(data: bytes, size: int) -> None:
    found = list(blocks.blocks(io.BytesIO(data), blocks.LineCut(), block_bytes=size))
    assert b"".join(block.data for block in found) == data
    assert all(block.data.endswith(b"\n") for block in found[:-1])


FIELD = st.text(st.sampled_from('ab"\n,中 '), max_size=8)


@given(st.lists(st.tuples(FIELD, FIELD, FIELD), max_size=12), st.integers(1, 40))
def test_csv_blocks_end_between_records(records: list[tuple[str, str, str]], size: int) -> None:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows(records)
    data = sink.getvalue().encode()
    found = list(blocks.blocks(io.BytesIO(data), blocks.QuotedCut(), block_bytes=size))
    whole = list(csv.reader(io.StringIO(data.decode(), newline="")))
    parsed = [r for b in found for r in csv.reader(io.StringIO(b.data.decode(), newline=""))]
    assert parsed == whole
