"""Tables as bytes, names as numbers, counts that add up."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from yunhe.corpus import output
from yunhe.corpus.kernels import keys, quoting
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.statistics import Statistics, lengths, sizes
from yunhe.kernel.canonical import canonical_bytes

TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=12)


@settings(deadline=None)  # the first call may compile
@given(TEXTS)
def test_a_quoted_text_is_the_json_string_of_the_text(texts: list[str]) -> None:
    found = quoting.quoted(pa.array(texts, pa.large_string())).to_pylist()
    assert [json.loads(each) for each in found] == texts
    assert all("\n" not in each for each in found)
    assert len(quoting.quote.signatures) == len(quoting.quoted_ends.signatures) == 1


@settings(deadline=None)  # the first call may compile
@given(TEXTS)
def test_the_kernels_agree_with_their_plain_python(texts: list[str]) -> None:
    data, offsets = utf8(pa.array(texts, pa.large_string()))
    ends = [np.zeros(len(offsets), np.int64) for _ in range(2)]
    quoting.quoted_ends(data, offsets, quoting._ESCAPES, ends[0])
    quoting.quoted_ends.py_func(data, offsets, quoting._ESCAPES, ends[1])
    assert ends[0].tolist() == ends[1].tolist()
    out = [np.zeros(int(ends[0][-1]), np.uint8) for _ in range(2)]
    quoting.quote(data, offsets, quoting._ESCAPES, ends[0], out[0])
    quoting.quote.py_func(data, offsets, quoting._ESCAPES, ends[0], out[1])
    assert out[0].tolist() == out[1].tolist()


@settings(deadline=None)  # the first call may compile
@given(TEXTS)
def test_names_hash_as_defined_wherever_they_stand(texts: list[str]) -> None:
    found = keys.name_hashes(pa.array(texts, pa.string())).tolist()
    assert found == [_hash(text) for text in texts]
    behind = keys.name_hashes(pa.array(["x", *texts], pa.string()).slice(1)).tolist()
    assert behind == found
    assert len(keys.hash_names.signatures) == 1


def _hash(text: str) -> int:
    value, whole = 0xCBF29CE484222325, (1 << 64) - 1
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & whole
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & whole
    value = (value ^ value >> 27) * 0x94D049BB133111EB & whole
    return value ^ value >> 31


@settings(max_examples=25)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=200), st.integers(1, 50), st.data())
def test_how_a_table_is_cut_changes_no_byte(
    texts: list[str], bytes_max: int, data: st.DataObject
) -> None:
    table = pa.table({"text": [text.encode("utf-8", "replace").decode() for text in texts]})
    cuts = sorted(data.draw(st.lists(st.integers(0, len(table)), max_size=5)))
    parts = [
        table.slice(low, high - low)
        for low, high in zip([0, *cuts], [*cuts, len(table)], strict=True)
    ]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(output, "ROW_GROUP_ROWS", 16)
        patched.setattr(output, "ROW_GROUP_BYTES", bytes_max)
        whole, pieces = io.BytesIO(), io.BytesIO()
        output.write_parquet(whole, table.schema, [table])
        output.write_parquet(pieces, table.schema, parts)
    assert whole.getvalue() == pieces.getvalue()
    assert parquet.read_table(io.BytesIO(whole.getvalue())).to_pylist() == table.to_pylist()


def test_a_table_without_rows_is_a_file_with_its_columns() -> None:
    empty = output.SPANS.empty_table()
    assert parquet.read_table(io.BytesIO(output.parquet_bytes(empty))).schema.names == [
        field.name for field in output.SPANS
    ]


def test_a_draw_depends_on_the_digest_alone_and_is_as_large_as_asked(tmp_path: Path) -> None:
    first = output.drawn(1000, documents_max=50, digest="sha256:" + "1" * 64)
    again = output.drawn(1000, documents_max=50, digest="sha256:" + "1" * 64)
    other = output.drawn(1000, documents_max=50, digest="sha256:" + "2" * 64)
    assert first.tolist() == again.tolist() == sorted(set(first.tolist()))
    assert first.tolist() != other.tolist()
    assert len(output.drawn(10, documents_max=50, digest="sha256:" + "1" * 64)) == 10
    table = pa.table({"id": [str(n) for n in range(1000)]})
    output.write_parquet(tmp_path / "t.parquet", table.schema, [table])
    found = output.some_rows(tmp_path / "t.parquet", first).column("id").to_pylist()
    assert found == [str(n) for n in first.tolist()]


COUNTS = st.dictionaries(st.sampled_from(["a", "b", "文"]), st.integers(0, 9))
PARTS = st.lists(
    st.fixed_dictionaries(
        {
            "documents_in": st.integers(0, 9),
            "labels": COUNTS,
            "dropped": st.dictionaries(
                st.sampled_from(["x", "y"]),
                st.dictionaries(st.sampled_from(["short", "long"]), st.integers(0, 9)),
            ),
            "sources": st.dictionaries(
                st.sampled_from(["语料", "q"]),
                st.dictionaries(
                    st.sampled_from(["documents_in", "documents_out"]), st.integers(0, 9)
                ),
            ),
        }
    ),
    min_size=1,
    max_size=4,
)


@given(PARTS, st.integers(0, 4))
def test_statistics_add_up_however_they_are_put_together(parts: list, cut: int) -> None:  # type: ignore[type-arg]
    whole = Statistics.summed(parts)
    halves = [Statistics.summed(half).raw() for half in (parts[:cut], parts[cut:])]
    assert Statistics.summed(halves) == whole
    assert whole.documents_in == sum(part["documents_in"] for part in parts)
    assert canonical_bytes(whole.as_json()) == canonical_bytes(
        Statistics.of_json(json.loads(canonical_bytes(whole.as_json()))).as_json()
    )
    dropped = sum(
        count for part in parts for each in part["dropped"].values() for count in each.values()
    )
    assert sum(whole.by_reason("dropped").values()) == dropped


@given(st.lists(st.integers(0, 2**31)))
def test_a_length_falls_into_the_bucket_of_its_bits(values: list[int]) -> None:
    found = lengths(np.array(values, np.int64))
    expected: dict[str, int] = {}
    for value in values:
        key = f"{value.bit_length():02d}"
        expected[key] = expected.get(key, 0) + 1
    assert found == expected
    assert sum(sizes(np.array(values, np.int64)).values()) == len(values)
