"""Codes on papers and vehicles: number plate, passport and permit, unified social credit code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yunhe.corpus.kernels.checksums import PROVINCES, is_credit_code, is_resident_id
from yunhe.corpus.personal.hits import Buffer, Hit

# Source: GA 36-2018: province, issuing office, then five places (six on new-energy plates), never I
# or O.
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使][A-HJ-NP-Za-hj-np-z]"
    r"([·. \-]{0,2})"
    r"([A-HJ-NP-Za-hj-np-z0-9]{5,6}|[A-HJ-NP-Za-hj-np-z0-9]{4}[挂学警港澳领])(?![A-Za-z0-9])"
)
_NEW_ENERGY = re.compile(
    r"[A-HJ-NP-Za-hj-np-z][A-HJ-NP-Za-hj-np-z0-9][0-9]{4}|[0-9]{5}[A-HJ-NP-Za-hj-np-z]"
)
_PLATE_WORDS = re.compile(r"牌照|号牌|牌号|车|辆")
_PASSPORT = re.compile(
    r"(?:护照|通行证|旅行证)(?:号码?|编号)?[ ]?(?:是|为)?[ :]{0,2}"
    r"([A-Za-z]{1,2}[0-9]{7,8})(?![0-9A-Za-z])"
)
_CREDIT = re.compile(r"[159ANY][1-9A-G][0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}(?![0-9A-Za-z])")

_REGISTRIES = PROVINCES | {"10"}  # 10 is the State's own registry


def find(buffer: Buffer) -> Iterator[Hit]:
    """Plates by layout, passports after a word that says so, credit codes by check character."""
    for found in _PLATE.finditer(buffer.half):
        yield from _plate(buffer, found)
    for found in _PASSPORT.finditer(buffer.half):
        yield Hit(found.start(1), found.end(1), "PASSPORT", 90, "context")
    for found in _CREDIT.finditer(buffer.half):
        code, near = found.group(), buffer.before(found.start(), 1)
        if near.isascii() and near.isalnum():
            continue
        if code[2:4] in _REGISTRIES and is_credit_code(code) and not is_resident_id(code):
            yield Hit(found.start(), found.end(), "USCC", 97, "checksum")


def _plate(buffer: Buffer, found: re.Match[str]) -> Iterator[Hit]:
    gap, body = found.groups()
    named = _PLATE_WORDS.search(buffer.before(found.start(), 8)) is not None
    digits = sum(character.isdigit() for character in body)
    if len(body) == 6 and not _NEW_ENERGY.fullmatch(body):
        return
    upper = found.group() == found.group().upper()
    # Without a word that says so: capitals only and no blank or hyphen inside.
    if digits >= 1 and (named or (upper and " " not in gap and "-" not in gap)):
        yield Hit(
            found.start(),
            found.end(),
            "PLATE",
            92 if named else 84,
            "context" if named else "layout",
        )
