"""Bulk kernels against plain-Python references, document by document."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from yunhe.corpus.kernels import mojibake, shadow
from yunhe.corpus.kernels.measures import measured
from yunhe.corpus.kernels.utf8 import utf8

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def plane(text: str) -> np.ndarray:
    """uint16[characters]: those of the basic plane, and a mark for those beyond it."""
    return np.array([ord(c) if ord(c) < 65536 else 0xFFFF for c in text], np.uint16)


def suspects(texts: list[str]) -> list[int]:
    counts = measured(utf8(pa.array(texts, pa.large_string())))
    return np.flatnonzero(mojibake.suspects(counts)).tolist()


@given(TEXT)
def test_the_shadow_has_the_length_of_the_text_and_leaves_hanzi_alone(text: str) -> None:
    read = shadow.half_width()[plane(text)].tobytes().decode("utf-16-le", errors="replace")
    assert len(read) == len(text)
    for before, after in zip(text, read, strict=False):
        if "\u4e00" <= before <= "\u9fff":
            assert after == before


def test_the_shadow_reads_full_width_as_half_width() -> None:
    read = shadow.half_width()[plane("ＡＢ１３８　－—·（＠）")]
    assert [chr(code) for code in read.tolist()] == list("AB138 --·(@)")


WORDS = (
    "市民反映小区门口的路灯坏了三天没有人来修，晚上看不清路。",
    "公交站牌被撞歪了，老人坐车找不到站，麻烦尽快处理一下！",
    "工地凌晨四点开始打桩，孩子睡不好觉，已经一个星期了。电话12345",
)


@pytest.mark.parametrize("text", WORDS)
@pytest.mark.parametrize(
    ("written", "seen", "kind"),
    [
        ("utf-8", "latin-1", "utf8_as_latin1"),
        ("gb18030", "latin-1", "gbk_as_latin1"),
    ],
)
def test_text_read_as_latin_is_read_again_without_loss(
    text: str, written: str, seen: str, kind: str
) -> None:
    assert mojibake.reread(text.encode(written).decode(seen)) == (text, kind)


@pytest.mark.parametrize("text", WORDS)
def test_text_read_as_a_browser_reads_windows_1252_is_read_again(text: str) -> None:
    seen = "".join(
        byte.decode("cp1252") if byte[0] not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else chr(byte[0])
        for byte in (bytes([b]) for b in text.encode())
    )
    assert mojibake.reread(seen) == (text, "utf8_as_latin1")


def test_text_read_as_gbk_is_read_again_where_nothing_was_lost() -> None:
    text = "小区门口路灯坏了三天，晚上看不清路"
    seen = text.encode().decode("gb18030", errors="replace")
    found = mojibake.reread(seen)
    assert found is not None
    assert found[1] == "utf8_as_gbk"
    alike = sum(a == b for a, b in zip(found[0], text, strict=False))
    assert alike >= len(text) - 3


@settings(deadline=None)  # the first one may have to compile
@given(
    st.text("小区门口的路灯坏了三天没有人来修电话请处理，。！12345 abc", min_size=1, max_size=60)
)
def test_ordinary_chinese_is_never_a_suspect(text: str) -> None:
    assert suspects([text]) == []


@settings(max_examples=60, deadline=None)
@given(st.text("小区门口的路灯坏了三天没有人来修电话请处理，。！", min_size=6, max_size=60))
def test_every_misread_text_is_a_suspect_and_comes_back(text: str) -> None:
    text = "小区" + text
    together = sum(map(len, re.findall("[\u4e00-\u9fff]{2,}", text)))
    assume(2 * together >= len(re.findall("[\u4e00-\u9fff]", text)))  # else it may be French
    seen = text.encode().decode("latin-1")
    assert suspects(["别的文档", seen]) == [1]
    assert mojibake.reread(seen) == (text, "utf8_as_latin1")


@given(st.text(max_size=60))
def test_reading_again_never_fails_and_keeps_ascii_in_order(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    found = mojibake.reread(text)
    if found:
        kept = [c for c in text if c.isascii()]
        assert [c for c in found[0] if c.isascii()] == kept
