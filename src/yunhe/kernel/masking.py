"""Takes known secrets out of what is printed or written down, in every form they usually take.

What cannot be masked: a secret that its holder turned into something else (reversed, encrypted,
split over lines, compressed). Masking keeps accidents from spreading; it stops nobody who means to.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = b"***"
"""What stands in a secret's place."""
LETTERS_MIN = 8
"""Shorter forms are not looked for: they would be found everywhere."""
LINES_MAX = 100
"""Of a longer secret only so many lines are also looked for alone."""
_BATCH_BYTES = 64 << 10
_LEAST_LAG = 4  # a batch is at least so many times what is held back, so rescans cost little


class Mask:
    """Knows some secrets and finds them, alone and in other bytes; shows none of them itself."""

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        """Forms are made of every secret of at least `LETTERS_MIN` bytes."""
        forms = {form for secret in secrets for form in forms_of(secret)}
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self.longest = len(self._forms[0]) if self._forms else 0

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._forms)

    def __repr__(self) -> str:
        return f"Mask({len(self._forms)} forms)"

    def masked(self, data: bytes) -> bytes:
        """``data`` with `MASK` in the place of every form of every secret."""
        stream = self.stream()
        return stream.take(data) + stream.rest()

    def text(self, said: str) -> str:
        """As `masked`, for text; what is no text stays as readable as it was."""
        if not self._forms:
            return said
        return self.masked(said.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def stream(self) -> MaskedStream:
        """For bytes that come in parts, a secret possibly across two of them."""
        return MaskedStream(self)

    def settled(self, data: bytes | bytearray) -> int:
        """How much of ``data`` can't be part of a form that only what follows would complete."""
        least = len(data)
        for form in self._forms:
            at = max(len(data) - len(form) + 1, 0)
            # The first letters are found fast; near the end fewer of them are left to look for.
            while 0 <= at < least:
                head = form[: min(LETTERS_MIN, len(data) - at)]
                found = data.find(head, at)
                if found < 0:
                    at += 1 if len(head) < LETTERS_MIN else len(data) - at - LETTERS_MIN + 1
                elif form.startswith(bytes(data[found:])):
                    least = min(least, found)
                    break
                else:
                    at = found + 1
        return least

    def found_in(self, data: bytes | bytearray) -> list[tuple[int, int]]:
        """Stretches of ``data`` that are forms of secrets, in order, none touching another."""
        found = sorted(
            (start, start + len(form)) for form in self._forms for start in _starts(data, form)
        )
        joined: list[tuple[int, int]] = []
        for start, end in found:
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        return joined


class MaskedStream:
    """Bytes in, masked bytes out, later by at most what a secret could still reach into.

    Cost: the data is searched once for each form, in batches; memory is a few of the longest form.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._lag = max(mask.longest - 1, 0)
        self._kept = bytearray()
        self._covered = 0  # so many bytes at the start of `_kept` belong to a mask already given

    def take(self, data: bytes) -> bytes:
        """What can be given out so far; nothing until a batch is full."""
        if not self._lag:
            return data
        self._kept += data
        if len(self._kept) < max(_BATCH_BYTES, _LEAST_LAG * self._lag):
            return b""
        # A form that starts before this point lies wholly in what is kept.
        return self._give(len(self._kept) - self._lag)

    @property
    def waiting(self) -> bool:
        """Whether something is held back."""
        return bool(self._kept)

    def ready(self) -> bytes:
        """What can be given out at once: all but an end that may be the beginning of a secret.

        For output that is read as it comes; costs a look at the end for each form.
        """
        if not self._kept:
            return b""
        return self._give(self._mask.settled(self._kept))

    def rest(self) -> bytes:
        """What was held back; the stream has ended."""
        return self._give(len(self._kept))

    def _give(self, until: int) -> bytes:
        given = bytearray()
        at = self._covered
        covered = at
        for start, end in self._mask.found_in(self._kept):
            if start >= until:
                break
            if end <= at:
                continue
            given += self._kept[at:start]
            if start > covered or not covered:  # else it goes on with the mask before it
                given += MASK
            at = covered = end
        given += self._kept[at:until]
        del self._kept[:until]
        self._covered = max(covered - until, 0)
        return bytes(given)


def forms_of(secret: bytes) -> Iterator[bytes]:
    """The ways in which programs usually print a secret; nothing for one that is too short.

    Itself and each of its first `LINES_MAX` lines; base64 in both alphabets, also inside longer
    base64 at each of the three offsets; hexadecimal; URL-encoded; as a string of JSON and Python.
    """
    if len(secret) < LETTERS_MIN:
        return
    yield from (form for form in _forms(secret) if len(form) >= LETTERS_MIN)
    lines = (line.strip() for line in secret.splitlines()[:LINES_MAX])
    yield from (line for line in lines if len(line) >= LETTERS_MIN)


def _forms(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.strip()
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield from _base64_forms(secret)
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield quoted.encode()
        yield _lower_escapes(quoted).encode()
    yield repr(secret)[2:-1].encode()
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        return
    yield json.dumps(text)[1:-1].encode()
    yield json.dumps(text, ensure_ascii=False)[1:-1].encode()
    yield json.dumps(text)[1:-1].replace("/", "\\/").encode()
    yield repr(text)[1:-1].encode()


def _base64_forms(secret: bytes) -> Iterator[bytes]:
    for offset in range(3):
        coded = base64.b64encode(bytes(offset) + secret)
        # Only the letters that depend on nothing but the secret, whatever stands around it; where
        # nothing stands before or after it, the whole.
        inner = coded[-(-offset * 8 // 6) : (offset + len(secret)) * 8 // 6]
        for form in (inner,) if offset else (inner, coded, coded.rstrip(b"=")):
            yield form
            yield form.translate(bytes.maketrans(b"+/", b"-_"))
            yield quote(form, safe="").encode()


def _lower_escapes(quoted: str) -> str:
    head, *parts = quoted.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in parts)])


def _starts(data: bytes | bytearray, form: bytes) -> Iterator[int]:
    at = data.find(form)
    while at >= 0:
        yield at
        at = data.find(form, at + 1)
