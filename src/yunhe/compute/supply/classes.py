"""Classes of chips that an award may be for: dated data, the operator's own, or an explicit list.

An award is for ``a100`` (one chip), ``a100+ascend910b`` (a list) or ``class:training-large`` (those
of a class). What an hour of each counts is the rate card's in force; both are pinned in the award.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from yunhe.compute.accepting import Accepted
from yunhe.compute.specs import WORD, word_faults
from yunhe.compute.supply import store
from yunhe.compute.supply.domain import Rate, RateCard
from yunhe.kernel.canonical import Json, digest_of
from yunhe.kernel.errors import Finding, Invalid
from yunhe.kernel.language import Language
from yunhe.storage.blobs import explain_os_error
from yunhe.storage.database import Database, Transaction, carried

LETTERS_MAX = 64
"""Longest word for what an award is for: a longer list is to be a class with a name."""
DEFAULT_CARD = "ratecard_shipped"
"""What the rates that come with the platform are called; version 0."""
_NAMED, _AND = "class:", "+"
_BYTES_MAX = 1 << 18
_FAULTS_MAX = 100
_CARRIED = "chip_classes"
_Text = Annotated[str, Field(min_length=1, max_length=500)]
_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,57}$")]


@dataclass(frozen=True, slots=True)
class ChipClass:
    """Chips that count alike for whoever awards device time."""

    id: str
    """Its name."""
    en: str
    """What it is called in English."""
    zh: str
    """In Chinese."""
    chips: tuple[str, ...]
    """Its chips, in alphabetical order."""
    source: str
    """What the grouping rests on."""
    verified: bool
    """Whether it was compared with that."""
    as_of: str
    """The day its file was written."""

    def of(self, language: Language) -> str:
        """What it is called in a reader's language."""
        return self.zh if language == "zh" else self.en


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Words(_Part):
    en: _Text
    zh: _Text


class _Class(_Part):
    id: _Id
    name: _Words
    chips: list[Annotated[str, Field(pattern=rf"^{WORD.pattern}$")]] = Field(min_length=1)
    source: _Text
    verified: bool = Field(strict=True)


class _File(_Part):
    version: _Text
    as_of: date
    sources: dict[str, str] = {}  # only a place for YAML anchors
    classes: list[_Class] = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _each_is_there_once(self) -> _File:
        names = [each.id for each in self.classes]
        if len(set(names)) != len(names):
            raise ValueError("a class is there twice")
        if any(len(set(each.chips)) != len(each.chips) for each in self.classes):
            raise ValueError("a chip is there twice in a class")
        return self


def read(data: bytes) -> dict[str, ChipClass]:
    """The classes of a file, by name. Errors: `Invalid` ``compute.classes_invalid``, all faults."""
    try:
        if len(data) > _BYTES_MAX:
            raise yaml.YAMLError("too large")
        found = _File.model_validate(yaml.safe_load(data))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        faults = error.errors()[:_FAULTS_MAX] if isinstance(error, ValidationError) else []
        said = [(".".join(map(str, each["loc"])), each["msg"]) for each in faults]
        said = said or [("", (str(error).splitlines() or ["?"])[0])]
        raise Invalid(
            "compute.classes_invalid",
            findings=[
                Finding(where, "compute.chip_wrong", (("reason", reason[:200]),))
                for where, reason in said
            ],
        ) from None
    as_of = found.as_of.isoformat()
    return {
        each.id: ChipClass(
            each.id,
            each.name.en,
            each.name.zh,
            tuple(sorted(each.chips)),
            each.source,
            verified=each.verified,
            as_of=as_of,
        )
        for each in found.classes
    }


@cache
def shipped() -> Mapping[str, ChipClass]:
    """The classes that come with the platform."""
    return read(files(__package__).joinpath("classes.yaml").read_bytes())


