"""What a plan means: every contradiction, every term a floor would refuse, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from yunhe.corpus import service as corpus
from yunhe.exchange import service as exchange
from yunhe.governance import service as governance
from yunhe.identity.domain import Role
from yunhe.kernel.errors import Invalid, YunheError
from yunhe.kernel.units import to_minor, voucher_unit
from yunhe.plans.domain import Plan

Place = tuple[str | int, ...]
APPROVING: tuple[Role, ...] = ("risk_officer", "release_owner")
"""Roles whose approval counts; governance has the same list and decides again."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong, and where in the plan it is written."""

    place: Place
    """Keys that lead to it."""
    code: str
    """Key of the sentence."""
    params: tuple[tuple[str, str | int], ...] = ()
    """Values the sentence needs."""


def faults(plan: Plan, folder: Path) -> list[Fault]:
    """Everything that would be refused later, all at once; ``folder`` is where the plan lies."""
    return [
        *_people(plan),
        *_approvals(plan),
        *_amounts(plan),
        *_compute(plan),
        *_policy(plan),
        *_facts(plan),
        *_files(plan, folder),
    ]


def _people(plan: Plan) -> Iterator[Fault]:
    wanted: list[tuple[Place, str, Role]] = [
        (("operator",), plan.operator, "operator"),
        (("buyer",), plan.buyer, "buyer"),
        (("serving", "caller"), plan.serving.caller, "caller"),
    ]
    for place, name, role in wanted:
        if role not in plan.members[name].roles:
            yield Fault(place, "plans.role_missing", (("member", name), ("role", role)))
    acting: list[tuple[Place, str, Role]] = [
        (("data", "holder"), plan.data.holder, "data_steward"),
        (("evaluation", "evaluator"), plan.evaluation.evaluator, "evaluator"),
    ]
    for place, organisation, role in acting:
        if not any(
            member.organisation == organisation and role in member.roles
            for member in plan.members.values()
        ):
            params = (("organisation", organisation), ("role", role))
            yield Fault(place, "plans.no_actor", params)
    provider = plan.compute.pool.provider
    if plan.organisations[provider].kind not in ("provider", "operator"):
        yield Fault(("compute", "pool", "provider"), "plans.not_provider", (("name", provider),))
    if plan.data.holder == plan.consumer:
        yield Fault(("buyer",), "plans.own_data")


def _approvals(plan: Plan) -> Iterator[Fault]:
    seen: dict[str, Place] = {}
    for index, item in enumerate(plan.governance.approvals):
        place: Place = ("governance", "approvals", index)
        if item.role not in APPROVING:
            known = ", ".join(APPROVING)
            yield Fault((*place, "role"), "plans.role_not_approving", (("known", known),))
        if item.role not in plan.members[item.member].roles:
            params = (("member", item.member), ("role", item.role))
            yield Fault((*place, "member"), "plans.role_missing", params)
        for what in (f"member {item.member}", f"role {item.role}"):
            if what in seen:
                yield Fault(place, "plans.approval_twice", (("what", what),))
            seen[what] = place
    if len(plan.governance.approvals) < 2:
        yield Fault(("governance", "approvals"), "plans.approvals_few")


def _amounts(plan: Plan) -> Iterator[Fault]:
    compute, listing = plan.compute, plan.data.listing
    amounts: list[tuple[Place, object, str]] = [
        (("data", "listing", "price"), listing.price, plan.currency),
        (("compute", "funds"), compute.funds, plan.currency),
        (
            ("compute", "pool", "price_per_device_hour"),
            compute.pool.price_per_device_hour,
            plan.currency,
        ),
    ]
    if compute.voucher is not None:
        unit = voucher_unit(plan.currency)
        amounts.append((("compute", "voucher", "amount"), compute.voucher.amount, unit))
        if not compute.voucher.amount:
            yield Fault(("compute", "voucher", "amount"), "plans.voucher_empty")
    if plan.data.metered is not None:
        amounts.append((("data", "metered", "funds"), plan.data.metered.funds, plan.currency))
    for place, amount, unit in amounts:
        try:
            to_minor(str(amount), unit)
        except Invalid as error:
            yield Fault(place, error.code, tuple(error.params.items()))
    if listing.price > compute.funds:
        yield Fault(("compute", "funds"), "plans.funds_short", (("price", str(listing.price)),))


def _compute(plan: Plan) -> Iterator[Fault]:
    compute, metered = plan.compute, plan.data.metered
    if metered is not None and metered.award.device_seconds < metered.limits.wall_seconds:
        short = metered.award.device_seconds
        params = (("awarded", short), ("wanted", metered.limits.wall_seconds))
        yield Fault(("data", "metered", "award", "device_seconds"), "plans.award_short", params)
    awarded, wanted = compute.award.device_seconds, compute.limits.wall_seconds
    if awarded < wanted:
        params = (("awarded", awarded), ("wanted", wanted))
        yield Fault(("compute", "award", "device_seconds"), "plans.award_short", params)
    if compute.beyond is not None and compute.beyond.wall_seconds <= awarded:
        place: Place = ("compute", "beyond", "wall_seconds")
        yield Fault(place, "plans.beyond_within", (("awarded", awarded),))


def _policy(plan: Plan) -> Iterator[Fault]:
    place: Place = ("data", "listing", "policy")
    try:
        policy = exchange.parse_policy(plan.data.listing.policy)
    except Invalid as error:
        yield from (Fault((*place, f.where), f.code, f.params) for f in error.findings)
        return
    kind = plan.organisations[plan.consumer].kind
    if kind not in policy.organisation_kinds:
        yield Fault((*place, "organisation_kinds"), "plans.kind_excluded", (("kind", kind),))
    if plan.purpose not in policy.purposes:
        params = (("purpose", plan.purpose),)
        yield Fault((*place, "purposes"), "plans.purpose_excluded", params)


def _facts(plan: Plan) -> Iterator[Fault]:
    try:
        governance.preview(plan.governance.facts, on=date(2026, 1, 1))
    except Invalid as error:
        for finding in error.findings:
            yield Fault(("governance", "facts", finding.where), finding.code, finding.params)


def _files(plan: Plan, folder: Path) -> Iterator[Fault]:
    try:
        profile = corpus.load_profile(plan.data.profile.name)
    except YunheError as error:
        place: Place = ("data", "profile", "name")
        yield Fault(place, error.code, tuple(error.params.items()))
    else:
        known = {step.name: step.thresholds for step in profile.steps}
        for step, thresholds in plan.data.profile.changes.items():
            for name in thresholds:
                if name not in known.get(step, {}):
                    where: Place = ("data", "profile", "changes", step, name)
                    yield Fault(where, "plans.threshold_unknown", (("name", f"{step}.{name}"),))
    wanted = plan.evaluation.baseline.keywords_file
    if wanted is not None:
        try:
            read_keywords(folder / wanted)
        except Invalid as error:
            place = ("evaluation", "baseline", "keywords_file")
            yield Fault(place, error.code, tuple(error.params.items()))


def read_keywords(path: Path) -> Mapping[str, tuple[str, ...]]:
    """Class → words from a YAML file beside the plan.

    Errors: `Invalid` ``plans.keywords_file``.
    """
    try:
        value = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, OverflowError, RecursionError, yaml.YAMLError):
        value = None
    if not isinstance(value, dict) or not all(
        isinstance(words, list) and words and all(isinstance(word, str) for word in words)
        for words in value.values()
    ):
        raise Invalid("plans.keywords_file", path=str(path))
    return {str(label): tuple(words) for label, words in value.items()}
