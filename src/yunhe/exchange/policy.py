"""Usage policies: read with every fault named, reduced to one canonical form, and evaluated.

Pure. A term this module does not know is a fault at listing, never something to skip: a policy that
silently loses a term permits what its author forbade. A fact nobody knows never leads to "allowed".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from yunhe.exchange.domain import ACTS, PURPOSES, Act, Policy
from yunhe.identity.domain import KINDS
from yunhe.kernel.canonical import JsonObject, digest_of
from yunhe.kernel.clock import DAY_US, iso
from yunhe.kernel.errors import Finding, Invalid

PROFILE = "yunhe-policy/1"
"""Names the meaning of the terms; part of the canonical form, so a digest pins it too."""
VALID_DAYS_MAX = 3650
"""Longest grant."""
ACCESSES_MAX = 1_000_000_000
"""Largest number of accesses a policy can name."""
TERM_LETTERS_MAX = 80
"""How much of an unknown term is repeated in a finding."""

IMPLIED: Mapping[str, frozenset[Act]] = {"commercial-product": frozenset({"commercial-use"})}
"""Acts a purpose cannot do without; permitting the one and forbidding the other is a fault."""

_LISTS: Mapping[str, tuple[str, ...]] = {
    "purposes": PURPOSES,
    "organisation_kinds": KINDS,
    "prohibited": ACTS,
}
_KEYS = (*_LISTS, "valid_days", "accesses_max")


@dataclass(frozen=True, slots=True)
class Request:
    """What is known about one attempt to open a dataset; ``None`` is unknown."""

    purpose: str | None
    """What for."""
    organisation_kind: str | None
    """What kind of organisation asks."""
    acts: frozenset[str] | None
    """Which acts the opener will do, beyond those its purpose implies."""
    granted_at_us: int | None
    """When the grant was given."""
    accesses: int | None
    """How often the grant was used before."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed, or refused with every reason."""

    allowed: bool
    """Whether nothing speaks against it."""
    reasons: tuple[Finding, ...]
    """Why not; empty when allowed."""


def shown(term: object) -> str:
    """``term`` as a finding may repeat it: shortened, and nothing in it can move a cursor."""
    said = str(term)
    return (said if said.isprintable() else ascii(said))[:TERM_LETTERS_MAX]


def parse(document: Mapping[str, object]) -> Policy:
    """The policy that ``document`` states.

    Shapes: ``purposes``, ``organisation_kinds`` (lists, not empty), ``prohibited`` (list),
    ``valid_days`` (1 to `VALID_DAYS_MAX`), optional ``accesses_max``. Errors: `Invalid`
    ``exchange.policy_invalid`` with every unknown key, unknown term, wrong value and contradiction.
    """
    findings = list(_faults(document))
    if findings:
        raise Invalid("exchange.policy_invalid", findings=findings)
    return _typed(document)


def document_of(policy: Policy) -> JsonObject:
    """The canonical form: terms sorted, each once, nothing left to a default."""
    return {
        "profile": PROFILE,
        "purposes": sorted(set(policy.purposes)),
        "organisation_kinds": sorted(set(policy.organisation_kinds)),
        "prohibited": sorted(set(policy.prohibited)),
        "valid_days": policy.valid_days,
        "accesses_max": policy.accesses_max,
    }


def digest(policy: Policy) -> str:
    """Digest of the canonical form: equal for policies that mean the same."""
    return digest_of(document_of(policy))


def restore(document: JsonObject) -> Policy:
    """The policy whose `document_of` was stored; refuses other profiles, and what `parse` does."""
    terms = dict(document)
    if terms.pop("profile", None) != PROFILE:
        fault = Finding("profile", "exchange.profile_unknown", (("known", PROFILE),))
        raise Invalid("exchange.policy_invalid", findings=[fault])
    return parse(terms)


def may_order(policy: Policy, *, organisation_kind: str | None) -> Decision:
    """Whether an organisation of that kind may enter an agreement under the policy."""
    reasons = tuple(_kind_reasons(policy, organisation_kind))
    return Decision(not reasons, reasons)


def evaluate(policy: Policy, request: Request, *, now_us: int) -> Decision:
    """Whether the dataset may be opened now, with every reason why not."""
    reasons = (
        *_time_reasons(policy, request.granted_at_us, now_us),
        *_purpose_reasons(policy, request.purpose),
        *_kind_reasons(policy, request.organisation_kind),
        *_act_reasons(policy, request),
        *_count_reasons(policy, request.accesses),
    )
    return Decision(not reasons, reasons)


def expires_at_us(policy: Policy, *, granted_at_us: int) -> int:
    """The first instant at which a grant given then no longer works."""
    return granted_at_us + policy.valid_days * DAY_US


# --- Reading --------------------------------------------------------------------------------


