"""Which encoding a file is in: long, short and mixed ones; single rows in another."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.corpus.domain import Columns
from yunhe.corpus.encoding import (
    BIG5,
    CLEAN,
    DAMAGED,
    GB18030,
    NULS,
    RECOVERED,
    UTF8,
    UTF16,
    Recoded,
    detect,
    is_utf8,
    plausible,
    recover,
    worse,
)
from yunhe.corpus.reading import open_input

SIMPLIFIED = [
    "路灯坏了，请派人来修。",
    "这家店的味道不错，下次还会再来",
    "中国人民银行关于召开会议的通知",
    "服务态度差",
    "数据",
]
TRADITIONAL = [
    "路燈壞了，請派人來修。",
    "這家店的味道不錯，下次還會再來",
    "中國人民銀行關於召開會議的通知",
    "服務態度差",
    "資料",
]


@pytest.mark.parametrize("text", SIMPLIFIED)
def test_a_short_file_in_gb18030_is_told_from_big5(text: str) -> None:
    assert detect(text.encode("gb18030")) == GB18030
    assert recover(text.encode("gb18030")) == (text, RECOVERED)
    assert detect(text.encode()) == UTF8


@pytest.mark.parametrize("text", TRADITIONAL)
def test_a_short_file_in_big5_is_told_from_gb18030(text: str) -> None:
    assert detect(text.encode("big5")) == BIG5
    assert recover(text.encode("big5")) == (text, RECOVERED)
    assert detect(text.encode()) == UTF8


@pytest.mark.parametrize("text", TRADITIONAL)
def test_traditional_script_in_gb18030_is_no_big5(text: str) -> None:
    assert detect(text.encode("gb18030")) == GB18030


def test_a_head_that_ends_within_a_character_is_still_told() -> None:
    for encoding, texts in ((GB18030, SIMPLIFIED), (BIG5, TRADITIONAL), (UTF8, SIMPLIFIED)):
        data = "".join(texts).encode(encoding)
        for cut in range(4):
            assert detect(data[: len(data) - cut]) == encoding


def test_plain_ascii_an_empty_file_and_western_text_are_utf8() -> None:
    assert detect(b"") == detect(b"plain\ntext\n") == UTF8
    assert detect("déjà vu, garçon".encode("latin-1")) == UTF8
    assert recover("déjà vu, garçon".encode("latin-1"))[1] == DAMAGED


def test_a_mark_names_utf16_whatever_follows() -> None:
    assert detect("数据".encode("utf-16")) == UTF16
    assert detect(b"\xfe\xff\x00a") == UTF16


def test_the_encoding_of_most_of_the_text_is_that_of_the_file() -> None:
    mostly_utf8 = [*(text.encode() for text in SIMPLIFIED * 4), SIMPLIFIED[0].encode("gb18030")]
    mostly_gb = [*(text.encode("gb18030") for text in SIMPLIFIED * 4), SIMPLIFIED[0].encode()]
    assert detect(b"\n".join(mostly_utf8)) == UTF8
    assert detect(b"\n".join(mostly_gb)) == GB18030


@pytest.mark.parametrize("encoding", [UTF8, GB18030, BIG5])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "txt"])
def test_a_row_in_another_encoding_is_recovered_in_a_file_of_each(
    tmp_path: Path, encoding: str, kind: str
) -> None:
    texts = TRADITIONAL[:3] if encoding == BIG5 else SIMPLIFIED[:3]
    other = GB18030 if encoding == UTF8 else UTF8
    row = {"jsonl": b'{"text":"%b"}', "csv": b"%b", "txt": b"%b"}[kind]
    lines = [row % text.encode(encoding) for text in texts * 5]
    lines.insert(7, row % SIMPLIFIED[1].encode(other))
    path = tmp_path / f"in.{kind}"
    path.write_bytes((b"text\n" if kind == "csv" else b"") + b"\n".join(lines) + b"\n")
    with open_input(path, Columns("text")) as opened:
        assert opened.encoding == encoding
        batches = [task().batch for task in opened.tasks]
    if kind == "txt":  # one document, line by line
        [[one]] = [batch.to_pylist() for batch in batches]
        texts = [*(texts * 5)[:7], SIMPLIFIED[1], *(texts * 5)[7:]]
        assert (one["text"].splitlines(), one["damage"]) == (texts, RECOVERED)
        return
    found = [row for batch in batches for row in batch.to_pylist()]
    assert [r["damage"] for r in found] == [RECOVERED if n == 7 else CLEAN for n in range(16)]
    assert found[7]["text"] == SIMPLIFIED[1]
    assert [r["text"] for n, r in enumerate(found) if n != 7] == texts * 5


@given(st.binary(max_size=60))
def test_recovery_never_fails_and_says_damaged_when_something_was_lost(data: bytes) -> None:
    text, state = recover(data)
    assert "\0" not in text
    if state == CLEAN:
        assert text.encode() == data
    if state == NULS:
        assert b"\0" in data
    detect(data)


@given(st.binary(max_size=60))
def test_bytes_are_utf8_when_python_says_so(data: bytes) -> None:
    try:
        data.decode()
        expected = True
    except UnicodeDecodeError:
        expected = False
    assert is_utf8(data) == expected


@given(st.text(max_size=60), st.sampled_from(["utf-16-le", "utf-16-be"]), st.integers(1, 9))
def test_utf16_becomes_the_same_text_in_utf8(text: str, encoding: str, size: int) -> None:
    data = ("\ufeff" + text).encode(encoding)
    stream, pieces = Recoded(io.BytesIO(data)), []
    while piece := stream.read(size):
        pieces.append(piece)
    assert b"".join(pieces).decode() == text


def test_utf16_that_ends_within_a_character_leaves_a_byte_that_is_no_utf8() -> None:
    stream = Recoded(io.BytesIO("\ufeff好".encode("utf-16-le")[:-1]))
    assert stream.read(100) == b"\xff"
    assert stream.read(100) == b""


def test_the_worse_of_two_states_counts() -> None:
    assert worse(CLEAN, RECOVERED) == RECOVERED
    assert worse(NULS, RECOVERED) == NULS
    assert worse(NULS, DAMAGED) == worse(DAMAGED, CLEAN) == DAMAGED


def test_text_read_in_a_wrong_encoding_is_not_plausible() -> None:
    for text in SIMPLIFIED[:3]:
        assert plausible(text)
        assert not plausible(text.encode().decode("gb18030", errors="replace"))
        assert not plausible(text.encode().decode("latin-1"))
    assert not plausible("plain")
