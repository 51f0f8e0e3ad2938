"""Numbers that name a person: resident ID, bank card, mobile phone, landline."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yunhe.corpus.kernels.checksums import (
    has_birthday,
    has_luhn,
    has_region,
    is_resident_id,
)
from yunhe.corpus.kernels.shadow import NUMERALS
from yunhe.corpus.personal.hits import Buffer, Hit

_CONTEXT_CHARACTERS = 14
_CARD_DIGITS_MIN, _CARD_GROUP_DIGITS_MIN, _ID_DIGITS = 16, 3, 18

# No \b and no \W anywhere: a hanzi is a word character, so neither sees where a number begins. A
# pattern starts with a plain set of characters, which the matcher skips to at about a gigabyte a
# second.
_NUMBER = re.compile(r"[0-9](?:[ .\-]?[0-9]){6,}(?:[ \-]?[Xx](?![A-Za-z]))?")
_SPELT = re.compile(f"[{NUMERALS}0-9](?:[ \\-]?[{NUMERALS}0-9]){{10,}}[Xx]?")
_SPELT_DIGITS = str.maketrans(NUMERALS, "00011122233445566778899")
_ID = re.compile(r"(?<![0-9])[1-9](?:[ \-]?[0-9]){16}[ \-]?(?:[0-9](?![0-9])|[Xx])")
_ID15 = re.compile(r"(?<![0-9])[1-9](?:[ \-]?[0-9]){14}(?![0-9Xx])")
_BANK = re.compile(r"(?<![0-9])[3-9](?:[ \-]?[0-9]){15,18}(?![0-9])")
_MOBILE = re.compile(r"(?<![0-9])(?:(?:0086|86|0)[ \-]?)?(1[3-9](?:[ .\-]?[0-9]){9})(?![0-9])")
_LANDLINE = re.compile(
    r"(?:\(0|0)(?:10|2[0-9]|[3-9][0-9]{2})(\) ?|[ \-]{1,3}|)[1-9][0-9]{2,3}([ \-]?)[0-9]{4}"
    r"(?:(?:-|转|转分机|分机| ?ext\.? ?)[0-9]{1,6})?(?![0-9])"
)
_LANDLINE_GLUED = re.compile(r"[A-Za-z0-9_=./]$")
_LOCAL = re.compile(
    r"(?:电话|座机|固话|传真|联系方式|家庭电话)(?:号码|号)?[:是为 ]{0,3}"
    r"([2-8][0-9]{2,3}[ \-]?[0-9]{4})(?![0-9]|[ .\-][0-9])"
)

# Slips such as 身份份证 and 份身证 are as common as the word itself is long.
_ID_WORDS = re.compile(r"[身份][^0-9]{0,3}证|证件|证号|身份号|(?i:id ?card|id ?no|sfz)")
_BANK_WORDS = re.compile(
    r"卡号|卡[上里:是为]|银行|账户|帐户|账号|帐号|信用卡|储蓄卡|借记卡|转账|汇款|打款|开户|打到"
)
_PHONE_WORDS = re.compile(
    r"电话|手机|联系|号码是|致电|拨打|来电|去电|短信|传真|座机|固话|微信|回电|(?i:tel|phone|mobile|call)"
)
_SERIAL_WORDS = re.compile(
    r"(?:单号|编号|订单|流水号?|工单|案号|文号|货号|条码|批号|运单|快递|受理号|件号|序号|型号|代码|(?i:no\.?|sn))"
    r"[号:#是为 ]{0,3}$"
)
_COUNTRY = re.compile(r"(?:\+|00|\(\+?86\)|\(?\+|\(?\+?86)[ \-]?$")
_LABELLED = re.compile(r"(?i:tel|phone|mobile|mob|cell|call|wx|vx|wechat|qq|[tmv])[=:]?$")
_LETTER = re.compile("[A-Za-z]")
# An X behind a digit ends an ID number, so what follows it is not glued to a word.
_GLUED_BEFORE = re.compile(r"(?:[A-WYZa-wyz_=]|(?<![0-9])[Xx]|[0-9]\.)$")
_GLUED_AFTER = re.compile(r"[A-Za-z_]|\.[A-Za-z0-9]")
_MOBILE_LAYOUTS = {(11,), (3, 4, 4), (4, 3, 4), (4, 4, 3)}

CARD_PREFIXES = (
    "62", "9558", "4367", "4392", "4512", "4563", "4581", "5187", "5240", "5451", "6013", "3568",
)  # fmt: skip
"""First digits of cards issued in mainland China: UnionPay 62 and the commonest older ones.

