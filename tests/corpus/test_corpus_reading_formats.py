"""Readers of text, pages and archives; what is packed; columns within columns; damage in each."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from fastwarc.warc import WarcRecord, WarcRecordType
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from yunhe.corpus.domain import Columns
from yunhe.corpus.encoding import CLEAN, DAMAGED, NULS, RECOVERED
from yunhe.corpus.inputs import InputFile, of_path
from yunhe.corpus.readers import archives, blocks, packed, pages, plain
from yunhe.corpus.readers.parsed import Parsed
from yunhe.corpus.readers.sources import Raw
from yunhe.corpus.reading import open_input
from yunhe.kernel.errors import Invalid

COLUMNS = Columns("text")
Pack = Callable[[bytes], bytes]


def zst(data: bytes) -> bytes:
    return pa.Codec("zstd").compress(data, asbytes=True)


def read(path: Path, columns: Columns = COLUMNS, *, kind: str | None = None) -> list[Parsed]:
    with open_input(of_path(path, format=kind), columns) as opened:
        return [task() for task in opened.tasks]


def rows(path: Path, columns: Columns = COLUMNS, *, kind: str | None = None) -> list[dict]:
    return [row for parsed in read(path, columns, kind=kind) for row in parsed.batch.to_pylist()]


def texts(path: Path, *, kind: str | None = None) -> list[str]:
    return [row["text"] for row in rows(path, kind=kind)]


def codes(path: Path, *, kind: str | None = None) -> list[str]:
    return [f.code for parsed in read(path, kind=kind) for f in parsed.findings]


def lines_of(count: int) -> bytes:
    return b"".join(b'{"text":"%d %d"}\n' % (n, n * 7919) for n in range(count))


@pytest.mark.parametrize("pack", [gzip.compress, zst])
@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("in.txt", "第一行\n\n第二行\n", ["第一行\n\n第二行\n"]),
        ("in.csv", "text\n你好\n", ["你好"]),
        ("in.jsonl", '{"text":"你好"}\n', ["你好"]),
        ("in.html", "<title>t</title><p>你好</p>", ["你好"]),
    ],
)
def test_every_text_format_is_read_packed_as_well(
    tmp_path: Path, pack: Pack, name: str, data: str, found: list[str]
) -> None:
    ending = ".gz" if pack is gzip.compress else ".zst"
    path = tmp_path / (name + ending)
    path.write_bytes(pack(data.encode()))
    assert [text.rstrip("\n") for text in texts(path)] == [text.rstrip("\n") for text in found]


@pytest.mark.parametrize("pack", [gzip.compress, zst])
def test_packed_parts_one_after_the_other_are_one_stream(tmp_path: Path, pack: Pack) -> None:
    path = tmp_path / f"in.jsonl.{'gz' if pack is gzip.compress else 'zst'}"
    path.write_bytes(pack(lines_of(3)) + pack(lines_of(2)) + pack(b""))
    assert len(texts(path)) == 5


def test_packed_bytes_are_noticed_without_an_ending_that_says_so(tmp_path: Path) -> None:
    for number, pack in enumerate((gzip.compress, zst)):
        path = tmp_path / f"in{number}.jsonl"
        path.write_bytes(pack(lines_of(4)))
        assert len(texts(path)) == 4


@pytest.mark.parametrize("pack", [gzip.compress, zst])
@pytest.mark.parametrize("damage", ["cut", "junk behind", "junk within"])
def test_what_comes_before_damage_in_a_packed_file_is_still_read(
    tmp_path: Path, pack: Pack, damage: str
) -> None:
    whole, count = pack(lines_of(200_000)), 200_000
    half = len(whole) // 2
    damaged = {
        "cut": whole[:half],
        "junk behind": whole + b"junk, and more of it",
        "junk within": whole[:half] + bytes(range(200)) + whole[half:],
    }[damage]
    path = tmp_path / f"in.jsonl.{'gz' if pack is gzip.compress else 'zst'}"
    path.write_bytes(damaged)
    parsed = read(path)
    [finding] = [f for each in parsed for f in each.findings if f.code != "corpus.json_broken"]
    assert finding.code == "corpus.packing_damaged"
    assert 0 < int(dict(finding.params)["byte"]) <= len(damaged)
    got = [row for each in parsed for row in each.batch.column("text").to_pylist()]
    assert got == [f"{n} {n * 7919}" for n in range(len(got))]
    least = count * 9 // 10 if damage == "junk behind" else count // 4
    assert least < len(got) <= count


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    st.integers(1, 50),
    st.integers(0, 20),
    st.sampled_from([gzip.compress, zst, bytes]),
)
def test_unpacking_gives_what_was_packed_and_never_more_than_is_asked(
    parts: list[bytes], size: int, zeros: int, pack: Pack
) -> None:
    data = b"".join(map(pack, parts)) + bytes(zeros if pack is gzip.compress else 0)
    name = {gzip.compress: "x.gz", zst: "x.zst"}.get(pack, "x")
    if pack is bytes and data.startswith((packed.GZIP, packed.ZSTANDARD)):
        return
    stream, pieces = packed.unpacked(Raw(io.BytesIO(data)), name), []
    while piece := stream.read(size):
        assert len(piece) <= size
        pieces.append(piece)
    assert b"".join(pieces) == b"".join(parts)


def test_the_tap_sees_every_byte_of_the_file_once(tmp_path: Path) -> None:
    table = pa.table({"text": [f"第{n}篇" for n in range(20_000)]})
    parquet.write_table(table, tmp_path / "in.parquet")
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(lines_of(100_000)))
    (tmp_path / "in.txt").write_bytes(b"a\r\n" * 3_000_000)
    for path in sorted(tmp_path.iterdir()):
        digest = hashlib.sha256()
        with open_input(of_path(path), COLUMNS, tap=digest.update) as opened:
            assert sum(len(task().batch) for task in opened.tasks) > 0
            assert opened.byte() == path.stat().st_size
        assert digest.digest() == hashlib.sha256(path.read_bytes()).digest()


def test_a_task_may_travel_to_another_process(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines_of(3) + b"broken\n")
    (tmp_path / "in.txt").write_text("你好")
    (tmp_path / "in.html").write_text("<p>你好")
    (tmp_path / "in.csv").write_text("text\n你好\n")
    parquet.write_table(pa.table({"text": ["你好"]}), tmp_path / "in.parquet")
    for path in sorted(tmp_path.iterdir()):
        with open_input(path, COLUMNS) as opened:
            for task in opened.tasks:
                assert pickle.loads(pickle.dumps(task))() == task()


def test_text_is_one_document_a_file_a_line_or_a_paragraph(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes("一\r\n二\r\n \r\n\r\n三\r\n".encode())
    assert rows(path) == [
        {"id": "in.txt", "text": "一\n二\n \n\n三\n", "label": None, "damage": CLEAN}
    ]
    assert texts(path, kind="lines") == ["一", "二", "三"]
    assert texts(path, kind="paragraphs") == ["一\n二", "三"]


@given(
    st.lists(st.sampled_from(["一", "ab", "", " ", "\r", "三 四"]), max_size=30), st.integers(1, 9)
)
def test_paragraphs_do_not_depend_on_where_the_file_was_cut(parts: list[str], size: int) -> None:
    data = "\n".join(parts).encode()

    def found(size: int) -> list[str]:
        cut = plain.ParagraphCut()
        each = blocks.blocks(io.BytesIO(data), cut, block_bytes=size)
        layout = plain._Layout(InputFile("x", "x", "paragraphs", None), "utf-8", paragraphs=True)
        return [t for b in each for t in plain._parse(b, layout).batch.column("text").to_pylist()]

    assert found(size) == found(1 << 20)


def test_a_text_beyond_the_bound_is_refused_and_its_file_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "LINE_BYTES_MAX", 3 << 20)
    for name in ("in.txt", "in.html"):
        (tmp_path / name).write_bytes(b"<p>" + b"a" * (5 << 20))
        parsed = read(tmp_path / name)
        assert [(f.where, f.code) for p in parsed for f in p.findings] == [
            (name, "corpus.document_too_long")
        ]


@pytest.mark.parametrize(
    ("name", "kind"), [("in.jsonl", None), ("in.csv", None), ("in.txt", "lines"), ("in.txt", None)]
)
def test_nul_characters_are_replaced_and_declared(
    tmp_path: Path, name: str, kind: str | None
) -> None:
    data = {"in.jsonl": '{"text":"好的"}\n{"text":"坏\0的"}\n', "in.csv": "text\n好的\n坏\0的\n"}
    (tmp_path / name).write_text(data.get(name, "好的\n坏\0的\n"))
    found = [(row["text"], row["damage"]) for row in rows(tmp_path / name, kind=kind)]
    if name == "in.txt" and kind is None:
        assert found == [("好的\n坏\ufffd的\n", NULS)]
    else:
        assert found == [("好的", CLEAN), ("坏\ufffd的", NULS)]


def test_nul_characters_written_as_an_escape_or_in_parquet_are_replaced_too(
    tmp_path: Path,
) -> None:
    (tmp_path / "in.jsonl").write_text('{"text":"坏\\u0000的"}\n')
    parquet.write_table(pa.table({"text": ["坏\0的", "好"]}), tmp_path / "in.parquet")
    assert [(r["text"], r["damage"]) for r in rows(tmp_path / "in.jsonl")] == [("坏\ufffd的", NULS)]
    assert [r["damage"] for r in rows(tmp_path / "in.parquet")] == [NULS, CLEAN]


NESTED = [
    {"meta": {"key": "1", "more": {"kind": "甲"}}, "body": {"text": "你好"}, "x.y": "z"},
    {"meta": {"key": "2", "more": None}, "body": {"text": "再见"}, "x.y": "w"},
]


@pytest.mark.parametrize("name", ["in.jsonl", "in.parquet"])
def test_a_column_within_a_column_is_found_by_its_path(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "in.parquet":
        parquet.write_table(pa.Table.from_pylist(NESTED), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in NESTED))
    found = rows(path, Columns("body.text", "meta.more.kind", "meta.key"))
    assert [(r["id"], r["text"], r["label"]) for r in found] == [
        ("1", "你好", "甲"),
        ("2", "再见", None),
    ]
    assert [r["text"] for r in rows(path, Columns("x.y"))] == ["z", "w"]
    for missing in ("body.none", "meta.key.deeper"):
        with pytest.raises(Invalid) as caught:
            read(path, Columns(missing))
        assert [f.code for f in caught.value.findings] == ["corpus.column_missing"]
    if name == "in.parquet":
        with pytest.raises(Invalid):
            read(path, Columns("body"))


def test_a_broken_line_does_not_hide_columns_within_columns(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in NESTED) + "{\n")
    assert [r["text"] for r in rows(path, Columns("body.text"))] == ["你好", "再见"]


PAGE = (
    "<html><head>{}<script>var 我 = 1</script></head>"
    "<body><p>第一段，内容。</p><p>第二段</p></body></html>"
)


@pytest.mark.parametrize(
    ("encoding", "meta"),
    [
        ("utf-8", '<meta charset="utf-8">'),
        ("gb18030", "<meta http-equiv=Content-Type content='text/html; charset=gb2312'>"),
        ("gb18030", ""),
        ("gb18030", '<meta charset="iso-8859-1">'),
        ("gb18030", '<meta charset="utf-8">'),
        ("gb18030", '<meta charset="nosuch">'),
        ("utf-8", '<meta charset="unicode">'),
        ("utf-16", ""),
    ],
)
def test_a_page_is_read_in_the_encoding_that_fits_its_bytes(
    tmp_path: Path, encoding: str, meta: str
) -> None:
    (tmp_path / "in.html").write_bytes(PAGE.format(meta).encode(encoding))
    [row] = rows(tmp_path / "in.html", kind="html-all")
    assert [line for line in row["text"].split("\n") if line] == ["第一段，内容。", "第二段"]
    assert (row["id"], row["damage"]) == ("in.html", CLEAN)


def test_a_page_in_big5_or_latin_is_read_and_lost_bytes_are_marked() -> None:
    text = "這是一個網頁，我們說的是繁體中文。"
    assert pages.decoded(text.encode("big5"), "big5") == (text, CLEAN)
    assert pages.decoded(text.encode("big5"), None) == (text, CLEAN)
    assert pages.decoded("déjà vu, né à Paris".encode("latin-1"), "iso-8859-1") == (
        "déjà vu, né à Paris",
        CLEAN,
    )
    broken, damage = pages.decoded("你好，世界\n".encode() * 9 + b"\xff\xfe\xfd", "utf-8")
    assert damage == DAMAGED
    assert broken.startswith("你好，世界\n")
    mixed, damage = pages.decoded("你好，世界\n".encode() * 9 + "我们都好".encode("gb18030"), None)
    assert (mixed.split("\n")[-1], damage) == ("我们都好", RECOVERED)
    assert pages.decoded("坏\0的".encode(), None) == ("坏\ufffd的", NULS)


def test_main_content_leaves_the_menu_out_and_all_of_it_keeps_every_character(
    tmp_path: Path,
) -> None:
    body = "".join(f"<p>这是正文的第{n}段，说的是同一件事情。</p>" for n in range(8))
    page = (
        f"<nav><ul><li><a href=/>首页</a></li></ul></nav><main>{body}</main><footer>页脚</footer>"
    )
    (tmp_path / "in.html").write_text(f"<html><body>{page}</body></html>")
    [main], [everything] = texts(tmp_path / "in.html"), texts(tmp_path / "in.html", kind="html-all")
    assert "首页" not in main
    assert all(f"这是正文的第{n}段，说的是同一件事情。" in main for n in range(8))
    assert "首页" in everything
    assert "页脚" in everything


def record(
    url: str, body: bytes, *, kind: str = "text/html; charset=utf-8", status: str = "200 OK"
) -> bytes:
    made, sink = WarcRecord(), io.BytesIO()
    made.init_headers(record_type=WarcRecordType.response)
    made.headers["WARC-Target-URI"] = url
    made.headers["Content-Type"] = "application/http; msgtype=response"
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    made.set_bytes_content(head.encode() + body)
    made.write(sink)
    return sink.getvalue()


def crawl() -> list[bytes]:
    page = PAGE.format("").encode()
    return [
        record("http://a.example/1", page),
        record("http://a.example/2", "纯文本".encode("gb18030"), kind="text/plain; charset=gbk"),
        record("http://a.example/3", b"\x89PNG", kind="image/png"),
        record("http://a.example/4", page, status="404 Not Found"),
        record("http://a.example/5", page),
    ]


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_an_archive_gives_its_pages_by_address(tmp_path: Path, ending: str) -> None:
    records = crawl()
    data = {
        "": b"".join(records),
        ".gz": b"".join(map(gzip.compress, records)),
        ".zst": zst(b"".join(records)),
    }[ending]
    path = tmp_path / f"in.warc{ending}"
    path.write_bytes(data)
    found = rows(path, kind="warc-all")
    assert [row["id"][-1] for row in found] == ["1", "2", "5"]
    assert found[1]["text"] == "纯文本"
    assert "第一段，内容。" in found[0]["text"]
    assert codes(path) == []


def test_an_archive_that_breaks_off_gives_what_came_before(tmp_path: Path) -> None:
    records = crawl()
    path = tmp_path / "in.warc.gz"
    whole = b"".join(map(gzip.compress, records))
    path.write_bytes(whole[: len(whole) - 40])
    assert [row["id"][-1] for row in rows(path)][:2] == ["1", "2"]
    assert codes(path) == ["corpus.packing_damaged"]
    path.write_bytes(gzip.compress(b"no archive at all\n" * 20))
    assert codes(path) == ["corpus.warc_damaged"]


def test_a_record_beyond_the_bound_is_a_fault_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LINE_BYTES_MAX", 20_000)
    page = PAGE.format("").encode()
    path = tmp_path / "in.warc"
    path.write_bytes(record("http://a/1", page + b" " * 30_000) + record("http://a/2", page))
    parsed = read(path)
    assert [(f.where, f.code) for p in parsed for f in p.findings] == [
        ("in.warc (record 1)", "corpus.document_too_long")
    ]
    assert [row["id"] for row in rows(path)] == ["http://a/2"]


def test_standard_input_is_read_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(gzip.compress(lines_of(3)))

    monkeypatch.setattr("sys.stdin", Stdin)
    with open_input(InputFile("stdin", "-", "jsonl", None), COLUMNS) as opened:
        found = [row for task in opened.tasks for row in task().batch.to_pylist()]
    assert len(found) == 3
