"""The catalogue of chips: dated data with sources, read once and checked whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from yunhe.compute.machine import PROCESSOR
from yunhe.kernel.errors import Finding, Invalid
from yunhe.kernel.language import Language
from yunhe.storage.blobs import explain_os_error
from yunhe.storage.database import Database, Transaction, carried

_BYTES_MAX = 1 << 20
_FAULTS_MAX = 200
_NEAR_MAX = 3
_NAME = "chips"
_Month = Annotated[str, Field(pattern=r"^\d{4}(-\d{2}){0,2}$")]
_Text = Annotated[str, Field(min_length=1, max_length=500)]


@dataclass(frozen=True, slots=True)
class ExportNote:
    """What was seen of export rules that concern a chip; a pointer for a lawyer, not a finding."""

    en: str
    """In English."""
    zh: str
    """In Chinese."""
    valid_from: str
    """First day."""
    valid_to: str
    """Last day; empty while it stands."""
    source: str
    """Where it was read."""
    verified: bool
    """Whether it was compared with the official text."""

    def of(self, language: Language) -> str:
        """The note in a reader's language."""
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True)
class Chip:
    """One model of accelerator."""

    id: str
    """The word that pools and workloads name."""
    vendor: str
    """Who makes it."""
    name: str
    """What the vendor calls it."""
    kind: str
    """``gpu``, ``npu`` or ``dcu``."""
    memory_gib: tuple[int, ...]
    """Memory of one device, for each variant."""
    introduced: str
    """Year, with the month where known."""
    source: str
    """What the row rests on."""
    verified: bool
    """Whether the row was compared with its source."""
    export: tuple[ExportNote, ...]
    """Export rules that concern it, the oldest first."""

    def export_at(self, day: date) -> tuple[ExportNote, ...]:
        """The notes that stand on that day."""
        at = day.isoformat()
        return tuple(n for n in self.export if n.valid_from <= at <= (n.valid_to or at))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All chips, as of one day."""

    version: str
    """Of the file."""
    as_of: str
    """The day it was written."""
    chips: tuple[Chip, ...]
    """Each chip once, in the order of the file."""

    def chip(self, name: str) -> Chip | None:
        """The chip with that id; None for one that the catalogue does not know."""
        return next((each for each in self.chips if each.id == name), None)

    def vendors(self) -> dict[str, str]:
        """Who makes each chip."""
        return {each.id: each.vendor for each in self.chips}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Words(_Part):
    en: _Text
    zh: _Text


class _Export(_Part):
    valid_from: date
    valid_to: date | None = None
    note: _Words
    source: _Text
    verified: bool = Field(strict=True)


class _Chip(_Part):
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    vendor: _Text
    name: _Text
    kind: Literal["gpu", "npu", "dcu"]
    memory_gib: list[Annotated[int, Field(strict=True, ge=1, le=4096)]] = Field(min_length=1)
    introduced: _Month
    source: _Text
    verified: bool = Field(strict=True)
    export: list[_Export] = Field(min_length=1)


class _File(_Part):
    version: _Text
    as_of: date
    sources: dict[str, str]
    notes: dict[str, _Words]
    chips: list[_Chip] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_chip_is_there_once(self) -> _File:
        names = [chip.id for chip in self.chips]
        if len(set(names)) != len(names):
            raise ValueError("a chip is there twice")
        return self


def read(data: bytes) -> Catalogue:
    """A catalogue file. Errors: `Invalid` ``compute.chips_invalid`` with every fault."""
    try:
        if len(data) > _BYTES_MAX:
            raise yaml.YAMLError("too large")
        found = _File.model_validate(yaml.safe_load(data))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        params = (("reason", str(error).splitlines()[0][:200]),)
        raise Invalid(
            "compute.chips_invalid", findings=[Finding("", "compute.chip_wrong", params)]
        ) from None
    except ValidationError as error:
        findings = [
            Finding(".".join(map(str, e["loc"])), "compute.chip_wrong", (("reason", e["msg"]),))
            for e in error.errors()[:_FAULTS_MAX]
        ]
        raise Invalid("compute.chips_invalid", findings=findings) from None
    return Catalogue(found.version, found.as_of.isoformat(), tuple(map(_plain, found.chips)))


@cache
def catalogue() -> Catalogue:
    """The catalogue that comes with the platform."""
    return read(files(__package__).joinpath("chips.yaml").read_bytes())


def take(database: Database, file: Path | None) -> None:
    """Let a platform know the operator's own chips as well. Errors: `read_own`."""
    database.carry(**{_NAME: catalogue() if file is None else read_own(file)})


def read_own(file: Path) -> Catalogue:
    """The catalogue with the operator's own chips after those that come with the platform.

    Errors: those of `read`; `Invalid` ``compute.chips_taken`` for a chip that is there already;
    `Unavailable` when the file can't be read.
    """
    try:
        own = read(file.read_bytes())
    except OSError as error:
        raise explain_os_error(error, file) from error
    there = catalogue()
    taken = sorted(chip.id for chip in own.chips if there.chip(chip.id) or chip.id == PROCESSOR)
    if taken:
        raise Invalid("compute.chips_taken", file=file.name, chips=", ".join(taken))
    return Catalogue(f"{there.version}+{own.version}", there.as_of, (*there.chips, *own.chips))


def catalogue_of(tx: Transaction) -> Catalogue:
    """What this platform knows: the catalogue, with its operator's own chips."""
    return cast("Catalogue | None", carried(tx, _NAME)) or catalogue()


def unknown_chip(where: str, chip: str, known: Collection[str]) -> Iterator[Finding]:
    """A name that means no chip, with those most like it."""
    if chip not in known:
        near = get_close_matches(chip[:64].casefold(), sorted(known), n=_NEAR_MAX, cutoff=0.5)
        said = ("value", ascii(chip)[1:-1][:64])
        if near:
            yield Finding(where, "compute.chip_unknown", (said, ("near", ", ".join(near))))
        else:
            yield Finding(where, "compute.chip_unlike", (said,))


def chips_known(tx: Transaction, *, offered: Iterable[str] = ()) -> frozenset[str]:
    """Names that mean a chip: of the catalogue, and of pools that are there already."""
    return frozenset({PROCESSOR, *offered, *(chip.id for chip in catalogue_of(tx).chips)})


def _plain(chip: _Chip) -> Chip:
    notes = sorted(chip.export, key=lambda each: each.valid_from)
    return Chip(
        id=chip.id,
        vendor=chip.vendor,
        name=chip.name,
        kind=chip.kind,
        memory_gib=tuple(chip.memory_gib),
        introduced=chip.introduced,
        source=chip.source,
        verified=chip.verified,
        export=tuple(
            ExportNote(
                note.note.en,
                note.note.zh,
                note.valid_from.isoformat(),
                note.valid_to.isoformat() if note.valid_to else "",
                note.source,
                note.verified,
            )
            for note in notes
        ),
    )
