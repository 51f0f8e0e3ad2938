"""Codes on papers and vehicles: plate, passport, credit code, patient's and account number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from yunhe.corpus.kernels.checksums import PROVINCES, is_credit_code, is_resident_id
from yunhe.corpus.personal.details import sections
from yunhe.corpus.personal.windows import Shadow, Sighting

# Source: GA 36-2018: province, issuing office, then five places (six on new-energy plates), never I
# or O.
_PLATE = re.compile(
    r".[A-HJ-NP-Za-hj-np-z]([·. \-•]{0,3})"
    r"((?:[A-HJ-NP-Za-hj-np-z0-9][ ]?){5,6}(?<! )|[A-HJ-NP-Za-hj-np-z0-9]{4}[挂学警港澳领])"
    r"(?![A-Za-z0-9])"
)
_NEW_ENERGY = re.compile(
    r"[A-HJ-NP-Za-hj-np-z][A-HJ-NP-Za-hj-np-z0-9][0-9]{4}|[0-9]{5}[A-HJ-NP-Za-hj-np-z]"
)
_PLATE_WORDS = re.compile(r"牌照|号牌|牌号|车|辆|[車輛牌]")
_SAYS = r"(?:号码?|號碼?|编号)?[ ]?(?:是|为|叫)?[ :#]{0,2}(?:[(][^()]{1,8}[)][ :]?)?$"
_PASSPORT_WORDS = re.compile(rf"(?:护照|護照|旅行证|(?i:passport(?: no\.?| number)?)){_SAYS}")
_PERMIT_WORDS = re.compile(
    rf"(?:通行证|通行證|台胞证|台胞證|回乡证|回鄉證|旅行证|居留证|居留身份证|永居证|港澳证|居住证){_SAYS}"
)
_PASSPORT = re.compile(r"[A-Za-z]{1,2}(?:[ \-]?[0-9]){7,8}(?![0-9A-Za-z])|[0-9]{9}(?![0-9A-Za-z])")
_PERMIT = re.compile(
    r"(?:[A-Za-z]{1,2}(?:[ \-]?[0-9]){7,10}|[A-Za-z]{3}[0-9]{12}|[0-9]{8}"
    r"|[0-9]{10}(?:\([A-Za-z]\)|[A-Za-z])?)"
    r"(?![0-9A-Za-z])"
)
_CREDIT = re.compile(
    r"[159ANYany][1-9A-Ga-g](?:[ \-]?[0-9]){6}(?:[ \-]?[0-9A-HJ-NPQRTUWXYa-hj-npqrtuwxy]){10}"
    r"(?![0-9A-Za-z])"
)
_REGISTRIES = PROVINCES | {"10"}  # 10 is the State's own registry
_NUMBER_SAYS = r"(?:码|碼|号|是|为|[ :#=]|\(|【|\[){0,3}$"
_NUMBER = re.compile(
    r"[A-Za-z]{0,4}-?[0-9A-Za-z]{0,6}[0-9](?:[ \-]?[0-9]){2,22}[A-Za-z]?(?![0-9A-Za-z])"
)
_TRAILING = re.compile(r"[A-Za-z0-9\-]{0,8}$")
_CHATS = re.compile(r"[微薇威]信|[Qq]{2}|[VvWw][Xx]")
_LETTERS = re.compile(r"(?:(?<![A-Za-z0-9])[A-Za-z]{1,2}[ \-]|[A-Za-z]+)$")
_DIGITS_MIN = 5


@cache
def _ending(name: str) -> re.Pattern[str]:
    words = sorted(sections()[name], key=lambda word: (-len(word), word))
    return re.compile(f"(?i:{'|'.join(map(re.escape, words))}){_NUMBER_SAYS}")


def plates(shadow: Shadow, start: int, end: int) -> Iterator[Sighting]:
    """A number plate that begins with the province at the candidate."""
    del end
    found = _PLATE.match(shadow.after(start, 20))
    if not found:
        return
    gap, body = found.group(1), found.group(2).replace(" ", "")
    named = _PLATE_WORDS.search(shadow.before(start, 8)) is not None
    digits = sum(character.isdigit() for character in body)
    if len(body) == 6 and not _NEW_ENERGY.fullmatch(body):
        return
    upper = found.group() == found.group().upper()
    # Without a word that says so: capitals only and no blank or hyphen inside.
    clear = upper and not {" ", "-"} & {*gap, *found.group(2)}
    if digits >= 1 and (named or clear):
        score, reason = (92, "context") if named else (84, "layout")
        yield Sighting(start, start + found.end(), "PLATE", score, reason)


def papers(shadow: Shadow, start: int, end: int) -> Iterator[Sighting]:
    """A passport, permit or credit code in the token that the run of digits is part of."""
    before = shadow.before(start, 30)
    head = _LETTERS.search(before)
    letters = len(head.group()) if head else 0
    text = before[len(before) - letters :] + shadow.after(start, min(end - start, 40) + 24)
    before, begin = before[: len(before) - letters], start - letters
    last = before[-1:]
    if last.isascii() and last.isalnum():
        return
    yield from _credit(text, begin)
    for words, pattern, kind in (
        (_PERMIT_WORDS, _PERMIT, "PERMIT"),
        (_PASSPORT_WORDS, _PASSPORT, "PASSPORT"),
    ):
        found = pattern.match(text) if words.search(before) else None
        if found:
            yield Sighting(begin, begin + found.end(), kind, 90, "context")  # type: ignore[arg-type]
            return


def _credit(text: str, begin: int) -> Iterator[Sighting]:
    found = _CREDIT.match(text)
    code = found.group().replace(" ", "").replace("-", "").upper() if found else ""
    if found and code[2:4] in _REGISTRIES and is_credit_code(code) and not is_resident_id(code):
        yield Sighting(begin, begin + found.end(), "USCC", 97, "checksum")


def accounts(shadow: Shadow, start: int, end: int) -> Iterator[Sighting]:
    """A patient's or an account's number right behind the word that ends around ``start``."""
    before = shadow.before(start, 24)
    if before and not before[-1:].isascii():
        # A unit such as 号: the number is behind it.
        text = before + shadow.after(start, 40)
        at = len(before) + (end - start)
        while at < len(text) and at - len(before) < 5 and text[at] in " :#=码碼是为([【":
            at += 1
        yield from _account(text, at, start - len(before))
        return
    head = len(before) - len(_TRAILING.search(before).group())  # type: ignore[union-attr]
    text = before + shadow.after(start, 40)
    yield from _account(text, head, start - len(before))


def _account(text: str, at: int, origin: int) -> Iterator[Sighting]:
    found = _NUMBER.match(text, at)
    if not found or sum(map(str.isdigit, found.group())) < _DIGITS_MIN:
        return
    before = text[:at]
    if _CHATS.search(before[-8:]):
        return
    for name, kind, score in (("medical", "MEDICAL", 88), ("account", "ACCOUNT", 76)):
        if _ending(name).search(before):
            yield Sighting(origin + at, origin + found.end(), kind, score, "context")  # type: ignore[arg-type]
            return
