"""Files as they come: every wrong record told with its place, damage anywhere survived."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from fastwarc.warc import WarcRecord, WarcRecordType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from yunhe.corpus.domain import Columns
from yunhe.corpus.encoding import CLEAN, DAMAGED, NULS, RECOVERED
from yunhe.corpus.inputs import of_path
from yunhe.corpus.readers import delimited, lines, pages, plain
from yunhe.corpus.readers import parquet as parquets
from yunhe.corpus.readers.blocks import Block, LineCut, QuotedCut, blocks
from yunhe.corpus.readers.parsed import SCHEMA, Parsed
from yunhe.corpus.reading import open_input
from yunhe.kernel.errors import Invalid

COLUMNS = Columns("text", "label", "id")
QUIET = [HealthCheck.function_scoped_fixture]
Row = tuple[object, object, object]


def read(path: Path, columns: Columns = COLUMNS, *, kind: str | None = None) -> list[Parsed]:
    with open_input(of_path(path, format=kind), columns) as opened:
        found = [task() for task in opened.tasks]
    for each in found:
        assert each.batch.schema == SCHEMA
        assert each.faults >= len(each.findings)
    return found


def rows_of(found: list[Parsed]) -> list[Row]:
    return [
        (row["id"], row["text"], row["label"]) for each in found for row in each.batch.to_pylist()
    ]


def faults_of(found: list[Parsed]) -> list[tuple[str, str]]:
    return [
        (finding.where.partition(":")[2], finding.code.removeprefix("corpus."))
        for each in found
        for finding in each.findings
    ]


GOOD_LINE = b'{"id":"a","text":"\xe5\xa5\xbd","label":"x"}'
LINES: dict[bytes, Row | str | None] = {
    GOOD_LINE: ("a", "好", "x"),
    b'{"text":"b"}': (None, "b", None),
    b'{"text":null,"id":null}': (None, None, None),
    b'{"id":"no text"}': ("no text", None, None),
    b'{"id":7,"text":"c","label":true}': ("7", "c", "true"),
    b'  {"text": "d" , "other": [{}]}  ': (None, "d", None),
    b'{"text":"\\u4e2d\\ud83d\\ude00"}': (None, "中😀", None),
    b"": None,
    b"   ": None,
    b"{": "json_broken",
    b'{"text":"open': "json_broken",
    b'{"text":"a"} {"text":"b"}': "json_broken",
    b"{'text':'a'}": "json_broken",
    b'{"text":"a",}': "json_broken",
    b"[1]": "json_no_object",
    b"5": "json_no_object",
    b"null": "json_no_object",
    b'"text"': "json_no_object",
    b'{"text":5}': "value_not_text",
    b'{"text":["a"]}': "value_not_text",
    b'{"text":"a","label":{"b":1}}': "value_not_text",
}


@settings(max_examples=120, deadline=None, suppress_health_check=QUIET)
@given(
    st.lists(st.sampled_from(list(LINES)), max_size=18),
    st.integers(1, 200),
    st.sampled_from([b"", b"\n"]),
)
def test_every_line_is_a_row_or_a_fault_with_line_and_byte(tmp_path, written, size, end) -> None:
    path = tmp_path / "in.jsonl"
    written = [GOOD_LINE, *written, GOOD_LINE]
    path.write_bytes(b"\n".join(written) + end)
    expected_rows: list[Row] = []
    expected_faults, byte = [], 0
    for number, line in enumerate(written, 1):
        meant = LINES[line]
        if isinstance(meant, str):
            expected_faults.append((f"{number} (byte {byte})", meant))
        elif meant is not None:
            expected_rows.append(meant)
        byte += len(line) + 1
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lines, "blocks", partial(blocks, block_bytes=size))
        found = read(path)
    assert rows_of(found) == expected_rows
    shown = [each for each in faults_of(found) if each[1] != "more_findings"]
    assert shown == expected_faults
    assert sum(each.faults for each in found) == len(expected_faults)


CELL = st.text("ab,\"'\n\r 甲0", max_size=6)


@settings(max_examples=120, deadline=None, suppress_health_check=QUIET)
@given(
    st.lists(st.lists(CELL, min_size=1, max_size=5), max_size=12),
    st.integers(1, 120),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([("in.csv", ","), ("in.tsv", "\t")]),
)
def test_every_record_of_three_fields_is_a_row_and_every_other_a_fault(
    tmp_path, records, size, end, kind
) -> None:
    name, delimiter = kind
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["label", "id", "text"])
    expected_rows: list[Row] = []
    expected_faults = []
    for record in records:
        line = sink.getvalue().count("\n") + 1
        writer.writerow(record)
        if len(record) == 3:
            expected_rows.append((record[1], record[2], record[0]))
        else:
            expected_faults.append((str(line), "fields_wrong"))
    path = tmp_path / name
    path.write_bytes(sink.getvalue().encode())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(delimited, "blocks", partial(blocks, block_bytes=size))
        found = read(path)
    assert rows_of(found) == expected_rows
    # A line feed is counted where the file has one; a lone carriage return is none of ours.
    if not any("\r" in cell for record in records for cell in record):
        assert faults_of(found) == expected_faults
    assert sum(each.faults for each in found) == len(expected_faults)


@settings(max_examples=150, deadline=None)
@given(st.text("ab \t\r\n\u3000\x0b\x1c\x85甲", max_size=40))
def test_lines_read_in_bulk_are_those_read_one_by_one(text: str) -> None:
    layout = plain._Layout(Path("in.txt"), "utf-8", paragraphs=False)
    block = Block(text.encode(), 1, 0)
    bulk, careful = plain._in_bulk(block, layout), plain._one_by_one(block, layout)
    assert bulk is not None
    assert rows_of([bulk]) == rows_of([careful])
    assert [row[1] for row in rows_of([bulk])] == [
        line.rstrip("\r") for line in text.split("\n") if line.strip()
    ]


@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
@given(
    st.lists(st.sampled_from(["甲乙", "丙", "", " ", "\t", "x\r"]), max_size=14),
    st.integers(1, 40),
)
def test_paragraphs_are_what_stands_between_blank_lines(tmp_path, written, size) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes("\n".join(["甲", *written]).encode())
    expected, paragraph = [], ["甲"]
    for line in [*written, ""]:
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            expected.append("\n".join(paragraph).strip("\r\n").replace("\r\n", "\n"))
            paragraph = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plain, "blocks", partial(blocks, block_bytes=size))
        found = read(path, kind="paragraphs")
    assert [row[1] for row in rows_of(found)] == expected


@pytest.mark.parametrize("first", [b"null", b" null", b"\nnull", b"  \n null"])
def test_a_null_at_the_top_is_a_fault_and_does_not_end_the_process(tmp_path: Path, first) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(first + b"\n" + GOOD_LINE + b"\n")
    found = read(path)
    assert [code for _, code in faults_of(found)] == ["json_no_object"]
    assert rows_of(found) == [("a", "好", "x")]


def random_lines(count: int) -> tuple[bytes, list[Row]]:
    draw = random.Random(3)
    texts = [f"{draw.getrandbits(200):x}" for _ in range(count)]
    data = b"".join(json.dumps({"text": text}).encode() + b"\n" for text in texts)
    return data, [(None, text, None) for text in texts]


def zst(data: bytes) -> bytes:
    return pa.Codec("zstd").compress(data, asbytes=True)


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("zst", zst)])
def test_a_packed_file_cut_anywhere_gives_what_came_before_and_one_fault(
    tmp_path: Path, ending, pack
) -> None:
    data, expected = random_lines(6000)
    packed = pack(data)
    path = tmp_path / f"in.jsonl.{ending}"
    lengths = []
    for cut in range(1, 12):
        path.write_bytes(packed[: len(packed) * cut // 12])
        try:
            found = read(path, Columns("text"))
        except Invalid as error:
            told = [each.code for each in error.findings]  # nothing could be unpacked at all
            assert told in (["corpus.packing_damaged"], ["corpus.input_empty"])
            continue
        rows = rows_of(found)
        assert rows == expected[: len(rows)]
        assert [each.findings[0].code for each in found if each.findings] == [
            "corpus.packing_damaged"
        ]
        lengths.append(len(rows))
    assert lengths == sorted(lengths)
    assert lengths[-1] > len(expected) // 2
    path.write_bytes(packed)
    assert rows_of(read(path, Columns("text"))) == expected


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("zst", zst)])
def test_a_packed_file_with_a_changed_byte_is_read_or_told_to_be_damaged(
    tmp_path: Path, ending, pack
) -> None:
    data, expected = random_lines(500)
    packed, draw = bytearray(pack(data)), random.Random(9)
    path = tmp_path / f"in.jsonl.{ending}"
    damaged = 0
    for _ in range(25):
        at = draw.randrange(len(packed) // 2, len(packed))
        before = packed[at]
        packed[at] ^= 1 << draw.randrange(8)
        path.write_bytes(packed)
        packed[at] = before
        try:
            found = read(path, Columns("text"))
        except Invalid:
            damaged += 1
            continue
        told = any(each.findings for each in found)
        damaged += told
        if not told and ending == "gz":  # Zstandard has a sum only where its writer wanted one
            assert rows_of(found) == expected
    assert damaged > (20 if ending == "gz" else 0)


def parquet_bytes(rows: int = 300) -> bytes:
    sink = io.BytesIO()
    table = pa.table(
        {
            "id": [f"n{n}" for n in range(rows)],
            "text": [f"第{n}件：{n * 7919}" for n in range(rows)],
            "label": pa.array(["甲", None, "乙"] * (rows // 3)).dictionary_encode(),
        }
    )
    parquet.write_table(table, sink, row_group_size=100, write_page_checksum=True)
    return sink.getvalue()


def test_a_parquet_file_with_a_changed_byte_is_refused_or_its_fault_told(tmp_path: Path) -> None:
    data, draw = parquet_bytes(), random.Random(4)
    path, outcomes = tmp_path / "in.parquet", set()
    footer = int.from_bytes(data[-8:-4], "little") + 8
    for number in range(160):
        first = len(data) - footer if number % 2 else 0
        changed = bytearray(data)
        at = draw.randrange(first, len(data))
        changed[at] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            found = read(path)
        except Invalid as error:
            outcomes.add(error.findings[0].code)
        else:
            assert len(rows_of(found)) <= 2 * 300
            outcomes |= {code for _, code in faults_of(found)}
    assert {"corpus.parquet_unopened", "parquet_damaged"} <= outcomes


PARQUET_TYPES = [
    (pa.string(), ["a", None], True, True),
    (pa.large_string(), ["a", None], True, True),
    (pa.binary(), [b"a", None], True, True),
    (pa.large_binary(), [b"a", None], True, True),
    (pa.dictionary(pa.int32(), pa.string()), ["a", None], True, True),
    (pa.int64(), [7, None], False, True),
    (pa.bool_(), [True, None], False, True),
    (pa.float64(), [1.5, None], False, True),
    (pa.date32(), [1, None], False, False),
    (pa.timestamp("us"), [1, None], False, False),
    (pa.list_(pa.string()), [["a"], None], False, False),
    (pa.struct([("a", pa.string())]), [{"a": "b"}, None], False, False),
]


@pytest.mark.parametrize(
    ("kind", "values", "as_text", "as_id"), PARQUET_TYPES, ids=[str(t[0]) for t in PARQUET_TYPES]
)
def test_a_column_of_each_kind_is_read_or_refused_by_its_name(
    tmp_path: Path, kind, values, as_text, as_id
) -> None:
    path = tmp_path / "in.parquet"
    column, plain_text = pa.array(values, kind), pa.array(["x", "y"])
    for role, fits in [("text", as_text), ("id", as_id), ("label", as_id)]:
        columns = {"id": plain_text, "text": plain_text, "label": plain_text, role: column}
        parquet.write_table(pa.table(columns), path)
        if fits:
            found = read(path)[0].batch.column(role).to_pylist()
            assert found[1] is None
            assert isinstance(found[0], str)
        else:
            with pytest.raises(Invalid) as caught:
                read(path)
            assert [each.code for each in caught.value.findings] == ["corpus.column_not_text"]
            assert dict(caught.value.findings[0].params)["column"] == role


def test_every_missing_and_wrong_column_of_a_parquet_file_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    parquet.write_table(pa.table({"text": [[1]], "x": ["y"]}), path)
    with pytest.raises(Invalid) as caught:
        read(path)
    told = [
        (dict(each.params)["column"], each.code.removeprefix("corpus."))
        for each in caught.value.findings
    ]
    assert sorted(told) == [
        ("id", "column_missing"), ("label", "column_missing"), ("text", "column_not_text"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["in.csv", "in.tsv", "in.jsonl"])
def test_every_missing_column_of_a_text_file_is_told_at_once(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text('{"a":"b","text":"c"}\n' if "json" in name else "a,b\tc\n1,2\t3\n")
    with pytest.raises(Invalid) as caught:
        read(path)
    told = {dict(each.params)["column"] for each in caught.value.findings}
    assert told == ({"id", "label"} if "json" in name else {"id", "text", "label"})
    assert {each.code for each in caught.value.findings} == {"corpus.column_missing"}
    assert caught.value.message("zh") != caught.value.message("en")


def test_a_batch_of_long_texts_is_handed_on_in_parts(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(parquets, "PART_BYTES_MAX", 1000)
    texts = [f"{n} " + "长" * (n % 90) for n in range(300)]
    path = tmp_path / "in.parquet"
    parquet.write_table(pa.table({"text": texts}), path)
    found = read(path, Columns("text"))
    assert len(found) > 10
    assert [row[1] for row in rows_of(found)] == texts


def record(number: int, body: bytes) -> bytes:
    made, sink = WarcRecord(), io.BytesIO()
    made.init_headers(record_type=WarcRecordType.response)
    made.headers["WARC-Target-URI"] = f"http://a/{number}"
    made.headers["Content-Type"] = "application/http; msgtype=response"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    made.set_bytes_content(head.encode() + body)
    made.write(sink)
    return sink.getvalue()


def test_an_archive_cut_or_changed_anywhere_gives_pages_or_says_it_is_damaged(
    tmp_path: Path,
) -> None:
    whole = b"".join(record(n, f"page {n} ".encode() * 20) for n in range(12))
    path, draw = tmp_path / "in.warc", random.Random(8)
    path.write_bytes(whole)
    expected = rows_of(read(path))
    assert [row[0] for row in expected] == [f"http://a/{n}" for n in range(12)]
    for _ in range(30):
        path.write_bytes(whole[: draw.randrange(1, len(whole))])
        rows = rows_of(read(path))
        assert rows[:-1] == expected[: max(len(rows) - 1, 0)]
    for _ in range(40):
        changed = bytearray(whole)
        changed[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        found = read(path)
        assert len(rows_of(found)) <= len(expected)
        assert rows_of(found) or faults_of(found)


NAMES = st.none() | st.sampled_from(
    ["utf-8", "gbk", "gb2312", "big5", "latin-1", "utf-16", "x-none", "", "hz", "shift_jis"]
)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80) | st.text(max_size=40).map(str.encode), NAMES, st.booleans())
def test_any_bytes_are_a_page_whatever_they_say_of_themselves(data, declared, markup) -> None:
    if declared:
        data = f'<meta charset="{declared}">'.encode() + data
    found = pages.parsed((pages.Page("p", data, declared, markup),), main_content=False)
    [row] = found.batch.to_pylist()
    assert row["id"] == "p"
    assert "\0" not in row["text"]
    assert row["damage"] in (CLEAN, RECOVERED, DAMAGED, NULS)
    text, _ = pages.decoded(data, declared)
    assert text.isascii() or not data.isascii() or b"\0" in data or declared == "hz"


@settings(max_examples=80, deadline=None)
@given(st.text("你好世界，的是在了不一有。", min_size=20, max_size=60))
@pytest.mark.parametrize("declared", ["utf-8", "gbk", "latin-1", "nonsense"])
def test_a_declared_encoding_that_does_not_fit_is_not_believed(declared, text) -> None:
    found, damage = pages.decoded(text.encode(), declared if declared != "gbk" else "ascii")
    assert (found, damage) == (text, CLEAN)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200).map(lambda data: data.replace(b"\r", b"\n")), st.integers(1, 50))
@pytest.mark.parametrize("cut", [LineCut, QuotedCut])
def test_blocks_begin_where_they_say(cut, data: bytes, size: int) -> None:
    at = 0
    for block in blocks(io.BytesIO(data), cut(), block_bytes=size):
        assert block.byte == at
        assert block.line == data.count(b"\n", 0, at) + 1
        assert data[at : at + len(block.data)] == block.data
        at += len(block.data)
    assert at == len(data)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"")), max_size=12),
    st.integers(1, 20),
    st.integers(8, 24),
)
def test_of_long_lines_each_is_told_once_and_the_others_are_read(written, size, most) -> None:
    data = b"".join(line + b"\n" for line in written)
    got, told = [], []
    for block in blocks(io.BytesIO(data), LineCut(), block_bytes=size, line_bytes_max=most):
        if block.too_long:
            told.append(block.line)
        else:
            first = data.count(b"\n", 0, block.byte) + 1
            assert block.line == first
            got += [(first + n, line) for n, line in enumerate(block.data.split(b"\n")[:-1])]
    # A line just over the bound may still come whole when one read holds its beginning and end.
    assert [number for number, _ in got] == [n for n in range(1, len(written) + 1) if n not in told]
    assert all(written[number - 1] == line for number, line in got)
    assert all(len(written[number - 1]) + 1 > most for number in told)
    assert len(set(told)) == len(told)
    surely = [n for n, line in enumerate(written, 1) if len(line) + 1 > most + size]
    assert set(surely) <= set(told)
