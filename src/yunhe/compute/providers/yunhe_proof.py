"""Whether another platform's record of a job proves what it told us. Pure; checked offline."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from yunhe.compute.forwarding import domain as forwarding
from yunhe.compute.limits.jurisdictions import known
from yunhe.compute.machine import DEMONSTRATION
from yunhe.compute.wanted import UNKNOWN
from yunhe.custody import service as custody
from yunhe.kernel.canonical import INTEGER_MAX, Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yunhe.client.wire.forwarding import Forwarded

KIND = "compute.usage"
"""The kind of record that proves usage."""
WORD_MAX = 16
"""Longest name of a currency."""
DIGEST_MAX = 71
"""Length of a digest."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A receipt that holds."""

    receipt: bytes = field(repr=False)
    """As it was issued."""
    evidence: Mapping[str, Json]
    """What our own record says of it, but for the receipt's digest."""
    device_ms: int
    """Device time that the record says was charged."""


def proved(receipt: bytes, *, trust: str, said: Forwarded, organisation: str) -> Proof:
    """The proof that a job used what its platform said.

    A platform derives a workload's id from whose it is and the name it was handed over under, so a
    record counts for one job and no other. Errors: ``ValueError`` with what does not hold: the
    receipt by the keys of ``trust``, that it is of this job, and every figure and output in it.
    """
    verdict = custody.verify(receipt, trust)
    if not verdict.ok:
        wrong = next((each for each in (verdict.seal, *verdict.links) if not each.ok), verdict.seal)
        raise ValueError(f"receipt: {wrong.reason} {wrong.detail}".strip())
    parsed = json.loads(receipt)
    record = parsed["entries"][parsed["subject"]]["record"]
    body, used = record["body"], said.usage
    whose = organisation or str(body.get("organisation"))
    claims = (
        ("reference", parsed["subject"], said.reference),
        ("kind", record["kind"], KIND),
        ("subject", record["subject"], said.workload),
        ("outcome", body.get("outcome"), said.state),
        ("device_ms", body.get("device_ms"), None if used is None else used.device_ms),
        ("cost_minor", body.get("cost_minor"), None if used is None else used.cost_minor),
        ("unit", body.get("unit"), None if used is None else used.currency),
        ("code_digest", body.get("code_digest"), None if used is None else used.code_digest),
        ("output_digests", body.get("output_digests"), _digests(said)),
        ("organisation", body.get("organisation"), whose),
        ("job", record["subject"], forwarding.workload_id(whose, said.job)),
    )
    for name, recorded, told in claims:
        if type(recorded) is not type(told) or recorded != told:
            raise ValueError(f"{name}: the record says {recorded}, the platform said {told}")
    for name, most in (("unit", WORD_MAX), ("code_digest", DIGEST_MAX)):
        if len(str(body[name])) > most:
            raise ValueError(f"{name}: longer than {most}")
    for name in ("device_ms", "cost_minor"):
        if not 0 <= body[name] <= INTEGER_MAX:
            raise ValueError(f"{name}: {body[name]}")
    where = str(body.get("consumer", ""))
    evidence: dict[str, Json] = {
        "remote_reference": parsed["subject"],
        "remote_log": verdict.seal.subject,
        "remote_workload": record["subject"],
        "remote_device_ms": body["device_ms"],
        "remote_cost_minor": body["cost_minor"],
        "remote_unit": body["unit"],
        **({DEMONSTRATION: True} if body.get(DEMONSTRATION) is True else {}),
        **({"remote_consumer": where} if where == UNKNOWN or known(where) else {}),
    }
    return Proof(receipt, evidence, body["device_ms"])


def _digests(said: Forwarded) -> list[str]:
    return [said.outputs[name] for name in sorted(said.outputs)]
