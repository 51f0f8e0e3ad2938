"""What licences permit and ask for, as rule data; of several inputs the strictest holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, cast, get_args

import yaml
from pydantic import BaseModel, ConfigDict, field_validator

from yunhe.kernel.canonical import JsonObject

Answer = Literal["yes", "no", "unknown"]
"""Unknown never counts as allowed, and a duty nobody knows of counts as one."""
ANSWERS: tuple[Answer, ...] = get_args(Answer)
PERMISSIONS = ("may_train", "may_redistribute", "commercial")
"""What may be done."""
DUTIES = ("share_alike", "attribution")
"""What must be done."""
CONTRACT = "LicenseRef-contract"
"""Terms that the holder declares one by one."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a licence, or several together, permit and ask for."""

    licences: tuple[str, ...]
    """Ids, each once, in order."""
    may_train: Answer = "unknown"
    """Whether models may be trained on it."""
    may_redistribute: Answer = "unknown"
    """Whether it may be given on."""
    commercial: Answer = "unknown"
    """Whether for money."""
    share_alike: Answer = "unknown"
    """Whether what is made of it must go under the same licence."""
    attribution: Answer = "unknown"
    """Whether its makers must be named."""
    verified: bool = False
    """Whether all of it was compared with the licences' own texts."""

    def as_json(self) -> JsonObject:
        """As certificates carry it."""
        return {
            "licences": list(self.licences),
            **{name: cast("str", getattr(self, name)) for name in (*PERMISSIONS, *DUTIES)},
            "verified": self.verified,
        }


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    names: tuple[str, ...] = ()
    may_train: Answer
    may_redistribute: Answer
    commercial: Answer
    share_alike: Answer
    attribution: Answer
    source: str
    verified: bool

    @field_validator(*PERMISSIONS, *DUTIES, mode="before")
    @classmethod
    def _word(cls, value: object) -> object:
        """YAML reads a bare yes and no as true and false."""
        return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


class _Rows(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    version: str
    licences: tuple[_Row, ...]


def known() -> tuple[str, ...]:
    """Ids of all licences in the rule data."""
    return tuple(dict.fromkeys(row.id for row in _by_name().values()))


def terms(licence: str, declared: Mapping[str, Answer] | None = None) -> Terms:
    """The terms of one licence: of one nobody knows, nothing is known.

    ``declared``: what a contract says, where the licence is `CONTRACT`; ignored for all others.
    """
    row = _by_name().get(_plain(licence))
    if row is None:
        return Terms((licence,))
    found = Terms(
        (row.id,),
        row.may_train,
        row.may_redistribute,
        row.commercial,
        row.share_alike,
        row.attribution,
        row.verified,
    )
    if row.id == CONTRACT and declared:
        return Terms(
            found.licences,
            declared.get("may_train", "unknown"),
            declared.get("may_redistribute", "unknown"),
            declared.get("commercial", "unknown"),
            declared.get("share_alike", "unknown"),
            declared.get("attribution", "unknown"),
        )
    return found


def merged(parts: Sequence[Terms]) -> Terms:
    """What holds for a dataset made of all parts.

    A permission needs all of them; a duty needs one. Under two licences that each want all of it
    for themselves, nobody knows whether it may be given on.
    """
    if not parts:
        return Terms(())
    permitted = {name: _worst(parts, name, ("no", "unknown", "yes")) for name in PERMISSIONS}
    owed = {name: _worst(parts, name, ("yes", "unknown", "no")) for name in DUTIES}
    alike = {part.licences for part in parts if part.share_alike != "no"}
    if len(alike) > 1 and permitted["may_redistribute"] == "yes":
        permitted["may_redistribute"] = "unknown"
    licences = tuple(sorted({licence for part in parts for licence in part.licences}))
    verified = all(part.verified for part in parts)
    return Terms(licences, **permitted, **owed, verified=verified)


def _worst(parts: Sequence[Terms], name: str, order: tuple[Answer, ...]) -> Answer:
    return min((cast("Answer", getattr(part, name)) for part in parts), key=order.index)


@cache
def _by_name() -> Mapping[str, _Row]:
    data = (files("yunhe.corpus.sources") / "licences.yaml").read_text(encoding="utf-8")
    rows = _Rows.model_validate(yaml.safe_load(data)).licences
    return {_plain(name): row for row in rows for name in (row.id, *row.names)}


def _plain(licence: str) -> str:
    """How licences are compared: "CC BY 4.0" and "cc-by-4.0" are the same."""
    return licence.casefold().replace(" ", "-").replace("_", "-").strip("-")
