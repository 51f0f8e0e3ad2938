"""Rate cards: versions with provenance, objections to their rates, and normalised device time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace

from yunhe.compute.errors import refuse
from yunhe.compute.specs import amount_faults, key_faults, text_faults, word_faults
from yunhe.compute.supply import store
from yunhe.compute.supply.domain import Dispute, Normalised, Rate, RateCard, Verdict
from yunhe.identity import service as identity
from yunhe.kernel.canonical import Json, digest_of
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Conflict, Finding, NotAllowed, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

RATES_MAX = 10_000
"""Most rates of one card."""
PER_THOUSAND_MAX = 1_000_000
"""No chip is said to do a thousand times the reference's work or more."""
REFERENCE_PER_THOUSAND = 1_000
"""What the reference chip counts."""


def publish(
    storage: Storage,
    *,
    key: str,
    reference: str,
    rates: Sequence[Rate],
    provenance: str,
    from_us: int | None = None,
    by: str,
) -> RateCard:
    """Publish the next version, in force from now or later on; what was normalised stays so.

    Errors: `Invalid` ``compute.rate_card_invalid`` with every finding; `NotAllowed` unless ``by``
    is an operator; `Conflict` ``compute.rate_card_differs``.
    """
    now_us = storage.clock.now_us()
    begins_us = now_us if from_us is None else from_us
    ordered = tuple(sorted(rates, key=lambda each: (each.workload_class, each.chip)))
    findings = [
        *key_faults(key),
        *word_faults("reference", reference),
        *text_faults("provenance", provenance),
        *_rate_faults(reference, rates),
    ]
    refuse("compute.rate_card_invalid", findings)
    digest = digest_of(_body(reference, ordered, provenance))
    card_id = derived_id("ratecard", key)
    with storage.database.begin() as tx:
        identity.require(tx, by, "operator")
        there = store.card(tx, card_id)
        if there is not None:
            if there.digest != digest or from_us not in (None, there.from_us):
                raise Conflict("compute.rate_card_differs", key=key)
            return there
        last = store.card_last(tx)
        if begins_us < now_us:
            findings.append(Finding("from_at", "compute.period_past", (("now", iso(now_us)),)))
        elif last is not None and begins_us <= last.from_us:
            params = (("version", last.version), ("from", iso(last.from_us)))
            findings.append(Finding("from_at", "compute.rate_card_order", params))
        refuse("compute.rate_card_invalid", findings)
        version = 1 if last is None else last.version + 1
        made = RateCard(
            id=card_id,
            version=version,
            reference=reference,
            from_us=begins_us,
            rates=ordered,
            provenance=provenance,
            digest=digest,
            published_by=by,
            at_us=now_us,
        )
        store.add_card(tx, made)
    return made


def _body(reference: str, rates: Sequence[Rate], provenance: str) -> dict[str, Json]:
    """What the digest of a card is taken of."""
    listed: list[Json] = [
        {name: getattr(rate, name) for name in Rate.__dataclass_fields__} for rate in rates
    ]
    return {"reference": reference, "provenance": provenance, "rates": listed}


def _rate_faults(reference: str, rates: Sequence[Rate]) -> Iterator[Finding]:
    if not 1 <= len(rates) <= RATES_MAX:
        yield Finding("rates", "compute.rates_number", (("most", RATES_MAX),))
        return
    seen: set[tuple[str, str]] = set()
    for number, rate in enumerate(rates):
        where = f"rates.{number}"
        yield from word_faults(f"{where}.chip", rate.chip)
        yield from word_faults(f"{where}.workload_class", rate.workload_class)
        if rate.provenance:
            yield from text_faults(f"{where}.provenance", rate.provenance)
        yield from amount_faults(
            f"{where}.per_thousand", rate.per_thousand, least=1, most=PER_THOUSAND_MAX
        )
        named = (rate.chip[:64], rate.workload_class[:64])
        params = (("chip", named[0]), ("workload_class", named[1]))
        if named in seen:
            yield Finding(where, "compute.rate_twice", params)
        seen.add(named)
        if rate.chip == reference and rate.per_thousand != REFERENCE_PER_THOUSAND:
            yield Finding(where, "compute.rate_reference", params)


