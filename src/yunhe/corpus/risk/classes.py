"""The 31 classes of risk, as rule data with their sources."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict

from yunhe.kernel.canonical import sha256
from yunhe.kernel.language import Language

_WRITTEN = re.compile(r"\s*A?[.\-_ ]?([1-5])[.\-_ ]?([1-9])\s*", re.IGNORECASE)


class Citation(BaseModel):
    """Where a rule comes from, and whether anybody has compared it with the official text."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    instrument: dict[Language, str]
    """What it is called."""
    standard_version: str
    """Whose figures these are."""
    valid_from: object
    """First day in force."""
    certainty: str
    """``design``, ``sourced`` or ``unchecked``."""
    verified: bool
    """Whether it was compared with the official text."""


class _Class(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str
    name: dict[Language, str]
    source: Citation


class _Classes(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: str
    source: Citation
    groups: dict[str, dict[Language, str]]
    classes: list[_Class]


@dataclass(frozen=True, slots=True)
class RiskClass:
    """One class."""

    id: str
    """``A.1.1`` to ``A.5.2``."""
    group: str
    """``A.1`` to ``A.5``."""
    names: dict[Language, str]
    """What it is called."""
    source: Citation
    """Where it comes from."""

    @property
    def reason(self) -> str:
        """The code with which a document is dropped for it: ``a1_1`` to ``a5_2``."""
        return f"a{self.id[2]}_{self.id[4]}"


@cache
def classes() -> tuple[RiskClass, ...]:
    """All classes, in order; a class is written as its position here wherever it is a number."""
    read = _Classes.model_validate(yaml.safe_load(_data()))
    return tuple(RiskClass(each.id, each.id[:3], each.name, each.source) for each in read.classes)


@cache
def digest() -> str:
    """Of the rule data."""
    return sha256(_data())


def position(written: str) -> int | None:
    """The class that somebody meant by ``A.1.3``, ``a1-3`` or ``1.3``; None for none."""
    found = _WRITTEN.fullmatch(written)
    return None if found is None else _positions().get((found[1], found[2]))


@cache
def _positions() -> dict[tuple[str, str], int]:
    return {(each.id[2], each.id[4]): place for place, each in enumerate(classes())}


def _data() -> bytes:
    return (files("yunhe.corpus.risk") / "classes.yaml").read_bytes()
