"""Person names, where the words around them say so: after a role, before a title, beside a number.

Nothing here finds a name that stands alone in running text: for that a trained tagger is needed.
That is why the output is called de-identified, never anonymous, and why recall is measured where
the truth is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from yunhe.corpus.personal import lexicon
from yunhe.corpus.personal.hits import Buffer, Hit
from yunhe.corpus.personal.lexicon import (
    CITIES,
    COMPOUND_SURNAMES,
    DOUBTFUL_SURNAMES,
    FUNCTION_SURNAMES,
    GIVEN,
    NOT_GIVEN,
    NOT_NAMES,
    NOT_TITLED,
    SURNAMES,
)

_BEFORE_CHARACTERS, _BESIDE_CHARACTERS = 10, 8
_PAUSES = " ,:;.!?()[]<>\"'-/|~、。，；！？：（）【】《》“”‘’「」…\n\r\x00\x01"


def _ending(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(f"(?:{lexicon.either(words)})([是为叫:]?) ?$")


_STRONG = _ending(lexicon.STRONG_WORDS)
_WEAK = _ending(lexicon.WEAK_WORDS)
_STARTS = frozenset(
    "是为叫:" + "".join(word[-1] for word in (*lexicon.STRONG_WORDS, *lexicon.WEAK_WORDS)) + " "
)
_FIRST = SURNAMES | {surname[0] for surname in COMPOUND_SURNAMES}
_TITLE = re.compile("|".join(lexicon.TITLES))
# What may follow a name: a pause, or a word that goes on about the person.
_ENDS = re.compile(f"[{re.escape(_PAUSES)}]|$|{lexicon.either(lexicon.NAME_ENDS)}")
# What stands right behind a name in forms and signatures: a number, a word for one, 收 (receives).
_BESIDE = re.compile(
    r"联系电话|电话|手机|身.{0,2}证|联系方式|[男女](?=[,，、 ])|收(?=[ ,.!。，！；;\n\x00]|$)"
    r"|(?:\+?86[ -]?)?1[3-9][0-9][ .-]?[0-9]{4}[ .-]?[0-9]{4}"
)
_LINK = re.compile(r"[ ,:;、。…(\n]{0,3}$")


def find(buffer: Buffer) -> Iterator[Hit]:
    """Names after a role, an introduction or beside a number, and surnames before a title."""
    half, codes = buffer.half, buffer.codes
    surname, start = lexicon.table(frozenset(_FIRST)), lexicon.table(_STARTS)
    given = ~lexicon.table(NOT_GIVEN)
    given[:0x4E00] = given[0xA000:] = False
    # Nothing is before the very first character, and every document ends in a separator.
    candidates = start[codes[:-2]] & surname[codes[1:-1]] & given[codes[2:]]
    for at in (np.flatnonzero(candidates) + 1).tolist():
        yield from _after_words(buffer, half, at)
    yield from _beside(buffer, half)
    yield from _before_titles(buffer, half)


def surname_length(half: str, at: int) -> int:
    """Characters of the surname that starts at ``at``; 0 when none does."""
    if half[at : at + 2] in COMPOUND_SURNAMES:
        return 2
    return int(half[at : at + 1] in SURNAMES and half[at : at + 2] not in NOT_NAMES)


def ends_of(half: str, at: int, surname: int) -> list[int]:
    """Where a name from ``at`` may end, longest first, given the length of its surname."""
    ends: list[int] = []
    for end in range(at + surname + 1, at + surname + 3):
        character = half[end - 1 : end]
        if not "\u4e00" <= character <= "\u9fff" or character in NOT_GIVEN:
            break
        ends.insert(0, end)
    return ends


def _after_words(buffer: Buffer, half: str, at: int) -> Iterator[Hit]:
    surname = surname_length(half, at)
    ends = ends_of(half, at, surname) if surname else []
    before = buffer.before(at, _BEFORE_CHARACTERS) if ends else ""
    strong = _STRONG.search(before)
    weak = None if strong else _WEAK.search(before)
    if not strong and not weak:
        return
    said = before.rstrip().endswith(":")
    plain = half[at] not in DOUBTFUL_SURNAMES
    function = half[at] in FUNCTION_SURNAMES
    for end in ends:
        common, closed = _is_common(half[at + surname : end]), _ENDS.match(half, end)
        # Two common characters after a surname are a name even where nothing marks the end.
        surely = common and not function and (strong or (plain and end - at - surname == 2))
        likely = strong or common
        if function and not said:
            likely = common and end - at - surname == 2
        if surely or (closed and (likely or said)):
            yield Hit(at, end, "NAME", 85 if strong else 75, "context")
            return
    if strong and said:
        yield Hit(at, ends[0], "NAME", 75, "context")


def _beside(buffer: Buffer, half: str) -> Iterator[Hit]:
    for found in _BESIDE.finditer(half):
        before = buffer.before(found.start(), _BESIDE_CHARACTERS)
        link = _LINK.search(before)
        end = found.start() - (len(link.group()) if link else 0)
        for length in (4, 3, 2):
            at = end - length
            surname = surname_length(half, at) if length <= len(before) else 0
            given = half[at + surname : end]
            if not surname or not 1 <= len(given) <= 2 or not _is_common(given):
                continue
            # Run together with the words before it, a name must be beyond doubt.
            beyond = half[at] not in DOUBTFUL_SURNAMES and len(given) == 2 and end < found.start()
            if half[at - 1 : at] in _PAUSES or beyond:
                yield Hit(at, end, "NAME", 80, "context")
                break


def _is_common(given: str) -> bool:
    return all(character in GIVEN for character in given)


def _before_titles(buffer: Buffer, half: str) -> Iterator[Hit]:
    for found in _TITLE.finditer(half):
        end = found.start()
        before = buffer.before(end, 4)
        for length in (3, 4, 2, 1):
            name = before[-length:]
            if len(name) == length and _is_titled(name, before[:-length]):
                yield Hit(end - length, end, "NAME", 82, "title")
                break


def _is_titled(name: str, before: str) -> bool:
    surname = surname_length(name + "\n", 0)
    given, behind = name[surname:], (before + name)[-2:]
    if not surname or len(given) > 2 or name[0] in FUNCTION_SURNAMES:
        return False
    if given:
        return _is_common(given) and name[0] not in DOUBTFUL_SURNAMES
    paused = not before or before[-1] in _PAUSES
    known = behind in NOT_TITLED or behind in NOT_NAMES or behind in CITIES
    return not known and (paused or name[0] not in DOUBTFUL_SURNAMES)
