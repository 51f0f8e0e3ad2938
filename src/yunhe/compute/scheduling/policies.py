"""Policies as data: how the queue is ordered, who may overtake, who may be pushed out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from yunhe.kernel.clock import DAY_US, SECOND_US

HOUR_US = 3_600 * SECOND_US
"""Microseconds in an hour."""
ALL = 1 << 20
"""As many devices as there are, wherever there are fewer."""

Order = Literal["submission", "tilted", "limits", "attained", "expected"]
"""Within equal share: by time of submission; the same, but a large request counts as submitted
later; the same, but each device-second of its wall limit counts so; by device time attained, the
least first; by predicted service, an oracle or an estimate.
"""
Overtaking = Literal["never", "always", "reserved"]
"""Whether a request may go before a better ranked one that does not fit: no; yes; yes, but not on
what is kept free for that one.
"""
Choice = Literal["tightest", "fullest"]
"""Among equally dear pools: the node that is filled best, or the pool with the least left."""
Packing = Literal["random", "best_fit", "fgd", "yunhe"]
"""Which node and which of its devices, in pools that give out shares or count CPU and memory."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One way to run a fleet."""

    name: str
    """For reports."""
    order: Order = "submission"
    """Who comes first, within equal priority and share."""
    overtaking: Overtaking = "reserved"
    """Who may go before whom."""
    choice: Choice = "tightest"
    """Where, among equals."""
    packing: Packing = "yunhe"
    """On which node, where shares of devices, CPU and memory count; see `packing`. Where nobody
    says which shapes are usual, `yunhe` and `fgd` fill the fullest node, as `best_fit` does.
    """
    shared: bool = False
    """Whether those who used less than their share come first."""
    half_life_us: int = DAY_US
    """Time after which device time used counts half; only where `shared`."""
    tilt_us: int = 0
    """`tilted`: each doubling of a request's devices counts as submitting so much later."""
    limits_weight: int = 4
    """`limits`: each device-second that a request may take at most counts as being submitted so
    many seconds later. Work without a wall limit keeps its time of submission.
    """
    yields_us: int = 600 * SECOND_US
    """For how long a request leaves places to others that need them more, where a plan says so."""
    patience_us: int = 600 * SECOND_US
    """`reserved`: how long a request may be overtaken before devices are kept free for it."""
    patience_devices: int = 0
    """Requests of so many devices or more have that patience; of half as many four times as much,
    and so on with the square, as small work finds room by chance. 0: all have the same. Where there
    are fewer devices, that number counts.
    """
    outclassed_us: int = 0
    """`reserved`: the longest patience of a request of a lower class than any other that waited, so
    that no endless work of a higher class lets it starve; 0: as long as that of others. Where all
    are of one class, it changes nothing.
    """
    reserved_permille: int = 1_000
    """`reserved`: most of all devices that are kept free at one time; always at least one node."""
    ageing_us: int = 0
    """After so long in the queue a request goes before all others, by time of submission; 0: never.
    """
    ageing_permille: int = 0
    """Such a part of the time that a request ran before, on its devices, adds to its ageing. So
    under overload, where all would age, the order by device time attained holds among what ran.
    """
    limits_trusted: bool = True
    """Whether wall limits say when devices become free, so that short work may use what is kept
    free until then.
    """
    preempts: bool = False
    """Whether preemptible work may be pushed out."""
    restart_us: int = 0
    """Device time that resuming after a push costs; the least run before a push is ten times it."""
    pushes_below_share: bool = False
    """Whether work that may not be pushed out may also push out, within a class, work of others
    who have more of their share now than its own will have then.
    """
    levels_us: tuple[int, ...] = ()
    """`attained`, and pushing out: bounds of the levels, in microseconds of device time. A request
    of one level may push out work of a higher one.
    """

    matched: bool = False
    """Whether all devices are dealt out anew at every event, by what each chip is worth to whom, in
    place of turns, reservations and levels; see `rounds`. For some dozens of pools.
    """
    settle_us: int = 4 * HOUR_US
    """`matched` without predictions: until enough ended to learn from, half of what reaches any
    time ends before twice that time and this.
    """
    margin_permille: int = 50
    """`matched`: how much more something else must be worth to take the place of what runs."""

    def ages_at_us(self, since_us: int, *, attained_us: int, devices: int) -> int:
        """When a request that waits since then goes before all others; only where any does."""
        ran_us = attained_us // max(devices, 1)
        return since_us + self.ageing_us + ran_us * self.ageing_permille // 1_000

    def patience_of(self, devices: int) -> int:
        """How long a request of so many devices may be overtaken, in microseconds."""
        if devices >= self.patience_devices:
            return self.patience_us
        return self.patience_us * self.patience_devices**2 // max(devices, 1) ** 2


