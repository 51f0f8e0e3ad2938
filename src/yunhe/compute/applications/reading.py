"""Reads rule sets: YAML in, a `RuleSet` out, every fault of a file told at once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from yunhe.compute.applications import rules as out
from yunhe.compute.applications.conditions import Condition, facts_of, parse
from yunhe.compute.applications.vocabulary import Fact, FactKind, shown
from yunhe.compute.limits.jurisdictions import checked
from yunhe.identity.domain import KINDS, ROLES
from yunhe.kernel.canonical import INTEGER_MAX, digest_of
from yunhe.kernel.errors import Finding, Invalid, NotFound
from yunhe.kernel.units import CURRENCIES

SHIPPED = ("yunhe", "yunhe_grants", "indiaai", "uk_airr", "beijing_vouchers")
"""The rule sets that come with the platform; the last three are examples of programmes."""
BYTES_MAX = 256 << 10
"""Largest rule file."""
VALUES_MAX = 20_000
"""Most values in a rule file, those that aliases repeat counted each time."""
_FAULTS_MAX = 200
_GIVES: Mapping[str, frozenset[str]] = {
    "device_time": frozenset({"device_hours"}),
    "voucher": frozenset({"claim_minor"}),
    "grant": frozenset({"grant_minor"}),
}
# What says how much is given: unasked, an award would be one of nothing.
_Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_RuleId = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9-]{0,63}$")]
_Percent = Annotated[int, Field(strict=True, ge=0, le=100)]
_Months = Annotated[int, Field(strict=True, ge=0, le=120)]
_Days = Annotated[int, Field(strict=True, ge=1, le=3_660)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Words(_Part):
    en: str = Field(min_length=1, max_length=500)
    zh: str = Field(min_length=1, max_length=500)

    def plain(self) -> out.Words:
        return out.Words(self.en, self.zh)


class _Source(_Part):
    instrument: _Words
    certainty: out.Certainty
    verified: bool = Field(strict=True)
    note: str = ""

    def plain(self) -> out.Source:
        return out.Source(self.instrument.plain(), self.certainty, self.verified, self.note)


class _Ask(_Part):
    facts: list[_Word] = Field(min_length=1)
    when: object = None


class _Rule(_Part):
    id: _RuleId
    decides: out.Outcome
    when: object
    text: _Words
    source: _Source


class _Otherwise(_Part):
    id: _RuleId
    decides: Literal["committee", "verifier"]
    text: _Words
    source: _Source


class _Deciders(_Part):
    roles: list[_Word] = Field(min_length=1)
    kinds: list[_Word] = Field(min_length=1)
    own: list[_Word] = []
    quorum: int = Field(default=1, strict=True, ge=1, le=50)
    source: _Source

    def plain(self) -> out.Deciders:
        roles, kinds, own = tuple(self.roles), tuple(self.kinds), tuple(self.own)
        return out.Deciders(roles, kinds, self.quorum, self.source.plain(), own)


class _Deadline(_Part):
    days: int = Field(default=0, strict=True, ge=0, le=366)
    cutoff_day: int = Field(default=0, strict=True, ge=0, le=28)
    result_day: int = Field(default=0, strict=True, ge=0, le=28)
    source: _Source

    def plain(self) -> out.Deadline:
        return out.Deadline(self.days, self.cutoff_day, self.result_day, self.source.plain())


class _Deciding(_Part):
    verifier: _Deciders
    committee: _Deciders


class _Deadlines(_Part):
    verifier: _Deadline
    committee: _Deadline
    applicant: _Deadline


class _Terms(_Part):
    months: int = Field(default=3, strict=True, ge=1, le=120)
    window_months: _Months = 0
    carry_over_percent: _Percent = 0
    decay_percent: _Percent = 0
    carry_windows_max: int = Field(default=1, strict=True, ge=0, le=24)
    report_days: _Days = 30
    redeem_days: _Days = 365
    priority_max: Literal["low", "usual", "high"] | None = None
    jurisdictions: tuple[Annotated[str, AfterValidator(checked)], ...] = ()
    source: _Source

    def plain(self) -> out.Terms:
        return out.Terms(**{**dict(self), "source": self.source.plain()})


class _File(_Part):
    id: _Word
    version: str = Field(min_length=1, max_length=40)
    title: _Words
    subject: out.Subject
    currency: str = ""
    zone_minutes: int = Field(default=0, strict=True, ge=-720, le=840)
    sources: object = None  # only a place for YAML anchors
    asks: list[_Ask] = Field(min_length=1)
    rules: list[_Rule]
    otherwise: _Otherwise
    deciders: _Deciding
    deadlines: _Deadlines
    terms: _Terms


class _Fact(_Part):
    id: _Word
    kind: FactKind
    options: list[_Word] = []
    least: int = Field(default=0, strict=True, ge=0)
    most: int = Field(default=INTEGER_MAX, strict=True, le=INTEGER_MAX)
    told: Literal["applicant", "platform"]


class _Vocabulary(_Part):
    version: str
    facts: list[_Fact]


@cache
def vocabulary() -> Mapping[str, Fact]:
    """Every fact a rule set may name, by id."""
    said = _Vocabulary.model_validate(yaml.safe_load(_shipped("facts")))
    return {
        fact.id: Fact(
            fact.id,
            fact.kind,
            tuple(fact.options),
            least=fact.least,
            most=fact.most,
            by_platform=fact.told == "platform",
        )
        for fact in said.facts
    }


def _shipped(name: str) -> str:
    return (files("yunhe.compute.applications") / "rules" / f"{name}.yaml").read_text("utf-8")


@cache
def shipped(name: str) -> out.RuleSet:
    """The rule set of that name. Errors: `NotFound` ``compute.programme_unknown``."""
    if name not in SHIPPED:
        raise NotFound("compute.programme_unknown", programme=shown(name), known=", ".join(SHIPPED))
    return read(_shipped(name))


def read(text: str) -> out.RuleSet:
    """The rule set of a file's text.

    Errors: `Invalid` ``compute.rules_invalid`` with every fault, each with its place.
    """
    if len(text.encode()) > BYTES_MAX:
        raise _refused([Finding("file", "compute.rules_large", (("bytes_max", BYTES_MAX),))])
    try:
        written = yaml.load(text, _Loader)  # noqa: S506 - a safe one
    except _Twice as twice:
        line = f"line {twice.line}"
        raise _refused([Finding(line, "compute.rules_key_twice", (("key", twice.key),))]) from None
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        RecursionError,
    ) as error:  # a day such as 2026-02-31, too
        where = getattr(error, "problem_mark", None)
        line = "file" if where is None else f"line {where.line + 1}"
        raise _refused([Finding(line, "compute.rules_yaml")]) from None
    if _values_of(written) > VALUES_MAX:
        raise _refused([Finding("file", "compute.rules_values", (("most", VALUES_MAX),))])
    findings: list[Finding] = []
    try:
        said = _File.model_validate(written)
    except ValidationError as error:
        for fault in error.errors()[:_FAULTS_MAX]:
            place = ".".join(str(part) for part in fault["loc"]) or "file"
            params = (("said", fault["msg"][:160]),)
            findings.append(Finding(place, "compute.rules_field", params))
        findings += _conditions_alone(written)
        raise _refused(findings) from None
    return _made(said, findings)


class _Twice(Exception):
    """A key that stands twice in one mapping; YAML's own reader would drop the first."""

    def __init__(self, key: str, line: int) -> None:
        super().__init__(key)
        self.key, self.line = key, line


