"""Rejects are raw text: encrypted, whole or refused, and the key never shows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.corpus import rejects
from yunhe.corpus.output import parquet_bytes
from yunhe.corpus.rejects import MARK, Sealer, load_key, new_key, read_rejects
from yunhe.kernel.errors import Invalid, NotFound

KEY = bytes(range(32))


@given(st.binary(max_size=5_000), st.binary(min_size=32, max_size=32))
def test_what_was_sealed_is_read_back_and_nothing_of_it_shows(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, key: bytes
) -> None:
    path = tmp_path_factory.mktemp("sealed") / "x"
    Sealer(key).write(path, data)
    assert Sealer(key).read(path) == data
    assert len(data) < 8 or data not in path.read_bytes()[len(MARK) :]


def test_the_same_rejects_give_the_same_bytes_and_other_ones_other_nonces(tmp_path: Path) -> None:
    for name, data in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        Sealer(KEY).write(tmp_path / name, data)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    start = len(MARK) + 4
    assert a[start : start + 12] != c[start : start + 12]


def test_a_change_anywhere_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "_CHUNK_BYTES", 10)
    path = tmp_path / "x"
    Sealer(KEY).write(path, b"0123456789" * 3)
    good = path.read_bytes()
    chunk = 4 + 12 + 10 + 16
    head, chunks = good[: len(MARK)], [
        good[at : at + chunk] for at in range(len(MARK), len(good), chunk)
    ]  # fmt: skip
    assert len(chunks) == 3
    wrong = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(len(good))]
    wrong += [
        head + chunks[1] + chunks[0] + chunks[2],
        head + chunks[0] + chunks[1],
        head + chunks[0] + chunks[2],
        good + chunks[2],
        head,
        b"",
    ]
    for data in wrong:
        path.write_bytes(data)
        with pytest.raises(Invalid) as caught:
            Sealer(KEY).read(path)
        assert caught.value.code == "corpus.rejects_unreadable"
    path.write_bytes(good)
    with pytest.raises(Invalid):
        Sealer(bytes(32)).read(path)
    assert Sealer(KEY).read(path) == b"0123456789" * 3


def test_a_key_is_32_bytes_that_only_its_owner_may_read(tmp_path: Path) -> None:
    new_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    assert len(load_key(tmp_path / "key").key) == 32
    with pytest.raises(FileExistsError):
        new_key(tmp_path / "key")
    for size in (0, 31, 33):
        (tmp_path / "short").write_bytes(bytes(size))
        with pytest.raises(Invalid):
            load_key(tmp_path / "short")
    with pytest.raises(NotFound):
        load_key(tmp_path / "none")


def test_a_key_has_a_name_but_never_shows_itself(tmp_path: Path) -> None:
    sealer = Sealer(KEY)
    assert sealer.name() != Sealer(bytes(32)).name()
    assert KEY.hex()[:8] not in repr(sealer) + sealer.name()
    assert "key=" not in repr(sealer)


def test_a_part_is_read_back_as_a_table(tmp_path: Path) -> None:
    new_key(tmp_path / "key")
    table = pa.table({"document": ["a"], "text": ["raw"]})
    load_key(tmp_path / "key").write(tmp_path / "part", parquet_bytes(table))
    assert read_rejects(tmp_path / "part", tmp_path / "key").to_pylist() == table.to_pylist()
