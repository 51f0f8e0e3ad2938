"""Export rules: whom a pool may not serve with its chip, as dated data with sources."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from yunhe.compute.limits.jurisdictions import known, within
from yunhe.compute.supply.chips import catalogue
from yunhe.compute.wanted import UNKNOWN
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Finding, Invalid
from yunhe.kernel.language import Language

_BYTES_MAX = 1 << 20
_FAULTS_MAX = 200
_Text = Annotated[str, Field(min_length=1, max_length=500)]


@dataclass(frozen=True, slots=True)
class ExportRule:
    """One rule."""

    id: str
    """What it is called."""
    chips: frozenset[str]
    """Of which chips."""
    not_at: tuple[str, ...]
    """Pools there are not concerned."""
    consumers: tuple[str, ...]
    """Consumers there are."""
    valid_from: str
    """First day."""
    valid_to: str
    """Last day; empty while it stands."""
    en: str
    """The rule as a sentence."""
    zh: str
    """The same in Chinese."""
    source: str
    """What it rests on."""
    verified: bool
    """Whether it was compared with the official text."""

    def holds(self, day: str) -> bool:
        """Whether it is in force on that day, as ISO 8601 writes it."""
        return self.valid_from <= day <= (self.valid_to or day)

    def forbids(self, chip: str, *, at: str, consumer: str) -> bool:
        """Whether a pool of that chip may not serve that consumer.

        A pool of which nobody said where it stands counts as concerned, and so does a consumer
        that is `UNKNOWN`.
        """
        return self.concerns(chip, consumer) and not within(at, self.not_at)

    def concerns(self, chip: str, consumer: str) -> bool:
        """Whether it matters to that consumer of that chip where a pool stands."""
        if chip not in self.chips:
            return False
        return consumer == UNKNOWN or within(consumer, self.consumers)

    def text(self, language: Language) -> str:
        """The rule in a reader's language."""
        return self.zh if language == "zh" else self.en


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Words(_Part):
    en: _Text
    zh: _Text


class _Rule(_Part):
    id: str = Field(pattern=r"^[A-Z0-9][A-Z0-9-]{0,63}$")
    chips: list[str] = Field(min_length=1)
    not_at: list[str]
    consumers: list[str] = Field(min_length=1)
    valid_from: date
    valid_to: date | None = None
    text: _Words
    source: _Text
    verified: bool = Field(strict=True)

    @model_validator(mode="after")
    def _names_what_there_is(self) -> _Rule:
        unknown = [chip for chip in self.chips if catalogue().chip(chip) is None]
        unknown += [code for code in (*self.not_at, *self.consumers) if not known(code)]
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}")
        return self


class _File(_Part):
    version: _Text
    as_of: date
    rules: list[_Rule]

    @model_validator(mode="after")
    def _each_rule_is_there_once(self) -> _File:
        names = [rule.id for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError("a rule is there twice")
        return self


def read(data: bytes) -> tuple[ExportRule, ...]:
    """A file of rules. Errors: `Invalid` ``compute.exports_invalid`` with every fault."""
    try:
        if len(data) > _BYTES_MAX:
            raise yaml.YAMLError("too large")
        found = _File.model_validate(yaml.safe_load(data))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        params = (("reason", str(error).splitlines()[0][:200]),)
        wrong = [Finding("", "compute.export_wrong", params)]
        raise Invalid("compute.exports_invalid", findings=wrong) from None
    except ValidationError as error:
        findings = [
            Finding(".".join(map(str, e["loc"])), "compute.export_wrong", (("reason", e["msg"]),))
            for e in error.errors()[:_FAULTS_MAX]
        ]
        raise Invalid("compute.exports_invalid", findings=findings) from None
    return tuple(_plain(rule) for rule in found.rules)


@cache
def shipped() -> tuple[ExportRule, ...]:
    """The rules that come with the platform."""
    return read(files(__package__).joinpath("exports.yaml").read_bytes())


def in_force(now_us: int) -> tuple[ExportRule, ...]:
    """Those of them that stand at an instant, by its day in UTC."""
    day = datetime.fromtimestamp(now_us // SECOND_US, UTC).date().isoformat()
    return tuple(rule for rule in shipped() if rule.holds(day))


def _plain(rule: _Rule) -> ExportRule:
    return ExportRule(
        id=rule.id,
        chips=frozenset(rule.chips),
        not_at=tuple(rule.not_at),
        consumers=tuple(rule.consumers),
        valid_from=rule.valid_from.isoformat(),
        valid_to=rule.valid_to.isoformat() if rule.valid_to else "",
        en=rule.text.en,
        zh=rule.text.zh,
        source=rule.source,
        verified=rule.verified,
    )