def take(database: Database, path: Path | None) -> None:
    """Use the operator's own classes from now on, none with ``None``; they go before the shipped.

    Errors: `Invalid` ``compute.classes_invalid``; `Unavailable` when the file can't be read.
    """
    database.carry(**{_CARRIED: {} if path is None else read_own(path)})


def read_own(path: Path) -> dict[str, ChipClass]:
    """The operator's own classes. Errors: as `take`."""
    try:
        return read(path.read_bytes())
    except OSError as error:
        raise explain_os_error(error, path) from error


def every(tx: Transaction) -> dict[str, ChipClass]:
    """Every class by name; the operator's own in place of a shipped one of the same name."""
    own = cast("Mapping[str, ChipClass]", carried(tx, _CARRIED) or {})
    return {**shipped(), **own}


def is_several(word: str) -> bool:
    """Whether what an award is for is more than a chip's name."""
    return word.startswith(_NAMED) or _AND in word


def canonical(word: str) -> str:
    """The one way to write it: a list in alphabetical order, each chip once."""
    return word if word.startswith(_NAMED) else _AND.join(sorted(set(word.split(_AND))))


def word_of_award_faults(where: str, word: str) -> Iterator[Finding]:
    """What cannot be the name of a chip, a list of chips or a class."""
    if len(word) > LETTERS_MAX:
        yield Finding(where, "compute.class_long", (("most", LETTERS_MAX),))
    elif word.startswith(_NAMED):
        yield from word_faults(where, word.removeprefix(_NAMED))
    else:
        wrong = [each for each in word.split(_AND) if not WORD.fullmatch(each)]
        if wrong:
            yield from word_faults(where, wrong[0])


def award_faults(tx: Transaction, where: str, word: str, *, now_us: int) -> list[Finding]:
    """Why no award for this could be spent now; a single chip is never looked up."""
    try:
        accepted(tx, word, now_us=now_us, where=where)
    except Invalid as refused:
        return list(refused.findings)
    return []


@cache
def default_card() -> RateCard:
    """The rates that come with the platform; every row unverified, see ``class_rates.yaml``."""
    said = yaml.safe_load(files(__package__).joinpath("class_rates.yaml").read_bytes())
    rates = tuple(Rate(**each) for each in said["rates"])
    body: dict[str, Json] = {"reference": said["reference"], "rates": said["rates"]}
    return RateCard(
        DEFAULT_CARD,
        0,
        said["reference"],
        0,
        rates,
        said["provenance"],
        digest_of(body),
        "",
        0,
    )


def accepted(tx: Transaction, word: str, *, now_us: int, where: str = "chip") -> Accepted | None:
    """What an award for this accepts, by the rate card in force; None for a single chip.

    Until a card is in force, a class that comes with the platform counts by the `default_card`.
    A chip of the class without a rate is in it and can't be used: nothing is ever guessed. Errors:
    `Invalid` ``compute.award_invalid`` for a class nobody defined, or of which no chip has a rate.
    """
    if not is_several(word):
        return None
    chips, found = tuple(sorted(set(word.split(_AND)))), None
    if word.startswith(_NAMED):
        known = every(tx)
        found = known.get(word.removeprefix(_NAMED))
        if found is None:
            params = (("value", word[:LETTERS_MAX]), ("known", ", ".join(sorted(known))))
            raise Invalid(
                "compute.award_invalid", findings=[Finding(where, "compute.class_unknown", params)]
            )
        chips = found.chips
    card = store.card_at(tx, now_us)
    if card is None and found is not None and found == shipped().get(found.id):
        card = default_card()
    rates = () if card is None else card.rates
    own = tuple((r.chip, r.workload_class, r.per_thousand) for r in rates if r.chip in chips)
    if card is None or not own:
        said = (("value", word[:LETTERS_MAX]), ("chips", ", ".join(chips)))
        raise Invalid(
            "compute.award_invalid", findings=[Finding(where, "compute.class_unrated", said)]
        )
    return Accepted(chips, card.reference, card.id, card.version, tuple(sorted(own)))
