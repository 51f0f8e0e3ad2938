"""The policy that a platform's passes decide by: read by each pass, changed between two.

A pass reads it once, in the transaction in which it looks, and keeps to it until it has written
all; so a change in between neither mixes two policies nor undoes anything. What runs, runs on.
"""

from __future__ import annotations

from yunhe.compute.passes import store as passes
from yunhe.compute.policy import store
from yunhe.compute.policy.domain import Chosen
from yunhe.compute.scheduling.policies import ON_PLATFORM, YUNHE, Policy, on_platform
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.kernel.canonical import Json
from yunhe.kernel.errors import Invalid
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Transaction

__all__ = ["ON_PLATFORM", "Chosen", "choose", "chosen", "in_force"]

_UNSAID = Chosen(YUNHE.name)


def chosen(tx: Transaction) -> Chosen:
    """The policy that the next pass decides by, with who said so."""
    said = store.last(tx)
    # A name that only a later version knew is as good as none.
    return said if said is not None and said.name in ON_PLATFORM else _UNSAID


def in_force(tx: Transaction) -> Policy:
    """Its rules. Cost: one row."""
    return on_platform(chosen(tx).name)


def choose(tx: Transaction, name: str, *, said_by: str, at_us: int) -> Chosen:
    """Let every pass from now on decide by another policy, and ask for one.

    Who said so is on record; the same again changes nothing. Errors: `Invalid`
    ``compute.policy_unknown`` with the names that there are; `NotAllowed`
    ``identity.role_missing`` unless an operator does.
    """
    if name not in ON_PLATFORM:
        known = ", ".join(ON_PLATFORM)
        raise Invalid("compute.policy_unknown", name=name[:60], known=known)
    identity.require(tx, said_by, "operator")
    before = chosen(tx)
    if before.name == name and before.reference:
        return before
    said = Chosen(name, _record(tx, name, before, said_by=said_by, at_us=at_us))
    store.add(tx, said, said_by=said_by, at_us=at_us)
    passes.mark(tx)
    return said


def _record(tx: Transaction, name: str, before: Chosen, *, said_by: str, at_us: int) -> str:
    body: dict[str, Json] = {"policy": name, "before": before.name, "said_by": said_by}
    links = {"replaces": before.reference} if before.reference else {}
    subject = derived_id("policy", name, before.reference)
    return custody.append(tx, Record("compute.policy", subject, at_us, body, links))