Source: ISO/IEC 7812 (62 is UnionPay's); the others from general knowledge, unverified, so they
count only together with a valid check digit.
"""


def find(buffer: Buffer) -> Iterator[Hit]:
    """IDs, cards and phones, in digits of either width or spelt in Chinese numerals."""
    half = buffer.half
    for group in _NUMBER.finditer(half):
        yield from _in_number(buffer, group.start(), group.end())
    for group in _SPELT.finditer(half):
        if not group.group().isascii():
            read = group.group().translate(_SPELT_DIGITS)
            yield from _in_spelt(buffer, read, group.start())
    yield from _landlines(buffer)


def _in_number(buffer: Buffer, start: int, end: int) -> Iterator[Hit]:
    half, taken, length = buffer.half, start, end - start
    if length >= 15:
        for found in _ID.finditer(half, start, end):
            hit = _identity(buffer, found)
            if hit:
                yield hit
                taken = hit.end
        for found in _BANK.finditer(half, taken, end):
            hits = (_card(buffer, text, found.start()) for text in _shortened(found.group()))
            yield from [hit for hit in hits if hit][:1]
        for found in _ID15.finditer(half, taken, end):
            yield from _old_identity(buffer, found)
    if length >= 11:
        for found in _MOBILE.finditer(half, taken, end):
            yield from _mobile(buffer, found)


def _in_spelt(buffer: Buffer, read: str, start: int) -> Iterator[Hit]:
    for found in _ID.finditer(read):
        digits = _digits(found.group())
        if is_resident_id(digits):
            yield Hit(start + found.start(), start + found.end(), "ID", 99, "checksum")
    # A leading 一 may belong to the word before ("致使一一三八…"): then the number starts after it.
    mobiles = list(_MOBILE.finditer(read)) or list(_MOBILE.finditer(" " + read[1:]))
    for found in mobiles:
        context = _PHONE_WORDS.search(buffer.before(start, _CONTEXT_CHARACTERS))
        score, reason = (90, "context") if context else (80, "layout")
        yield Hit(start + found.start(), start + found.end(), "PHONE", score, reason)


def _digits(text: str) -> str:
    return text.replace(" ", "").replace("-", "").replace(".", "").upper()


def _identity(buffer: Buffer, found: re.Match[str]) -> Hit | None:
    digits, (start, end) = _digits(found.group()), found.span()
    if _LETTER.match(buffer.after(end, 1)):
        return None
    if is_resident_id(digits):
        return Hit(start, end, "ID", 99, "checksum")
    if not _ID_WORDS.search(buffer.before(start, _CONTEXT_CHARACTERS)):
        return None
    if has_region(digits) or has_birthday(digits[6:14]):
        return Hit(start, end, "ID_BAD", 85, "context")
    return None


def _old_identity(buffer: Buffer, found: re.Match[str]) -> Iterator[Hit]:
    digits, (start, end) = _digits(found.group()), found.span()
    named = _ID_WORDS.search(buffer.before(start, _CONTEXT_CHARACTERS))
    if named and has_region(digits) and has_birthday("19" + digits[6:12]):
        yield Hit(start, end, "ID", 85, "context")


def _shortened(text: str) -> Iterator[str]:
    """The number, then without its last groups: "6222… 6月" is a card and a date after it."""
    while len(_digits(text)) >= _CARD_DIGITS_MIN:
        last = max(text.rfind(" "), text.rfind("-"))
        if last < 0 or len(text) - last > _CARD_GROUP_DIGITS_MIN:
            yield text
        text = text[: max(last, 0)]


def _card(buffer: Buffer, text: str, start: int) -> Hit | None:
    digits, before = _digits(text), buffer.before(start, _CONTEXT_CHARACTERS)
    end = start + len(text)
    if _ID_WORDS.search(before):
        return None
    named = _BANK_WORDS.search(before) is not None
    known = digits.startswith(CARD_PREFIXES) and not (
        len(digits) == _ID_DIGITS and has_birthday(digits[6:14])
    )
    if has_luhn(digits) and (named or (known and not _SERIAL_WORDS.search(before))):
        return Hit(start, end, "BANK", 95 if named else 88, "checksum" if named else "prefix")
    if named and known:
        return Hit(start, end, "BANK", 70, "context")
    return None


def _mobile(buffer: Buffer, found: re.Match[str]) -> Iterator[Hit]:
    (start, end), core = found.span(), found.group(1)
    before = buffer.before(start, _CONTEXT_CHARACTERS)
    after = buffer.after(end, 2)
    named = _PHONE_WORDS.search(before) is not None
    if _GLUED_BEFORE.search(before) and not _LABELLED.search(before):
        return
    if _GLUED_AFTER.match(after) and not (named and after[0] != "."):
        return
    layout = tuple(map(len, re.split("[ .\\-]", core)))
    if layout not in _MOBILE_LAYOUTS and not (named and "." not in core):
        return
    if not named and _SERIAL_WORDS.search(before):
        return
    country = _COUNTRY.search(before)
    start -= len(country.group()) if country else 0
    yield Hit(start, end, "PHONE", 92 if named else 82, "context" if named else "layout")


def _landlines(buffer: Buffer) -> Iterator[Hit]:
    for found in _LANDLINE.finditer(buffer.half):
        before = buffer.before(found.start(), _CONTEXT_CHARACTERS)
        if _LANDLINE_GLUED.search(before):
            continue
        named = _PHONE_WORDS.search(before) is not None
        gap, middle = found.groups()
        if named or ((")" in gap or gap in ("-", " ")) and middle != " "):
            score, reason = (90, "context") if named else (75, "layout")
            yield Hit(found.start(), found.end(), "LANDLINE", score, reason)
    for found in _LOCAL.finditer(buffer.half):
        yield Hit(found.start(1), found.end(1), "LANDLINE", 75, "context")
