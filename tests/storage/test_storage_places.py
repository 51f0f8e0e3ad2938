"""Every place for blobs keeps the same promises: a folder, and a mock of S3 (moto on loopback)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from s3_server import Mock, mock_of_s3
from yunhe.kernel.errors import Invalid, NotFound
from yunhe.storage.blob_trial import check_blobs
from yunhe.storage.blobs import Blob, LocalBlobs, open_blobs


@pytest.fixture(scope="module")
def s3() -> Iterator[Mock]:
    with mock_of_s3() as server:
        server.bucket()
        yield server


def test_a_folder_keeps_every_promise(tmp_path):
    blobs = LocalBlobs(tmp_path / "blobs")
    assert check_blobs(blobs) == []
    assert [path for path in blobs.root.rglob("*") if path.is_file()] == []


def test_the_mock_of_s3_keeps_every_promise(s3):
    # Patient: what is tried is the promises, not how soon a busy machine's mock answers.
    assert check_blobs(s3.blobs(patience_seconds=60)) == []
    assert s3.keys() == []
    assert s3.uploads() == 0


class Forgetful(LocalBlobs):
    """Says that it stored a file and did not."""

    def put_file(self, path: Path) -> Blob:
        return (
            super().put_file(path) if path.stat().st_size > 1_000 else Blob("sha256:" + "0" * 64, 1)
        )


class Greedy(LocalBlobs):
    """Takes as much as it is given."""

    def put_stream(self, chunks: Iterable[bytes], *, bytes_max: int) -> Blob:
        return super().put_stream(chunks, bytes_max=1 << 40)


class Half(LocalBlobs):
    """Keeps what came before the source failed."""

    def put_stream(self, chunks: Iterable[bytes], *, bytes_max: int) -> Blob:
        kept = b""
        try:
            for chunk in chunks:
                kept += chunk
        except Exception:
            self.put(kept)
            raise
        return self.put(kept)


class Sure(LocalBlobs):
    """Knows everything."""

    def exists(self, digest: str) -> bool:
        return True


class Hoarder(LocalBlobs):
    """Never lets go."""

    def delete(self, digest: str) -> None:
        self.path(digest)


class Anything(LocalBlobs):
    """Reads whatever it is asked for."""

    def read(self, digest: str) -> bytes:
        try:
            return super().read(digest)
        except (NotFound, Invalid):
            return b""


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        (Forgetful, "file"),
        (Greedy, "stream_too_long"),
        (Half, "stream_breaks"),
        (Sure, "missing"),
        (Hoarder, "deleting"),
        (Anything, "wrong_names"),
    ],
)
def test_a_place_that_breaks_a_promise_is_found_out(kind, case, tmp_path):
    found = check_blobs(kind(tmp_path / "blobs"))
    assert case in {finding.where for finding in found}
    assert found[0].message("zh").startswith(found[0].where)


def test_one_setting_chooses_the_place(tmp_path, monkeypatch, s3):
    assert isinstance(open_blobs("", folder=tmp_path), LocalBlobs)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
    bucket = s3.bucket("yunhe-other")
    blobs = open_blobs(f"s3://{bucket}/any/prefix/", folder=tmp_path, endpoint=s3.address + "/")
    blob = blobs.put("运河".encode())
    hexadecimal = blob.digest.removeprefix("sha256:")
    assert s3.keys(bucket) == [f"any/prefix/{hexadecimal[:2]}/{hexadecimal[2:]}"]
    assert list(blobs.digests()) == [blob.digest]
    blobs.delete(blob.digest)
    assert s3.keys(bucket) == []


@pytest.mark.parametrize(
    ("place", "endpoint"),
    [
        ("s3:/bucket", ""),
        ("s3://Bucket/x", ""),
        ("s3://b/x", ""),
        ("s3://bucket/ä", ""),
        ("https://bucket", ""),
        ("s3://bucket", "host:9000"),
        ("s3://bucket", "http://user:secret@host"),
        ("s3://bucket", "ftp://host"),
    ],
)
def test_what_is_no_address_of_s3_is_refused_without_repeating_secrets(place, endpoint, tmp_path):
    with pytest.raises(Invalid) as caught:
        open_blobs(place, folder=tmp_path, endpoint=endpoint)
    assert caught.value.code == "storage.s3_address_invalid"
    assert "secret" not in caught.value.message("en")
    assert "YUNHE_BLOBS" in caught.value.message("zh")


def test_without_credentials_the_variables_to_set_are_named(tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Invalid) as caught:
        open_blobs("s3://bucket", folder=tmp_path)
    assert caught.value.code == "storage.s3_credentials_missing"
    assert "AWS_SECRET_ACCESS_KEY" in caught.value.message("en")


def test_without_the_extra_its_installation_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "yunhe.storage.s3", None)
    with pytest.raises(Invalid) as caught:
        open_blobs("s3://bucket", folder=tmp_path)
    assert caught.value.code == "storage.s3_extra"
    assert "yunhe[s3]" in caught.value.message("zh")