def _faults(document: Mapping[str, object]) -> Iterator[Finding]:
    for key in document:
        if key not in _KEYS:
            params = (("term", shown(key)), ("known", ", ".join(_KEYS)))
            yield Finding(shown(key), "exchange.term_unknown", params)
    for key, known in _LISTS.items():
        yield from _list_faults(key, document.get(key), known)
    yield from _number_faults("valid_days", document.get("valid_days"), most=VALID_DAYS_MAX)
    if document.get("accesses_max") is not None:
        yield from _number_faults("accesses_max", document["accesses_max"], most=ACCESSES_MAX)
    yield from _contradictions(document)


def _list_faults(key: str, value: object, known: tuple[str, ...]) -> Iterator[Finding]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        yield Finding(key, "exchange.term_not_list")
        return
    if not value and key != "prohibited":
        yield Finding(key, "exchange.term_empty")
    for index, item in enumerate(value):
        if item not in known:
            params = (("term", shown(item)), ("known", ", ".join(known)))
            yield Finding(f"{key}[{index}]", "exchange.term_unknown", params)


def _number_faults(key: str, value: object, *, most: int) -> Iterator[Finding]:
    if type(value) is not int or not 1 <= value <= most:  # a bool is an int to Python, not to us
        yield Finding(key, "exchange.number_invalid", (("least", 1), ("most", most)))


def _contradictions(document: Mapping[str, object]) -> Iterator[Finding]:
    permitted, forbidden = document.get("purposes"), document.get("prohibited")
    if isinstance(permitted, (list, tuple)) and isinstance(forbidden, (list, tuple)):
        for purpose, acts in IMPLIED.items():
            for act in sorted(acts):
                if purpose in permitted and act in forbidden:
                    params = (("purpose", purpose), ("act", act))
                    yield Finding("prohibited", "exchange.policy_contradiction", params)


def _typed(document: Mapping[str, object]) -> Policy:
    lists = {key: document[key] for key in _LISTS}
    days, accesses = document["valid_days"], document.get("accesses_max")
    purposes, kinds, acts = lists.values()
    if not (
        isinstance(purposes, Sequence)
        and isinstance(kinds, Sequence)
        and isinstance(acts, Sequence)
        and isinstance(days, int)
        and (accesses is None or isinstance(accesses, int))
    ):
        raise TypeError("only a document without faults has a policy")
    return Policy(
        purposes=tuple(term for term in PURPOSES if term in purposes),
        organisation_kinds=tuple(term for term in KINDS if term in kinds),
        prohibited=tuple(term for term in ACTS if term in acts),
        valid_days=days,
        accesses_max=accesses,
    )


# --- Deciding -------------------------------------------------------------------------------


def _unknown(fact: str) -> Finding:
    return Finding(fact, "exchange.fact_unknown", (("fact", fact),))


def _time_reasons(policy: Policy, granted_at_us: int | None, now_us: int) -> Iterator[Finding]:
    if granted_at_us is None:
        yield _unknown("granted_at")
        return
    ends_us = expires_at_us(policy, granted_at_us=granted_at_us)
    if now_us < granted_at_us:
        yield Finding("now", "exchange.before_grant", (("granted_at", iso(granted_at_us)),))
    elif now_us >= ends_us:
        yield Finding("now", "exchange.grant_expired", (("expired_at", iso(ends_us)),))


def _purpose_reasons(policy: Policy, purpose: str | None) -> Iterator[Finding]:
    if purpose is None:
        yield _unknown("purpose")
    elif purpose not in policy.purposes:
        params = (
            ("purpose", shown(purpose)),
            ("permitted", ", ".join(policy.purposes)),
        )
        yield Finding("purpose", "exchange.purpose_not_permitted", params)


def _kind_reasons(policy: Policy, kind: str | None) -> Iterator[Finding]:
    if kind is None:
        yield _unknown("organisation_kind")
    elif kind not in policy.organisation_kinds:
        params = (
            ("organisation_kind", shown(kind)),
            ("permitted", ", ".join(policy.organisation_kinds)),
        )
        yield Finding("organisation_kind", "exchange.kind_not_permitted", params)


def _act_reasons(policy: Policy, request: Request) -> Iterator[Finding]:
    if request.acts is None:
        yield _unknown("acts")
        return
    acts = request.acts | IMPLIED.get(request.purpose or "", frozenset())
    for act in sorted(acts):
        params = (("act", shown(act)),)
        if act in policy.prohibited:
            yield Finding("acts", "exchange.act_prohibited", params)
        elif act not in ACTS:
            yield Finding("acts", "exchange.act_unknown", params)


def _count_reasons(policy: Policy, accesses: int | None) -> Iterator[Finding]:
    if policy.accesses_max is None:
        return
    if accesses is None:
        yield _unknown("accesses")
    elif accesses >= policy.accesses_max:
        params = (("accesses_max", policy.accesses_max),)
        yield Finding("accesses", "exchange.accesses_used_up", params)
