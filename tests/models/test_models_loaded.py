"""Models held in memory while the place of their bytes changes, lies, or is away."""

from __future__ import annotations

import pytest

from yunhe.kernel.errors import NotAllowed, Unavailable
from yunhe.models import loaded
from yunhe.models.loaded import LoadedClassifiers
from yunhe.storage.blobs import LocalBlobs


class Elsewhere(LocalBlobs):
    """A folder that stands for a place beyond a network."""

    away = False
    read_count = 0

    def _reach(self) -> None:
        if self.away:
            raise Unavailable("storage.s3_away", bucket="b", where="w", retryable=True)

    def read(self, digest: str) -> bytes:
        self._reach()
        self.read_count += 1
        return super().read(digest)

    def stamp(self, digest: str) -> str:
        self._reach()
        return super().stamp(digest)


@pytest.fixture
def blobs(tmp_path, monkeypatch):
    monkeypatch.setattr(loaded, "from_bytes", lambda data: data)
    return Elsewhere(tmp_path / "blobs")


def test_a_model_is_read_once_and_again_only_when_its_bytes_were_written_again(blobs):
    digest = blobs.put(b"weights").digest
    held = LoadedClassifiers(blobs)
    assert [held.get(digest) for _ in range(5)] == [b"weights"] * 5
    assert blobs.read_count == 1
    path = blobs.path(digest)
    path.unlink()
    path.write_bytes(b"Weights")
    with pytest.raises(NotAllowed):
        held.get(digest)
    path.unlink()
    with pytest.raises(NotAllowed):
        held.get(digest)
    blobs.put(b"weights")
    assert held.get(digest) == b"weights"


def test_while_the_place_is_away_verified_models_go_on_and_others_are_not_called_wrong(blobs):
    digest, other = blobs.put(b"weights").digest, blobs.put(b"others").digest
    held = LoadedClassifiers(blobs)
    assert held.get(digest) == b"weights"
    blobs.away = True
    assert held.get(digest) == b"weights"
    with pytest.raises(Unavailable) as caught:
        held.get(other)
    assert caught.value.code == "storage.s3_away"
    blobs.away = False
    assert held.get(other) == b"others"
