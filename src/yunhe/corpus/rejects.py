r"""Raw texts of dropped documents, kept encrypted because they hold what cleansing takes away.

A file of rejects is the mark ``YUNHE-REJECTS-1\n``, then chunks. A chunk is four bytes (its length,
big-endian), a nonce of twelve bytes, and AES-256-GCM ciphertext with its tag. Mark, number of the
chunk (eight bytes, big-endian) and whether it is the last (one byte) are authenticated with it, so
that none can be changed, moved, left out or cut off. Put together, the chunks are a Parquet file.
Source: AES-GCM, NIST SP 800-38D. The nonce is made of key, place and content (HMAC-SHA256), so the
same rejects give the same bytes, and no nonce serves two texts.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
from pyarrow import parquet

from yunhe.kernel.errors import Invalid, NotFound

MARK = b"YUNHE-REJECTS-1\n"
"""How a file of rejects begins."""
KEY_BYTES = 32
"""Length of a key."""
DELETE_AFTER = b"delete_after"
"""In the metadata of the Parquet file: the last day on which it may be kept, ``YYYY-MM-DD``."""
_CHUNK_BYTES = 1 << 20
_NONCE_BYTES, _LENGTH_BYTES, _TAG_BYTES = 12, 4, 16


@dataclass(frozen=True, slots=True, repr=False)
class Sealer:
    """Encrypts with one key; never shown."""

    key: bytes
    """The key."""

    def name(self) -> str:
        """What tells this key from others, without telling anything about it."""
        return hmac.new(self.key, b"yunhe rejects name", hashlib.sha256).hexdigest()[:16]

    def write(self, path: Path, data: bytes | memoryview) -> None:
        """Write the bytes encrypted."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        view, cipher = memoryview(data), AESGCM(self.key)
        whole = hashlib.sha256(view).digest()
        starts = range(0, max(len(view), 1), _CHUNK_BYTES)
        with path.open("wb") as file:
            file.write(MARK)
            for number, start in enumerate(starts):
                about = _about(number, last=number == len(starts) - 1)
                nonce = hmac.new(self.key, b"nonce" + whole + about, hashlib.sha256).digest()
                piece = bytes(view[start : start + _CHUNK_BYTES])
                sealed = cipher.encrypt(nonce[:_NONCE_BYTES], piece, about)
                file.write(len(sealed).to_bytes(_LENGTH_BYTES, "big"))
                file.write(nonce[:_NONCE_BYTES] + sealed)

    def read(self, path: Path) -> bytes:
        """What `write` was given.

        Errors: `Invalid` ``corpus.rejects_unreadable`` for another key or changed bytes.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        cipher, pieces = AESGCM(self.key), []
        try:
            with path.open("rb") as file:
                for number, (nonce, sealed, last) in enumerate(_chunks(file)):
                    pieces.append(cipher.decrypt(nonce, sealed, _about(number, last=last)))
        except (InvalidTag, ValueError):
            raise Invalid("corpus.rejects_unreadable", where=path.name) from None
        return b"".join(pieces)


def _about(number: int, *, last: bool) -> bytes:
    return MARK + number.to_bytes(8, "big") + (b"\1" if last else b"\0")


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, bytes, bool]]:
    if file.read(len(MARK)) != MARK:
        raise ValueError
    head = file.read(_LENGTH_BYTES)
    if not head:
        raise ValueError
    while head:
        length = int.from_bytes(head, "big")
        if not _TAG_BYTES <= length <= _CHUNK_BYTES + _TAG_BYTES:
            raise ValueError
        nonce, sealed = file.read(_NONCE_BYTES), file.read(length)
        head = file.read(_LENGTH_BYTES)
        yield nonce, sealed, not head


def load_key(path: Path) -> Sealer:
    """The key in a file: 32 bytes, no more.

    Errors: `NotFound` ``corpus.rejects_key_missing``; `Invalid` ``corpus.rejects_key_wrong``.
    """
    try:
        with path.open("rb") as file:
            key = file.read(KEY_BYTES + 1)
    except OSError:
        raise NotFound("corpus.rejects_key_missing", where=str(path)) from None
    if len(key) != KEY_BYTES:
        raise Invalid("corpus.rejects_key_wrong", where=str(path), bytes=KEY_BYTES)
    return Sealer(key)


def new_key(path: Path) -> None:
    """Write a fresh key that only its owner can read; one that is there is not overwritten.

    Errors: ``FileExistsError``.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(os.urandom(KEY_BYTES))


def read_rejects(path: Path, key: Path) -> pa.Table:
    """One part of the rejects: document, source, row, step, reason, text as it was read.

    Errors: those of `load_key` and of `Sealer.read`.
    """
    return parquet.read_table(io.BytesIO(load_key(key).read(path)))