def dispute(
    storage: Storage,
    *,
    key: str,
    card: str,
    chip: str,
    workload_class: str,
    organisation: str,
    reason: str,
    by: str,
) -> Dispute:
    """Object to one rate of a version; the same key again returns the objection as it stands.

    The rate stays in force and counts as disputed. Errors: `Invalid` ``compute.dispute_invalid``;
    `NotFound` ``compute.rate_card_unknown``, ``compute.rate_unknown``; `Conflict`
    ``compute.dispute_differs``, ``compute.dispute_open`` while the organisation has another one.
    """
    refuse("compute.dispute_invalid", [*key_faults(key), *text_faults("reason", reason)])
    dispute_id = derived_id("dispute", organisation, key)
    now_us = storage.clock.now_us()
    made = Dispute(dispute_id, card, chip, workload_class, organisation, reason, by, now_us)
    with storage.database.begin() as tx:
        there = store.dispute(tx, dispute_id)
        if there is not None:
            said = (there.card, there.chip, there.workload_class, there.reason)
            if said != (card, chip, workload_class, reason):
                raise Conflict("compute.dispute_differs", key=key)
            return there
        found = store.card(tx, card)
        if found is None:
            raise NotFound("compute.rate_card_unknown", card=card)
        if found.rate(chip, workload_class) is None:
            raise NotFound("compute.rate_unknown", chip=chip, workload_class=workload_class)
        open_ones = store.standing_disputes(
            tx, card, chip=chip, workload_class=workload_class, organisation=organisation
        )
        if open_ones:
            raise Conflict("compute.dispute_open", chip=chip, workload_class=workload_class)
        store.add_dispute(tx, made)
    return made


def decide(storage: Storage, dispute_id: str, *, verdict: Verdict, reason: str, by: str) -> Dispute:
    """Decide an objection; upheld, the rate still holds until the next version replaces it.

    Errors: `Invalid`; `NotAllowed` unless ``by`` is an operator, or where the operator's own
    organisation objects; `NotFound` ``compute.dispute_unknown``; `Conflict`
    ``compute.dispute_decided`` when it was decided otherwise before.
    """
    refuse("compute.dispute_invalid", list(text_faults("reason", reason)))
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        identity.require(tx, by, "operator")
        there = store.dispute(tx, dispute_id)
        if there is None:
            raise NotFound("compute.dispute_unknown", dispute=dispute_id)
        if there.opened_by == by:
            raise NotAllowed("compute.dispute_own")
        if there.state != "open":
            if there.state != verdict:
                raise Conflict("compute.dispute_decided", dispute=dispute_id)
            return there
        made = replace(there, state=verdict, decision=reason, decided_by=by, decided_at_us=now_us)
        store.decide(tx, made)
    return made


class Ratings:
    """Rates by instant, read as they are asked for and kept as long as the transaction lasts."""

    def __init__(self, tx: Transaction) -> None:
        """Reads since when each version is in force. Cost: one query; two more for a version."""
        self._tx = tx
        spans = store.card_spans(tx)
        self._since_us = [since_us for since_us, _ in spans]
        self._ids = [card_id for _, card_id in spans]
        self._cards: dict[str, tuple[RateCard, dict[tuple[str, str], Rate]]] = {}
        self._objected: dict[str, frozenset[tuple[str, str]]] = {}

    def normalised(
        self, chip: str, workload_class: str, device_ms: int, at_us: int
    ) -> Normalised | None:
        """As `normalised`."""
        place = bisect_right(self._since_us, at_us) - 1
        if place < 0:
            return None
        card, rates = self._card(self._ids[place])
        for named in _classes(workload_class):
            rate = rates.get((chip, named))
            if rate is not None:
                return Normalised(
                    device_ms=device_ms,
                    reference_us=device_ms * rate.per_thousand,
                    reference=card.reference,
                    card=card.id,
                    version=card.version,
                    per_thousand=rate.per_thousand,
                    verified=rate.verified,
                    disputed=(chip, named) in self._objected[card.id],
                )
        return None

    def _card(self, card_id: str) -> tuple[RateCard, dict[tuple[str, str], Rate]]:
        known = self._cards.get(card_id)
        if known is None:
            card = store.card(self._tx, card_id)
            assert card is not None  # noqa: S101 - versions are never removed
            known = card, {(each.chip, each.workload_class): each for each in card.rates}
            self._cards[card_id] = known
            self._objected[card_id] = store.objected(self._tx, card_id)
        return known


def _classes(workload_class: str) -> Iterator[str]:
    """The class, then what it is a kind of: ``training.resnet50``, ``training``."""
    while workload_class:
        yield workload_class
        workload_class = workload_class.rpartition(".")[0]


def normalised(
    tx: Transaction, chip: str, workload_class: str, device_ms: int, at_us: int
) -> Normalised | None:
    """Device time of a chip as time of the reference chip, by the version in force at an instant.

    A class without a rate of its own has that of the class it is a kind of, where the card says
    one. None where no version was in force or none has a rate: nothing is ever guessed.
    ``device_ms`` may be below zero, for a correction. Cost: three queries by index.
    """
    return Ratings(tx).normalised(chip, workload_class, device_ms, at_us)
