"""What stands in a text where a personal detail stood: five ways, all of them de-identification.

Scanning says where, this says what instead; the same finds serve every way. Nothing outside a find
changes. Masks and generalised values keep a part of the detail on purpose, so they leave more risk
than a placeholder; a pseudonym can be traced by whoever holds the key.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pyarrow as pa

from yunhe.corpus import errors
from yunhe.corpus.domain import MASKS, PERSONAL_TYPES, PersonalType
from yunhe.corpus.edits import Edits, applied
from yunhe.corpus.kernels.utf8 import Utf8
from yunhe.corpus.personal.found import Found
from yunhe.corpus.personal.general import general
from yunhe.corpus.personal.values import plain

Mode = Literal["placeholder", "mask", "delete", "pseudonym", "generalise"]
"""Ways to redact; the first is the default."""
MODES: tuple[Mode, ...] = get_args(Mode)
KEY_BYTES_MIN, KEY_BYTES_MAX = 32, 4096
"""A key shorter than a SHA-256 digest could be guessed from a pseudonym."""
_TOKEN_DIGITS = 10  # 40 bits: a million different values share a token with probability .37
_HIDDEN = "*"
_KEPT: dict[PersonalType, tuple[int, int]] = {
    "NAME": (1, 0), "PHONE": (0, 4), "LANDLINE": (3, 2), "ID": (3, 1), "ID_BAD": (3, 1),
    "ADDRESS": (3, 0), "PLATE": (2, 1), "BANK": (0, 4), "WECHAT": (1, 1), "QQ": (2, 1),
    "PASSPORT": (1, 2), "USCC": (2, 2), "PERMIT": (1, 2), "MEDICAL": (1, 1), "ACCOUNT": (1, 2),
}  # fmt: skip
"""Letters and digits that a mask leaves at either end."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """A way to redact, and the key that pseudonyms take."""

    mode: Mode = "placeholder"
    """Which way."""
    key: bytes | None = field(default=None, repr=False)
    """The data holder's; only pseudonyms need it."""

    @property
    def key_digest(self) -> str:
        """Names the key without revealing it: two runs with equal digests used the same key."""
        if self.key is None:
            return ""
        return hmac.new(self.key, b"yunhe: which key is this", sha256).hexdigest()[:32]


def read_key(path: Path) -> bytes:
    """The key in a file of the data holder's.

    Errors: `NotFound` ``corpus.input_missing``; `Invalid` ``corpus.key_length`` when it has not 32
    to 4,096 bytes. Neither shows a byte of it.
    """
    try:
        with path.open("rb") as stream:
            key = stream.read(KEY_BYTES_MAX + 1)
    except OSError as error:
        raise errors.input_missing(path) from error
    if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        raise errors.key_length(path, KEY_BYTES_MIN, KEY_BYTES_MAX)
    return key


def redacted(
    texts: pa.LargeStringArray, seen: Utf8, found: Found, how: Redaction
) -> pa.LargeStringArray:
    """The texts with something else in place of every find; no character outside a find changes.

    Shapes: ``texts``: large_string[n]; ``seen``: the same texts' bytes; ``found``: without
    overlaps, as `yunhe.corpus.personal.scan.scan` gives it.
    """
    if not len(found):
        return texts
    words, kinds = _words(seen, found, how)
    return applied(seen, Edits(found.starts, found.ends, kinds), words)


def _words(seen: Utf8, found: Found, how: Redaction) -> tuple[list[str], np.ndarray]:
    """Every replacement once, and which one each find takes."""
    if how.mode == "delete":
        return [""], np.zeros(len(found), np.int64)
    if how.mode == "placeholder":
        return [MASKS[kind] for kind in PERSONAL_TYPES], found.types.astype(np.int64)
    makers: dict[Mode, Callable[[PersonalType, str], str]] = {
        "mask": masked,
        "generalise": general,
        "pseudonym": lambda kind, value: pseudonym(kind, value, how.key or b""),
    }
    make = makers[how.mode]
    words: dict[str, int] = {}
    kinds = np.empty(len(found), np.int64)
    bounds = zip(found.starts.tolist(), found.ends.tolist(), found.types.tolist(), strict=True)
    for place, (start, end, kind) in enumerate(bounds):
        value = seen.data[start:end].tobytes().decode("utf-8")
        kinds[place] = words.setdefault(make(PERSONAL_TYPES[kind], value), len(words))
    return list(words), kinds


def pseudonym(kind: PersonalType, value: str, key: bytes) -> str:
    """A typed token, e.g. ``[电话#7f3a9c0b12]``: the same for every spelling of one value.

    Keyed HMAC-SHA256, cut to 40 bits: without the key nobody can try values against it.
    """
    if len(key) < KEY_BYTES_MIN:
        raise ValueError("pseudonyms need a key")
    said = f"{MASKS[kind]}\0{plain(kind, value)}".encode()
    token = hmac.new(key, said, sha256).hexdigest()[:_TOKEN_DIGITS]
    return f"{MASKS[kind][:-1]}#{token}]"


def masked(kind: PersonalType, value: str) -> str:
    """The value's shape with stars, e.g. ``138****8000``; gaps and marks stay."""
    if kind == "EMAIL":
        local, sign, domain = _parted(value)
        return f"{local[:1]}{_HIDDEN * 3}{sign}{domain}" if sign else _HIDDEN * len(value)
    if kind == "IP":
        return _ip(value)
    places = [at for at, one in enumerate(value) if one.isalnum()]
    first, last = _KEPT[kind]
    first, last = min(first, len(places) // 3), min(last, (len(places) + 2) // 3)
    if kind == "PHONE":
        first = max(0, len(places) - 8)  # what is before the last eight: 138, +86 138
    hidden = set(places[first : len(places) - last])
    return "".join(_HIDDEN if at in hidden else one for at, one in enumerate(value))


def _parted(value: str) -> tuple[str, str, str]:
    for sign in ("@", "＠", "#", "＃"):
        if sign in value:
            return value.partition(sign)
    return value, "", ""


def _ip(value: str) -> str:
    mark = ":" if ":" in value else "." if "." in value else "．"
    parts = value.split(mark)
    return mark.join(part if place < 2 else _HIDDEN for place, part in enumerate(parts))
