"""Why something waits or failed, in a form for machines that people can read in their language."""

from __future__ import annotations

from dataclasses import dataclass

from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.errors import Parameter
from yunhe.kernel.language import Language, text

Params = tuple[tuple[str, Parameter], ...]
"""Values a sentence needs, in the order they are shown to machines."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that would have to be different."""

    code: str
    """Key of the sentence, e.g. ``compute.change_award``."""
    params: Params = ()
    """Values of the sentence; ``missing`` is always a whole number of minor units or devices."""

    def message(self, language: Language) -> str:
        """The change as one sentence."""
        return text(self.code, language, **dict(self.params))


@dataclass(frozen=True, slots=True)
class Why:
    """Why a workload is not running, or why it ended without a result."""

    code: str
    """Key of two sentences: ``<code>`` (what) and ``<code>.do`` (what to do)."""
    params: Params = ()
    """Values of the sentences."""
    changes: tuple[Change, ...] = ()
    """Together the least that would admit it now; empty when nothing anyone can give would."""
    shorter_wall_seconds: int = 0
    """Longest wall time that would be admitted now as things stand; 0 when none would."""

    def as_json(self) -> dict[str, Json]:
        """The reason as kept and as shown to machines; `why_from` reads it."""
        return {
            "code": self.code,
            "params": dict(self.params),
            "changes": [{"code": c.code, "params": dict(c.params)} for c in self.changes],
            "shorter_wall_seconds": self.shorter_wall_seconds,
        }

    def message(self, language: Language) -> str:
        """What blocks it, what would admit it, and what to do."""
        params = dict(self.params)
        lines = [text(self.code, language, **params)]
        lines += [f"  - {change.message(language)}" for change in self.changes]
        if self.shorter_wall_seconds:
            seconds = self.shorter_wall_seconds
            then = text("compute.change_wall", language, wall_seconds=seconds)
            if self.changes:
                then = text("compute.or_change", language, change=then)
            lines.append(f"  - {then}")
        lines.append(text(f"{self.code}.do", language, **params))
        return "\n".join(line for line in lines if line)


def why_from(kept: JsonObject) -> Why:
    """The reason that `Why.as_json` gave."""
    changes = kept["changes"]
    shorter = kept["shorter_wall_seconds"]
    if not isinstance(changes, list) or not isinstance(shorter, int):
        raise TypeError("not a reason as kept")
    return Why(
        str(kept["code"]),
        _params(kept["params"]),
        tuple(Change(str(change["code"]), _params(change["params"])) for change in changes),
        shorter,
    )


def _params(kept: Json) -> Params:
    if not isinstance(kept, dict):
        raise TypeError("not the parameters of a reason as kept")
    return tuple((str(key), value) for key, value in kept.items())
