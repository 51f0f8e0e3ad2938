"""Details made general: a region and a year for an ID, an operator's segment for a phone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from yunhe.corpus.domain import MASKS, PersonalType
from yunhe.corpus.kernels.checksums import has_region
from yunhe.corpus.personal.details import sections
from yunhe.corpus.personal.values import digits, half, plain

_AREA = re.compile(
    r"^(?:[\u4e00-\u9fff]{2,6}?(?:省|自治区))?(?:[\u4e00-\u9fff]{2,5}?(?:市|自治州|盟))?"
    r"(?:[\u4e00-\u9fff]{1,5}?(?:区|县|旗))?"
)
_YEAR = slice(6, 10)


def general(kind: PersonalType, value: str) -> str:
    """A placeholder with what many people share: ``[电话·138]``; just the placeholder if nothing.

    An ID keeps region and year of birth, a phone its operator's segment, an address city and
    district, an IP address its first 16 (of IPv6 32) bits, a plate its office, a card its issuer, a
    mail a large provider's domain.
    """
    maker = _MAKERS.get(kind)
    kept = maker(value) if maker else ""
    return f"{MASKS[kind][:-1]}·{kept}]" if kept else MASKS[kind]


def _identity(value: str) -> str:
    found = digits(value)
    if len(found) == 15:
        return f"{found[:6]}·19{found[6:8]}年"
    return f"{found[:6]}·{found[_YEAR]}年" if has_region(found[:6]) else ""


def _address(value: str) -> str:
    found = _AREA.match(half(value))
    return found.group() if found else ""


def _ip(value: str) -> str:
    shown = half(value)
    if ":" in shown:
        first, second, *_ = [*shown.split(":"), "", ""]
        return f"{first}:{second}::/32" if first and second else ""
    return ".".join(shown.split(".")[:2]) + ".0.0/16"


def _mail(value: str) -> str:
    domain = plain("EMAIL", value).rpartition("@")[2]
    return domain if domain in sections()["hashed"] else ""


def _landline(value: str) -> str:
    found = digits(value)
    found = "0" + found[2:] if found.startswith("86") and len(found) > 9 else found
    if not found.startswith("0"):
        return ""
    return found[:3] if found[1] in "12" else found[:4]


_MAKERS: Mapping[PersonalType, Callable[[str], str]] = {
    "ID": _identity,
    "ID_BAD": _identity,
    "PHONE": lambda value: plain("PHONE", value)[:3],
    "LANDLINE": _landline,
    "ADDRESS": _address,
    "IP": _ip,
    "PLATE": lambda value: plain("PLATE", value)[:2],
    "BANK": lambda value: digits(value)[:6],
    "EMAIL": _mail,
    "USCC": lambda value: plain("USCC", value)[2:8],
}
