"""Who is asked to make room: found when a pass is over, carried out by whoever runs the work.

A pass decides as if nothing could be pushed out. For what it leaves waiting, preemptible work is
looked for that may be, with the least loss; that is only asked here. Its devices count as its own
until it has really stopped; then the one it made room for is looked at before everybody else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from yunhe.compute.passes import journal
from yunhe.compute.passes.domain import Seen
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.keeping import guaranteed
from yunhe.compute.scheduling.policies import YUNHE, Policy, yielding
from yunhe.compute.scheduling.state import Decision, Picture, Preemption, Wait
from yunhe.compute.yielding import store as kept
from yunhe.storage.database import Transaction

_Deciding = Callable[..., Sequence[Decision]]


def pushes(
    tx: Transaction,
    picture: Picture,
    decisions: Sequence[Decision],
    *,
    now_us: int,
    policy: Policy = YUNHE,
    deciding: _Deciding = decide,
) -> list[Preemption]:
    """What to ask to make room for what the decisions leave waiting.

    Nobody is asked for somebody for whom others make room already. Cost: none where nothing that
    runs may be pushed out, else a pass. A journal that is being kept has it beside the decisions.
    """
    served = served_in(tx, picture)
    asked = wanted(
        picture, decisions, served=served, now_us=now_us, policy=policy, deciding=deciding
    )
    journal.note(tx, Seen(picture, policy.name, served), decisions, asked, now_us=now_us)
    return asked


def served_in(tx: Transaction, picture: Picture) -> frozenset[str]:
    """For whom others make room already; nobody where nothing that runs may be pushed out."""
    return frozenset(kept.pending(tx)) if any_may(picture) else frozenset()


def any_may(picture: Picture) -> bool:
    """Whether anything that runs may be pushed out, so that `wanted` may take a pass of its own."""
    return any(view.request.preemptible for view in picture.running)


def wanted(
    picture: Picture,
    decisions: Sequence[Decision],
    *,
    served: Collection[str],
    now_us: int,
    policy: Policy = YUNHE,
    deciding: _Deciding = decide,
) -> list[Preemption]:
    """As `pushes`, but nothing is kept; ``served``: for whom others make room already.

    What may be pushed out itself pushes nobody, but for its own guaranteed window, or where the
    policy has levels: then whoever had less pushes whoever had more.
    """
    if not any_may(picture):
        return []
    left = {
        each.request.id
        for each in decisions
        if isinstance(each, Wait)
        and (
            not each.request.preemptible
            or bool(policy.levels_us)
            or guaranteed(picture, each.request, now_us=now_us)
        )
        and each.request.blocked is None
        and each.request.id not in served
    }
    if not left:
        return []
    seen = replace(picture, queue=tuple(each for each in picture.queue if each.id not in served))
    again = deciding(seen, now_us=now_us, policy=yielding(policy))
    return [each for each in again if isinstance(each, Preemption) and each.beneficiary in left]
