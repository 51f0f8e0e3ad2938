"""Probes: invented details in every way of writing that is promised, inside words of their own.

The words around them are not those the rules go by, except where a kind can only be told by its
label; those labels are written in many ways. A probe counts as found if all of it lies in one find.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from yunhe.corpus.domain import PersonalType
from yunhe.corpus.personal.invented import Inventor, lists


class Probe(NamedTuple):
    """One invented detail and the words around it."""

    type: PersonalType
    """What it is."""
    variant: str
    """How it is written."""
    before: str
    """Words before it."""
    value: str
    """The detail."""
    after: str
    """Words behind it."""


_Writer = Callable[[Inventor], str]
_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_NUMERALS = (
    str.maketrans("0123456789", "零一二三四五六七八九"),
    str.maketrans("0123456789", "〇幺二三四五六七八九"),
    str.maketrans("0123456789", "零壹贰叁肆伍陆柒捌玖"),
)
_CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
_BOLD = str.maketrans("0123456789", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗")


_COUNTRY = "+86|+86 |+86-|0086|0086-|86-|86 |(+86)|（+86）|＋86 "
_GAPS = " |-|.|·|　| - |–"
_TURNS = "转|-|转分机|分机| ext. | ext |，转|转接"
_ATS = "(at)|[at]| (at) |（at）"


def _grouped(text: str, sizes: tuple[int, ...], gap: str) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at : at + size])
        at += size
    return gap.join([*parts, text[at:]] if at < len(text) else parts)


def _fours(text: str, gap: str) -> str:
    return gap.join(text[at : at + 4] for at in range(0, len(text), 4))


def _spelt(one: Inventor, text: str) -> str:
    return text.translate(one.drawn.choice(_NUMERALS))


def _bracketed(one: Inventor) -> str:
    area = one.area()
    return one.one_of("({}){}|（{}）{}|({}) {}").format(area, one.local(area))


def _extended(one: Inventor) -> str:
    return _landline(one, "-") + one.one_of(_TURNS) + one.digits(3)


def _chat_name(one: Inventor) -> str:
    return one.one_of("a|b|k") + one.account().replace(".", "-")[:10] + one.digits(3)


def _landline(one: Inventor, gap: str) -> str:
    area = one.area()
    return f"{area}{gap}{one.local(area)}"


_Rows = tuple[tuple[str, str, _Writer], ...]
_WRITERS: Mapping[PersonalType, _Rows] = {
    "ID": (
        ("plain", "", Inventor.identity),
        ("x_lower", "", lambda one: one.crossed().lower()),
        ("wide", "", lambda one: one.crossed().translate(_WIDE)),
        ("6-8-4", "", lambda one: _grouped(one.identity(), (6, 8, 4), one.one_of(" |-|.|　|–"))),
        ("fours", "", lambda one: _fours(one.identity(), one.one_of(" |-"))),
        ("zero_width", "", lambda one: _grouped(one.identity(), (6, 8, 4), "\u200b")),
        ("numerals", "", lambda one: _spelt(one, one.identity())),
        ("bold", "", lambda one: one.identity().translate(_BOLD)),
        ("15", "ID15", Inventor.old_identity),
    ),
    "ID_BAD": (("wrong", "ID_BAD", Inventor.wrong_identity),),
    "PHONE": (
        ("plain", "", Inventor.mobile),
        ("+86", "", lambda one: one.one_of(_COUNTRY) + one.mobile()),
        ("3-4-4", "", lambda one: _grouped(one.mobile(), (3, 4, 4), one.one_of(_GAPS))),
        ("+86 3-4-4", "", lambda one: "+86 " + _grouped(one.mobile(), (3, 4, 4), "-")),
        ("wide", "", lambda one: one.mobile().translate(_WIDE)),
        ("numerals", "", lambda one: _spelt(one, one.mobile())),
        ("circled", "", lambda one: one.mobile().translate(_CIRCLED)),
        ("bold", "", lambda one: one.mobile().translate(_BOLD)),
    ),
    "LANDLINE": (
        ("hyphen", "LANDLINE", lambda one: _landline(one, "-")),
        ("brackets", "", _bracketed),
        ("extension", "LANDLINE", _extended),
        ("country", "LANDLINE", lambda one: "+86-" + _landline(one, "-")[1:]),
        ("local", "LANDLINE", lambda one: one.local("010")),
        ("wide", "LANDLINE", lambda one: _landline(one, "-").translate(_WIDE)),
    ),
    "BANK": (
        ("19", "", lambda one: one.card(19)),
        ("16", "", lambda one: one.card(16)),
        ("17", "BANK", lambda one: one.card(17)),
        ("fours", "", lambda one: _fours(one.card(16), one.one_of(" |-"))),
        ("wide", "", lambda one: one.card(19).translate(_WIDE)),
    ),
    "PASSPORT": (
        ("letter", "PASSPORT", lambda one: one.drawn.choice("EGDP") + one.digits(8)),
        ("two", "PASSPORT", lambda one: "E" + one.drawn.choice("ABCDEFGH") + one.digits(7)),
        ("wide", "PASSPORT", lambda one: ("E" + one.digits(8)).translate(_WIDE)),
        ("gap", "PASSPORT", lambda one: "E " + one.digits(8)),
    ),
    "PERMIT": (
        ("hongkong", "PERMIT", lambda one: one.one_of("C|CA|W") + one.digits(8)),
        ("return", "PERMIT", lambda one: one.one_of("H|M") + one.digits(10)),
        ("taiwan", "PERMIT", lambda one: one.digits(8)),
        ("foreign", "PERMIT", lambda one: one.one_of("USA|GBR|FRA") + one.digits(12)),
    ),
    "PLATE": (
        ("plain", "", lambda one: "".join(one.plate(5))),
        ("dot", "", lambda one: one.drawn.choice("·•.").join(one.plate(5))),
        ("energy", "", lambda one: "".join(one.plate(6))),
        ("space", "PLATE", lambda one: one.drawn.choice(" -").join(one.plate(5))),
        ("wide", "", lambda one: "".join(one.plate(5)).translate(_WIDE)),
        ("lower", "PLATE", lambda one: "".join(one.plate(5)).lower()),
    ),
    "USCC": (
        ("plain", "", Inventor.credit_code),
        ("wide", "", lambda one: one.credit_code().translate(_WIDE)),
        ("lower", "USCC", lambda one: one.credit_code().lower()),
        ("gaps", "USCC", lambda one: _grouped(one.credit_code(), (2, 6, 9, 1), " ")),
    ),
    "EMAIL": (
        ("plain", "", lambda one: f"{one.account()}@{one.host()}"),
        ("wide_at", "", lambda one: f"{one.account()}＠{one.host()}"),
        ("hash", "", lambda one: f"{one.account()}#{one.provider()}"),
        ("at", "", lambda one: one.account() + one.one_of(_ATS) + one.host()),
        ("at_dot", "", lambda one: f"{one.account()} at {one.provider().replace('.', ' dot ')}"),
        ("wide", "", lambda one: f"{one.account()}@{one.host()}".translate(_WIDE)),
        ("spaced", "EMAIL", lambda one: f"{one.account()} @ {one.host()}"),
    ),
    "WECHAT": (
        ("word", "WECHAT", lambda one: one.one_of("wx|a|k") + "_" + one.digits(6)),
        ("mixed", "WECHAT", _chat_name),
    ),
    "QQ": (
        ("plain", "QQ", lambda one: one.digits(one.drawn.choice((6, 8, 9, 10)))),
        ("wide", "QQ", lambda one: one.digits(9).translate(_WIDE)),
    ),
    "IP": (
        ("v4", "IP", Inventor.ip),
        ("v6", "IP", Inventor.ip6),
        ("wide", "IP", lambda one: one.ip().translate(_WIDE)),
    ),
    "ADDRESS": tuple(
        (shape, "ADDRESS", lambda one, shape=shape: one.address(shape))  # type: ignore[misc]
        for shape in ("full", "road", "estate", "chain", "village")
    ),
    "MEDICAL": (
        ("digits", "MEDICAL", lambda one: one.digits(one.drawn.choice((6, 8, 10)))),
        ("letters", "MEDICAL", lambda one: one.drawn.choice(("ZY", "MZ", "B")) + one.digits(8)),
        ("wide", "MEDICAL", lambda one: one.digits(8).translate(_WIDE)),
    ),
    "ACCOUNT": (
        ("digits", "ACCOUNT", lambda one: one.digits(one.drawn.choice((7, 9, 10)))),
        ("long", "ACCOUNT", lambda one: one.digits(12)),
    ),
    "NAME": (("plain", "NAME", Inventor.name),),
}  # fmt: skip
KINDS: tuple[PersonalType, ...] = tuple(_WRITERS)
"""Kinds there are probes for: all."""


def variants(kind: PersonalType) -> tuple[str, ...]:
    """The ways of writing a kind that probes cover."""
    return tuple(name for name, _, _ in _WRITERS[kind])


def probes(kind: PersonalType, count: int, *, seed: int) -> list[Probe]:
    """``count`` probes of a kind, each way of writing in turn; a seed gives the same ones."""
    one = Inventor(seed)
    writers = _WRITERS[kind]
    made = []
    for number in range(count):
        variant, hint, write = writers[number % len(writers)]
        before, _, after = one.drawn.choice(lists()[hint or "bare"]).partition("|")
        made.append(Probe(kind, variant, before, write(one), after))
    return made
