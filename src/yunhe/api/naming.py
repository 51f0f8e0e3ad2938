"""Which stored bytes an organisation may name: a digest alone is no right to what it names."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from yunhe.compute import service as compute
from yunhe.evaluation import service as evaluation
from yunhe.exchange import service as exchange
from yunhe.kernel.errors import Finding, Invalid
from yunhe.storage import uploads
from yunhe.storage.database import Transaction


def require_named(tx: Transaction, *, organisation: str, inputs: Mapping[str, str]) -> None:
    """Return only if each input is the organisation's to use.

    Its own are what it uploaded, what its workloads wrote, and the training side of splits of
    datasets it holds a live grant for; never the held-out side, or the test would be learnt by
    heart. Errors: `Invalid` ``compute.spec_invalid`` with the very finding of a digest that is not
    there, so that nobody learns what others have.
    """
    foreign = strangers(tx, organisation, set(inputs.values()))
    findings = [
        Finding(f"inputs.{name[:80]}", "compute.input_missing", (("digest", digest),))
        for name, digest in inputs.items()
        if digest in foreign
    ]
    if findings:
        raise Invalid("compute.spec_invalid", findings=findings)


def strangers(tx: Transaction, organisation: str, digests: Collection[str]) -> set[str]:
    """Those of the digests that the organisation may not use."""
    left = set(digests) - uploads.sent(tx, organisation, digests)
    if left:
        left -= compute.made(tx, organisation=organisation, digests=left)
    if left:
        grants = {
            grant.reference
            for grant in exchange.grants(tx, buyer=organisation)
            if grant.revoked_at_us is None
        }
        left -= {
            split.train_digest
            for split in evaluation.splits(tx)
            if split.grant_reference in grants and split.train_digest in left
        }
    return left
