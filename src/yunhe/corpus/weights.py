"""Files of trained weights: safetensors with a card and a seal, and no code inside.

The card says in whole numbers and words what was trained on what; the seal is a digest over card
and tensors, so that a file that was cut short or changed in one place is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from yunhe.kernel.canonical import JsonObject, canonical_bytes, sha256
from yunhe.kernel.errors import Invalid, NotFound

Tensors = Mapping[str, NDArray[np.generic]]
"""Arrays by name."""
BYTES_MAX = 1 << 30
"""Of a file."""
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Weights:
    """What a file of weights holds."""

    tensors: Tensors
    """Arrays by name."""
    card: JsonObject
    """What was trained, on how much, with which settings, how well it did."""
    digest: str
    """Of the file."""

    def tensor(self, name: str, kind: type[_Number], size: int | None = None) -> NDArray[_Number]:
        """A vector of that type, and of that length where one is given.

        Errors: `Invalid` ``corpus.weights_damaged``.
        """
        found = self.tensors.get(name)
        if found is None or found.dtype != np.dtype(kind) or found.ndim != 1:
            raise Invalid("corpus.weights_damaged", where=name)
        if size is not None and found.size != size:
            raise Invalid("corpus.weights_damaged", where=name)
        return found.astype(kind, copy=True)


def packed(kind: str, tensors: Tensors, card: JsonObject) -> bytes:
    """The bytes of a file; the same tensors and card give the same bytes.

    ``kind``: what the weights are for, so that a model is never taken for another.
    """
    ready = {name: np.ascontiguousarray(array) for name, array in sorted(tensors.items())}
    whole: JsonObject = {**card, "kind": kind}
    told: JsonObject = {"card": whole, "seal": _seal(ready, whole)}
    # One entry only: the order of several is not the same from run to run.
    return save(dict(ready), {"yunhe": canonical_bytes(told).decode()})


def read(path: Path, kind: str) -> Weights:
    """What a file of that kind holds.

    Errors: `NotFound` ``corpus.weights_missing``; `Invalid` ``corpus.weights_damaged`` for a file
    that is cut short, changed or no safetensors; ``corpus.weights_kind`` for another model's.
    """
    try:
        if path.stat().st_size > BYTES_MAX:
            raise Invalid("corpus.weights_damaged", where=path.name)
        data = path.read_bytes()
    except OSError:
        raise NotFound("corpus.weights_missing", where=path.name) from None
    return opened(data, kind, where=path.name)


def opened(data: bytes, kind: str, *, where: str) -> Weights:
    """The same for bytes already read."""
    try:
        tensors = load(data)
        length = int.from_bytes(data[:8], "little")
        told = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["yunhe"])
        card, seal = told["card"], told["seal"]
        whole = seal == _seal(tensors, card)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError):
        raise Invalid("corpus.weights_damaged", where=where) from None
    if not whole:
        raise Invalid("corpus.weights_damaged", where=where)
    if card.get("kind") != kind:
        there = str(card.get("kind"))[:32]
        raise Invalid("corpus.weights_kind", where=where, there=there, wanted=kind)
    return Weights(tensors, card, sha256(data))


def _seal(tensors: Tensors, card: JsonObject) -> str:
    shapes: JsonObject = {
        name: {"type": str(array.dtype), "shape": list(array.shape), "digest": _digest(array)}
        for name, array in sorted(tensors.items())
    }
    return sha256(canonical_bytes({"card": card, "tensors": shapes}))


def _digest(array: NDArray[np.generic]) -> str:
    return sha256(np.ascontiguousarray(array).tobytes())
