"""Sentences, durations and counts of the simulator, in one language."""

from __future__ import annotations

from dataclasses import dataclass

from yunhe.compute.simulation.domain import Note
from yunhe.kernel.language import Language, text

_UNITS = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"))


@dataclass(frozen=True, slots=True)
class Words:
    """Every text of the simulator in one language."""

    language: Language
    """The language."""

    def say(self, key: str, **params: str | int) -> str:
        """The sentence ``simulate.<key>``."""
        return text(f"simulate.{key}", self.language, **params)

    def note(self, note: Note) -> str:
        """A note about a trace."""
        return self.say(f"note.{note.key}", **dict(note.params))

    def count(self, number: float) -> str:
        """A whole number with separators."""
        return f"{round(number):,}"

    def share(self, value: float) -> str:
        """A fraction in percent."""
        return f"{100 * value:.1f} %"

    def duration(self, seconds: float) -> str:
        """A time in the largest unit it has two of, to three figures at most."""
        for length, name in _UNITS:
            if seconds >= 2 * length:
                return self.say(f"unit.{name}", value=_figures(seconds / length))
        return self.say("unit.seconds", value=_figures(seconds))

    def money(self, minor: int | None, currency: str) -> str:
        """An amount in the major unit; a dash where prices are not known."""
        from yunhe.kernel.units import format_minor  # noqa: PLC0415

        if minor is None:
            return "–"
        return f"{format_minor(minor, currency)} {currency}"


def _figures(value: float) -> str:
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
