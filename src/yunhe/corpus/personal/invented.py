"""Invented details for probes: right layouts and check digits, nobody's on purpose.

A number may by chance be somebody's; none is taken from anywhere, and a seed gives them all.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from random import Random

from yunhe.corpus.kernels.candidates import PROVINCES
from yunhe.corpus.kernels.checksums import credit_check, has_luhn, id_check_digit

_PLATE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_CODE_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@cache
def lists() -> dict[str, tuple[str, ...]]:
    """The lines of each list in ``lexicons/probes.txt``, by its heading."""
    data = (files("yunhe.corpus") / "lexicons" / "probes.txt").read_text("utf-8")
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in data.splitlines():
        if line.startswith("== "):
            lines = found.setdefault(line.removeprefix("== "), [])
        elif line and not line.startswith("#"):
            lines.append(line)
    return {name: tuple(kept) for name, kept in found.items()}


@cache
def _words(name: str) -> tuple[str, ...]:
    return tuple(word for line in lists()[name] for word in line.split())


class Inventor:
    """Draws details; the same seed draws the same ones."""

    def __init__(self, seed: int) -> None:
        self.drawn = Random(seed)  # noqa: S311 - a seed must give the same ones

    def digits(self, count: int) -> str:
        """That many digits, the first of them not 0."""
        return self.drawn.choice("123456789") + "".join(
            self.drawn.choices("0123456789", k=count - 1)
        )

    def one_of(self, words: str) -> str:
        """One of some words that are separated by bars."""
        return self.drawn.choice(words.split("|"))

    def _day(self) -> tuple[int, int, int]:
        return self.drawn.randint(1945, 2008), self.drawn.randint(1, 12), self.drawn.randint(1, 28)

    def identity(self) -> str:
        """A resident ID number of 18 places."""
        year, month, day = self._day()
        order = self.drawn.randint(1, 999)
        first = f"{self.drawn.choice(_words('regions'))}{year}{month:02}{day:02}{order:03}"
        return first + id_check_digit(first)

    def crossed(self) -> str:
        """One that ends in X."""
        while True:
            found = self.identity()
            if found.endswith("X"):
                return found

    def wrong_identity(self) -> str:
        """One whose check digit is wrong."""
        right = self.identity()
        return right[:17] + self.drawn.choice([d for d in "0123456789" if d != right[17]])

    def old_identity(self) -> str:
        """One of 15 digits."""
        year, month, day = self._day()
        order = self.drawn.randint(1, 999)
        region = self.drawn.choice(_words("regions"))
        return f"{region}{min(year, 1999) % 100:02}{month:02}{day:02}{order:03}"

    def mobile(self) -> str:
        """A mobile phone."""
        return self.drawn.choice(_words("mobile")) + "".join(self.drawn.choices("0123456789", k=8))

    def area(self) -> str:
        """An area code."""
        return self.drawn.choice(_words("areas"))

    def local(self, area: str) -> str:
        """A landline's number in an area."""
        return self.drawn.choice("2345678") + self.digits(7 if len(area) == 3 else 6)

    def card(self, length: int) -> str:
        """A bank card."""
        first = self.drawn.choice(_words("issuers"))
        first += "".join(self.drawn.choices("0123456789", k=length - 1 - len(first)))
        return next(first + last for last in "0123456789" if has_luhn(first + last))

    def plate(self, length: int) -> tuple[str, str]:
        """(province and office, number) of a plate."""
        office = self.drawn.choice(PROVINCES[:-1]) + self.drawn.choice(_PLATE_LETTERS[:12])
        if length == 6:
            return office, self.drawn.choice("DF") + self.digits(5)
        letters = self.drawn.choice(_PLATE_LETTERS)
        return office, self.drawn.choice([self.digits(5), letters + self.digits(4)])

    def credit_code(self) -> str:
        """A unified social credit code."""
        first = "91" + self.drawn.choice(_words("regions")) + "MA"
        first += "".join(self.drawn.choices(_CODE_LETTERS, k=7))
        return first + credit_check(first)

    def account(self) -> str:
        """The name of a mail account."""
        word = self.drawn.choice(_words("mail_words"))
        other = self.drawn.choice(_words("mail_words"))
        number = self.digits(self.drawn.randint(2, 5))
        return self.drawn.choice(
            [word + number, f"{word}.{other}", f"{word}_{number}", number + word]
        )

    def host(self) -> str:
        """A mail account's host."""
        return self.drawn.choice(_words("hosts"))

    def provider(self) -> str:
        """A large mail provider."""
        return self.drawn.choice(_words("providers"))

    def ip(self) -> str:
        """A public IPv4 address."""
        return f"{self.drawn.choice((36, 58, 61, 101, 113, 182, 218, 222))}." + ".".join(
            str(self.drawn.randint(1, 254)) for _ in range(3)
        )

    def ip6(self) -> str:
        """A public IPv6 address."""
        return "240e:" + ":".join(f"{self.drawn.randint(1, 65535):x}" for _ in range(7))

    def name(self) -> str:
        """A person's name."""
        given = self.drawn.sample(_words("given"), self.drawn.choice((1, 2, 2)))
        return self.drawn.choice(_words("surnames")) + "".join(given)

    def address(self, shape: str) -> str:
        """A door: ``full``, ``road``, ``estate``, ``chain`` or ``village``."""
        city, district = self.drawn.choice(_words("cities")), self.drawn.choice(_words("districts"))
        road, estate = self.drawn.choice(_words("roads")), self.drawn.choice(_words("estates"))
        number, floor = self.drawn.randint(1, 399), self.drawn.randint(1, 28)
        unit, flat = self.drawn.randint(1, 6), f"{floor}{self.drawn.randint(1, 6):02}"
        if shape == "road":
            return f"{district}{road}{number}号{flat}室"
        if shape == "estate":
            return f"{city}{district}{estate}{unit}栋{floor}单元{flat}"
        if shape == "chain":
            return f"{city}{district}{estate}{unit}-{floor}-{flat}"
        if shape == "village":
            return f"{city}{district}石桥镇东升村{unit}组{number}号"
        return f"{city}{district}{road}{number}号{estate}{unit}栋{flat}室"