FIFO = Policy("fifo", overtaking="never", choice="fullest")
"""Strict order of submission; stops at the head."""
FIRST_FIT = Policy("first_fit", overtaking="always", choice="fullest")
"""Plain backfill: whatever fits, in order of submission."""
FAIR = Policy("fair", shared=True, ageing_us=7 * DAY_US)
"""Fair share with reservations, nothing else."""
SHORTEST = Policy("shortest", order="expected", overtaking="never", choice="fullest")
"""Smallest predicted service first, and stops at the head: an oracle where predictions are true."""
LAS = Policy(
    "las",
    order="attained",
    overtaking="always",
    preempts=True,
    restart_us=60 * SECOND_US,
    levels_us=(HOUR_US, 10 * HOUR_US),
)
"""Least attained service in levels, preemptive, as Tiresias does it."""
STEADY = Policy(
    "steady",
    shared=True,
    patience_us=2 * DAY_US,
    patience_devices=32,
    outclassed_us=7 * DAY_US,
    reserved_permille=0,
)
"""For pooled centres where nobody knows run times and nothing may be pushed out.

Fair share, and one request at a time for which nodes are kept free: without wall limits nobody
knows for how long, so keeping more costs everybody more than it gives the large ones. Nothing ages:
when more comes than can run, all of it would, and be served first come first served again. But
whoever waited for a week behind higher classes has nodes kept free, one after the other, by age.
"""
NIMBLE = Policy(
    "nimble",
    order="attained",
    overtaking="always",
    ageing_us=DAY_US // 2,
    preempts=True,
    restart_us=60 * SECOND_US,
    levels_us=tuple(HOUR_US * 4**level for level in range(5)),
)
"""For work that can be pushed out and resumed: many levels of attained service, and work that has
waited for half a day goes first and then runs on for at least half of what it waited.
"""
EVEN = replace(
    NIMBLE,
    name="even",
    shared=True,
    ageing_us=2 * HOUR_US,
    ageing_permille=500,
    levels_us=tuple(HOUR_US * 4**level // 4 for level in range(6)),
)
"""`nimble` for many tenants, none of whom may fare worse than alone: fair share, then the level;
lower levels; what waited for two hours, and half as long as it ran before, goes before all else.
"""
MATCHED = Policy(
    "matched",
    order="attained",
    overtaking="always",
    preempts=True,
    restart_us=60 * SECOND_US,
    matched=True,
)
"""For chips of different speed: whoever gains most of a chip gets it, without knowing run times."""
FORESEEING = replace(MATCHED, name="foreseeing", order="expected")
"""The same where run times are known or predicted, for example from steps and steps a second."""
YUNHE = Policy(
    "yunhe",
    order="limits",
    shared=True,
    patience_devices=ALL,
    reserved_permille=200,
    ageing_us=7 * DAY_US,
)
"""What a platform runs unless told otherwise: fair share, and EASY backfill by the wall limits.

Whoever asks for less goes first within a project, where limits may be wrong by any factor. Patience
is 10 minutes for what needs every device there is and grows fast for less, or else nearly everybody
would have nodes kept free, by age and against their share; a fifth of the devices at most is.
"""
YIELDING = replace(YUNHE, preempts=True, restart_us=60 * SECOND_US, pushes_below_share=True)
"""Whom a platform asks to make room for what `YUNHE` left waiting: preemptible work, after ten
minutes, for a higher class or for somebody who used less of their share.
"""

PRESETS = {
    policy.name: policy
    for policy in (
        YUNHE,
        STEADY,
        NIMBLE,
        FIFO,
        FIRST_FIT,
        FAIR,
        LAS,
        SHORTEST,
        EVEN,
        MATCHED,
        FORESEEING,
    )
}
"""Policies by name."""

ON_PLATFORM = tuple(
    name for name, one in PRESETS.items() if not one.matched and one.order != "expected"
)
"""Names of those that a platform may run: the others deal out anew, or must be told run times."""


def on_platform(name: str) -> Policy:
    """What a platform's pass decides by, under that name: it places, and pushes nobody out itself.

    Errors: `KeyError` for a name that is not in `ON_PLATFORM`.
    """
    if name not in ON_PLATFORM:
        raise KeyError(name)
    return replace(PRESETS[name], preempts=False)


def yielding(policy: Policy) -> Policy:
    """By which a platform finds, after a pass, whom to ask to make room for what that left waiting.

    Below its share only where the policy knows shares; `YIELDING` for what it runs unless told
    otherwise.
    """
    restart_us = policy.restart_us or YIELDING.restart_us
    below = policy.shared
    return replace(policy, preempts=True, restart_us=restart_us, pushes_below_share=below)


def preset(name: str, **changed: object) -> Policy:
    """The preset of that name, with some fields changed.

    Errors: `KeyError` for a name that is not in `PRESETS`, `TypeError` for a field that is not.
    """
    return replace(PRESETS[name], **changed)  # type: ignore[arg-type]
