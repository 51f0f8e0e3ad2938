from __future__ import annotations

import hashlib
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.kernel.errors import Invalid, NotFound, Unavailable
from yunhe.storage.blobs import LocalBlobs, explain_os_error


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobs(tmp_path / "blobs")


def test_bytes_come_back_under_their_own_digest(blobs):
    blob = blobs.put("运河".encode())
    assert blob.digest == "sha256:" + hashlib.sha256("运河".encode()).hexdigest()
    assert blobs.read(blob.digest).decode() == "运河"
    assert blob.size_bytes == 6


def test_the_same_bytes_are_stored_once_and_cannot_be_overwritten(blobs):
    first = blobs.put(b"x")
    assert blobs.put(b"x") == first
    path = blobs.path(first.digest)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert [p for p in blobs.root.rglob("*") if p.is_file()] == [path]


def test_a_file_is_stored_like_its_bytes(blobs, tmp_path):
    source = tmp_path / "big"
    source.write_bytes(os.urandom(3 << 20) + b"tail")
    assert blobs.put_file(source) == blobs.put(source.read_bytes())


@given(data=st.binary(min_size=1, max_size=200), where=st.integers(0), bit=st.integers(0, 7))
def test_any_changed_bit_is_noticed_on_the_way_out(tmp_path_factory, data, where, bit):
    blobs = LocalBlobs(tmp_path_factory.mktemp("blobs"))
    digest = blobs.put(data).digest
    path = blobs.path(digest)
    changed = bytearray(data)
    changed[where % len(data)] ^= 1 << bit
    path.chmod(0o644)
    path.write_bytes(changed)
    with pytest.raises(Unavailable) as caught:
        blobs.read(digest)
    assert caught.value.code == "storage.blob_damaged"
    with pytest.raises(Unavailable):
        blobs.fetch(digest, path.with_name("copy"))
    assert not path.with_name("copy").exists()


def test_a_missing_blob_is_not_found_and_leaves_no_partial_copy(blobs, tmp_path):
    digest = "sha256:" + "0" * 64
    with pytest.raises(NotFound):
        blobs.read(digest)
    with pytest.raises(NotFound):
        blobs.fetch(digest, tmp_path / "copy")
    assert not blobs.exists(digest)
    assert list(tmp_path.glob("copy*")) == []


@pytest.mark.parametrize(
    "digest", ["", "sha256:", "md5:" + "0" * 64, "sha256:" + "g" * 64, "sha256:../../" + "0" * 58]
)
def test_what_is_no_digest_never_becomes_a_path(blobs, digest):
    with pytest.raises(Invalid):
        blobs.path(digest)


def test_a_write_that_fails_leaves_no_file(blobs, monkeypatch):
    blobs.put(b"before")

    def refuse(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(Unavailable) as caught:
        blobs.put(b"after")
    assert caught.value.code == "storage.disk_full"
    assert len([p for p in blobs.root.rglob("*") if p.is_file()]) == 1


@pytest.mark.parametrize(
    ("number", "code"),
    [(28, "disk_full"), (30, "read_only"), (13, "read_only"), (5, "disk_failed")],
)
def test_what_a_disk_says_becomes_advice(tmp_path, number, code):
    error = explain_os_error(OSError(number, "said so"), tmp_path)
    assert error.code == f"storage.{code}"
    assert str(tmp_path) in error.message("zh")


def test_what_a_killed_writer_left_is_swept_and_a_writer_at_work_is_not(blobs):
    kept = blobs.put(b"whole")
    old, fresh = blobs.root / ".incoming-old", blobs.root / ".incoming-fresh"
    for path in (old, fresh):
        path.write_bytes(b"half")
    now_us = fresh.stat().st_mtime_ns // 1_000
    os.utime(old, ns=(0, 0))
    assert blobs.sweep(now_us=now_us) == 1
    assert not old.exists()
    assert fresh.exists()
    assert blobs.read(kept.digest) == b"whole"
