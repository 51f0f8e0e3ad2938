"""Made-up personal details that look right and lead to nobody, and numbers that only look personal.

Where a number space has a part that is not given out, numbers come from there: mobile prefixes and
area codes without a network, identity numbers with the sequence codes kept for centenarians under a
later birth date, plates with a city letter their province does not use, a bank prefix without an
issuer, ``example`` domains (RFC 2606). Except for the domains, that these parts are free was not
checked against an official register.
"""

from __future__ import annotations

from collections.abc import Mapping

from synthesis.grammar import Draw, Weighted

_FULL_WIDTH = str.maketrans("0123456789X@", "０１２３４５６７８９Ｘ＠")
_MOBILE = ("154", "160", "161", "163", "164", "168", "169", "179", "194")
_AREA = ("0499", "0589", "0689", "0849")
_REGION = (
    *("110101", "110105", "120101", "210102", "230103", "310104", "310115", "320102", "330106"),
    *("340104", "350203", "370102", "410105", "420106", "430102", "440103", "440305", "500103"),
    *("510104", "610103"),
)
_PLATE = {
    "吉": "LMNP",
    "贵": "KLMN",
    "甘": "QRS",
    "宁": "FGHJ",
    "青": "JKLM",
    "琼": "GHJK",
    "闽": "LMNP",
    "晋": "NPQ",
}
_PLATE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_SYLLABLES = (
    *("lan", "jiang", "xiao", "hua", "zhi", "min", "wei", "lin", "yue"),
    *("chen", "tian", "bao", "qing", "mu", "shan", "yun", "fei"),
)
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"

_PHONE_FORMS = Weighted.of(
    [("plain", 60), ("344 ", 10), ("344-", 9), ("+86", 6), ("+86 ", 4), ("86-", 3), ("wide", 8)]
)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999
_ID_CHECK = "10X98765432"


def luhn_digit(digits: str) -> str:
    """The digit that completes ``digits`` to a number valid by ISO/IEC 7812-1 (Luhn)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def id_check(digits: str) -> str:
    """The check character of the 17 leading digits of an identity number (GB 11643-1999)."""
    return _ID_CHECK[sum(w * int(d) for w, d in zip(_ID_WEIGHTS, digits, strict=True)) % 11]


def name(draw: Draw, parts: Mapping[str, tuple[str, ...]]) -> str:
    """Surname and a given name of one or two characters."""
    surname = draw.pick(parts["surname"])
    if draw.chance(0.12):
        return surname + draw.pick(parts["single"])
    return surname + draw.pick(parts["first"]) + draw.pick(parts["second"])


def phone(draw: Draw) -> str:
    """A mobile number in one of the ways people write it."""
    number = draw.pick(_MOBILE) + draw.digits(8)
    form = _PHONE_FORMS.draw(draw)
    if form == "wide":
        return number.translate(_FULL_WIDTH)
    if form.startswith("344"):
        return form[3].join((number[:3], number[3:7], number[7:]))
    return number if form == "plain" else form + number


def landline(draw: Draw) -> str:
    """A fixed-line number, with the area code more often than not."""
    area, local = draw.pick(_AREA), str(2 + draw.below(7)) + draw.digits(7)
    if draw.chance(0.15):
        return local
    return draw.pick((f"{area}-{local}", f"{area} {local}", f"（{area}）{local}", area + local))


def identity(draw: Draw) -> tuple[str, bool]:
    """An identity number and whether its checksum is right (wrong in about a fifth)."""
    year, month, day = 1945 + draw.below(60), 1 + draw.below(12), 1 + draw.below(28)
    digits = f"{draw.pick(_REGION)}{year}{month:02d}{day:02d}{996 + draw.below(4)}"
    check, right = id_check(digits), True
    if draw.chance(0.2):
        right = False
        check = draw.pick([c for c in _ID_CHECK if c != check])
    number = digits + check
    form = draw.random()
    if form < 0.08:
        number = number.lower()
    elif form < 0.15:
        number = f"{number[:6]} {number[6:14]} {number[14:]}"
    elif form < 0.21:
        number = number.translate(_FULL_WIDTH)
    return number, right


def bank(draw: Draw) -> str:
    """A card number of 16 or 19 digits with a right Luhn digit."""
    digits = "6299" + draw.digits(14 if draw.chance(0.75) else 11)
    digits += luhn_digit(digits)
    form = draw.random()
    if form < 0.2:
        return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))
    return digits.translate(_FULL_WIDTH) if form < 0.26 else digits


def plate(draw: Draw) -> str:
    """A licence plate: plain, with the dot, or of a new-energy car."""
    province = draw.pick(tuple(_PLATE))
    head = province + draw.pick(_PLATE[province])
    if draw.chance(0.25):
        return head + draw.pick("DF") + draw.digits(5)
    tail = list(draw.digits(5))
    for _ in range(draw.below(3)):
        tail[draw.below(5)] = draw.pick(_PLATE_LETTERS)
    if draw.chance(0.04):
        return (head + "".join(tail)).lower()
    return head + draw.pick(("", "", "", "·", "·", " ")) + "".join(tail)


def email(draw: Draw) -> str:
    """An address under a domain that RFC 2606 keeps for examples."""
    local = draw.pick(_SYLLABLES) + draw.pick(("", ".", "_")) + draw.pick(_SYLLABLES)
    local += draw.digits(1 + draw.below(4)) if draw.chance(0.7) else ""
    domain = draw.pick(("example.com", "example.net", "example.org", "mail.example.com"))
    return f"{local}{'＠' if draw.chance(0.08) else '@'}{domain}"


def wechat(draw: Draw) -> str:
    """A WeChat id: given out by the system or chosen by its owner."""
    if draw.chance(0.25):
        return "wxid_" + "".join(draw.pick(_BASE36) for _ in range(14))
    word = draw.pick(_SYLLABLES) + draw.pick(_SYLLABLES)
    return word + draw.pick(("", "_", "-")) + draw.digits(2 + draw.below(4))


def address(draw: Draw, parts: Mapping[str, tuple[str, ...]], road: str, estate: str) -> str:
    """A home: always down to a house or room number."""
    head = draw.pick(parts["city"]) if draw.chance(0.35) else ""
    head += draw.pick(parts["district"]) if draw.chance(0.6) else ""
    block, unit = 1 + draw.below(30), 1 + draw.below(4)
    room = f"{1 + draw.below(18)}0{1 + draw.below(4)}"
    form = draw.random()
    if form < 0.12:
        word = draw.pick(parts["word"])
        return f"{head}{word}镇{draw.pick(parts['word'])}村{unit + 1}组{block}号"
    if form < 0.4:
        return f"{head}{road}{2 + draw.below(900)}号{estate}{block}幢{unit}单元{room}室"
    if form < 0.6:
        return f"{head}{road}{2 + draw.below(900)}弄{block}号{room}室"
    if form < 0.8:
        return f"{head}{estate}{block}号楼{unit}单元{room}"
    if form < 0.9:
        return f"{head}{estate}{block}-{unit}-{room}"
    return f"{head}{road}{2 + draw.below(900)}号"


def order_number(draw: Draw) -> str:
    """A hard negative: 16 to 19 digits, yet neither a card (Luhn) nor an identity number."""
    digits = str(1 + draw.below(9)) + draw.digits(14 + draw.below(4))
    last = draw.digits(1)
    bad = {luhn_digit(digits)}
    if len(digits) == 17:
        bad.add(id_check(digits))
    while last in bad:
        last = str((int(last) + 1) % 10)
    return digits + last