class _Loader(yaml.SafeLoader):
    """As YAML's safe one; refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002 - its signature
        keys = [each.value for each, _ in node.value if isinstance(each, yaml.ScalarNode)]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise _Twice(shown(key), node.start_mark.line + 1)
        return dict(super().construct_mapping(node, deep))


def _values_of(written: object) -> int:
    """How many values a file comes to once its aliases are followed, `VALUES_MAX` and one at most.

    Aliases of aliases, or of what they stand in, would be followed for ever.
    """
    count, left = 0, [written]
    while left and count <= VALUES_MAX:
        count += 1
        here = left.pop()
        if isinstance(here, Mapping):
            left += here.values()
        elif isinstance(here, list):
            left += here
    return count


def _refused(findings: list[Finding]) -> Invalid:
    return Invalid("compute.rules_invalid", findings=findings[:_FAULTS_MAX])


def _conditions_alone(written: object) -> list[Finding]:
    """Faults of conditions in a file whose shape is wrong elsewhere."""
    findings: list[Finding] = []
    rules = written.get("rules") if isinstance(written, Mapping) else None
    for number, rule in enumerate(rules if isinstance(rules, list) else []):
        if isinstance(rule, Mapping) and "when" in rule:
            parse(rule["when"], vocabulary(), where=f"rules.{number}.when", findings=findings)
    return findings


def _made(said: _File, findings: list[Finding]) -> out.RuleSet:
    known = vocabulary()
    asks = []
    for number, ask in enumerate(said.asks):
        where = f"asks.{number}"
        findings += [
            Finding(f"{where}.facts", "compute.fact_unknown")
            for name in ask.facts
            if name not in known
        ]
        asks.append(out.Ask(tuple(ask.facts), _condition(ask.when, f"{where}.when", findings)))
    rules = [
        out.Rule(
            rule.id,
            rule.decides,
            parse(rule.when, known, where=f"rules.{number}.when", findings=findings),
            rule.text.plain(),
            rule.source.plain(),
        )
        for number, rule in enumerate(said.rules)
    ]
    last = said.otherwise
    otherwise = out.Rule(last.id, last.decides, None, last.text.plain(), last.source.plain())
    _agree(said, asks, [*rules, otherwise], findings)
    _deciders_agree(said.deciders, findings)
    if findings:
        raise _refused(findings)
    described = said.model_dump(mode="json", exclude={"sources"})
    return out.RuleSet(
        id=said.id,
        version=said.version,
        digest=digest_of([described, _vocabulary_digest()]),
        title=said.title.plain(),
        subject=said.subject,
        currency=said.currency,
        zone_minutes=said.zone_minutes,
        asks=tuple(asks),
        rules=tuple(rules),
        otherwise=otherwise,
        deciders={
            "verifier": said.deciders.verifier.plain(),
            "committee": said.deciders.committee.plain(),
        },
        deadlines={
            "verifier": said.deadlines.verifier.plain(),
            "committee": said.deadlines.committee.plain(),
            "applicant": said.deadlines.applicant.plain(),
        },
        terms=said.terms.plain(),
        vocabulary=known,
    )


@cache
def _vocabulary_digest() -> str:
    return digest_of(
        [
            [f.id, f.kind, list(f.options), f.least, f.most, f.by_platform]
            for f in vocabulary().values()
        ]
    )


def _condition(written: object, where: str, findings: list[Finding]) -> Condition | None:
    if written is None:
        return None
    return parse(written, vocabulary(), where=where, findings=findings)


def _deciders_agree(said: _Deciding, findings: list[Finding]) -> None:
    """Roles and kinds of organisations that there are: with others nobody could ever decide."""
    for name, deciders in (("verifier", said.verifier), ("committee", said.committee)):
        for field, values, there in (
            ("roles", deciders.roles, ROLES),
            ("kinds", deciders.kinds, KINDS),
            ("own", deciders.own, KINDS if name == "verifier" else ()),
        ):
            findings += [
                Finding(
                    f"deciders.{name}.{field}",
                    "compute.fact_option",
                    (("value", shown(value)), ("known", ", ".join(there))),
                )
                for value in values
                if value not in there
            ]
    if said.verifier.quorum != 1:
        params = (("value", str(said.verifier.quorum)), ("least", 1), ("most", 1))
        findings.append(Finding("deciders.verifier.quorum", "compute.fact_count", params))


def _agree(
    said: _File, asks: list[out.Ask], rules: list[out.Rule], findings: list[Finding]
) -> None:
    """What one field can't know of another."""
    ids = [rule.id for rule in rules]
    doubled = sorted({each for each in ids if ids.count(each) > 1})
    findings += [Finding("rules", "compute.rule_twice", (("rule", each),)) for each in doubled]
    asked = {name for ask in asks for name in ask.facts}
    for rule in rules:
        unasked = facts_of(rule.when) - asked if rule.when is not None else frozenset()
        for name in sorted(unasked):
            params = (("rule", rule.id), ("fact", name))
            findings.append(Finding(f"rules.{rule.id}", "compute.fact_not_asked", params))
    always = {name for ask in asks if ask.when is None for name in ask.facts}
    for name in sorted(_GIVES[said.subject] - always):
        params = (("subject", said.subject), ("fact", name))
        findings.append(Finding("asks", "compute.subject_fact", params))
    money = said.subject != "device_time"
    if money != (said.currency in CURRENCIES):
        findings.append(Finding("currency", "compute.rules_currency"))
    for name in ("verifier", "committee", "applicant"):
        deadline: _Deadline = getattr(said.deadlines, name)
        calendar = deadline.cutoff_day > 0 and deadline.result_day > 0
        if (deadline.days > 0) == calendar or (deadline.cutoff_day > 0) != (
            deadline.result_day > 0
        ):
            findings.append(Finding(f"deadlines.{name}", "compute.deadline_shape"))
