"""The steps an application may take: from which state, whose step it is, and where it leads.

Pure. Whatever is not in the table is refused with what is possible instead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from yunhe.compute.applications.domain import Application, ApplicationState, PaymentState
from yunhe.kernel.errors import Conflict

Who = Literal["applicant", "verifier", "committee", "programme", "clock"]
"""Members of the applying organisation; those the rule set names; its deciders; time itself."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One action."""

    sources: frozenset[ApplicationState]
    """States it is possible in."""
    targets: frozenset[ApplicationState]
    """States it may lead to."""
    who: Who
    """Whose step it is."""


_RULED: tuple[ApplicationState, ...] = ("returned", "verifying", "voting", "awarded", "refused")


def _row(
    sources: tuple[ApplicationState, ...], targets: tuple[ApplicationState, ...], who: Who
) -> Transition:
    return Transition(frozenset(sources), frozenset(targets), who)


TRANSITIONS: Mapping[str, Transition] = {
    "amend": _row(("returned",), _RULED, "applicant"),
    "withdraw": _row(("returned", "verifying", "voting"), ("withdrawn",), "applicant"),
    "decide": _row(("verifying",), ("awarded", "refused", "returned", "voting"), "verifier"),
    "vote": _row(("voting",), ("voting", "awarded", "refused"), "committee"),
    "lapse": _row(("returned",), ("lapsed",), "clock"),
    "extend": _row(("awarded",), ("awarded",), "applicant"),
    "change": _row(("awarded",), ("awarded",), "applicant"),
    "report": _row(("awarded",), ("reported",), "applicant"),
    "close": _row(("reported",), ("closed", "awarded"), "programme"),
    "redeem": _row(("awarded",), ("awarded",), "applicant"),
    "confirm": _row(("awarded",), ("awarded",), "applicant"),
    "pay": _row(("awarded",), ("awarded",), "verifier"),
}
"""Action → where it is possible and where it leads."""


def require_of(action: str, found: Application) -> None:
    """Return only if the action is possible for this application now.

    Errors: `Conflict` ``compute.step_impossible`` with the steps that this very one may take.
    """
    require(action, found.state, application=found.id, steps=steps_of(found, now_us=0))


def require(
    action: str, state: ApplicationState, *, application: str, steps: Sequence[str] | None = None
) -> None:
    """Return only if the action is possible in that state; ``steps``: what is, if fewer than that.

    Errors: as `require_of`.
    """
    if state not in TRANSITIONS[action].sources:
        raise Conflict(
            "compute.step_impossible",
            application=application,
            step=action,
            state=state,
            possible=", ".join(possible(state) if steps is None else steps) or "-",
        )


def steps_of(
    found: Application, *, now_us: int, payments: Collection[PaymentState] | None = None
) -> list[str]:
    """What people may do with this very application now.

    Nothing is redeemed of device time, and money is not extended; an extension or change is itself
    not extended, changed or reported on, nor is what is over. ``payments``: how each stands; None:
    they were not looked at.
    """
    never = _OF_MONEY if not found.currency else _OF_TIME
    if found.proposal.kind != "new":
        never = _OF_MONEY | _OF_TIME | {"report"}
    elif found.ends_at_us is not None and found.ends_at_us <= now_us:
        never |= _OF_TIME
    if payments is not None and found.currency:
        still = {*payments}
        never |= set() if "open" in still else {"redeem"}
        never |= set() if "asked" in still else {"pay"}
        never |= {"report"} if still & {"open", "asked"} else {"confirm"}
    return [name for name in possible(found.state) if name not in never]


_OF_MONEY = frozenset({"redeem", "confirm", "pay"})
_OF_TIME = frozenset({"extend", "change"})


def possible(state: ApplicationState) -> list[str]:
    """What may be done in that state, by people."""
    return [
        name for name, row in TRANSITIONS.items() if state in row.sources and row.who != "clock"
    ]
