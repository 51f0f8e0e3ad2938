"""How applications, what came of them, and their payments are shown to a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from yunhe.cli.remote import moment, show_one, state, worded
from yunhe.cli.session import Session

if TYPE_CHECKING:
    from yunhe.client.wire.applications import (
        Application,
        ApplicationInFull,
        Payment,
        Step,
        Window,
    )
    from yunhe.client.wire.programmes import Rule

_MS_PER_HOUR = 3_600_000
_RATES_SHOWN = 12
_COMMANDS = {"redeem": "claim"}  # steps whose command has another name


def given(session: Session, each: Application, *, chip: str = "") -> str:
    """What was awarded, or what is asked for; ``chip``: on what it is now, if that was changed."""
    if each.currency:
        return _money(each.amount_minor, each.currency)
    if each.granted_ms or each.decided_by:
        hours = _hours(each.granted_ms) if each.granted_ms else ""
        return f"{hours} {chip or each.chip}".strip()
    asked = [_hours(each.asked_ms)] if each.asked_ms else []
    if each.add_months:
        asked.append(session.say("cli.award.months", months=each.add_months))
    shown = f"{' + '.join(asked)} {each.chip}".strip()
    return session.say("cli.award.asked_for", amount=shown) if asked else shown


def _money(amount_minor: int, currency: str) -> str:
    from yunhe.kernel.units import format_minor  # noqa: PLC0415

    return f"{format_minor(amount_minor, currency)} {currency}"


def _hours(device_ms: int) -> str:
    """Device-hours to the thousandth, never in powers of ten."""
    return f"{round(device_ms / _MS_PER_HOUR, 3):,.15g} h"


def show_application(session: Session, found: Application, *, chip: str = "") -> None:
    """One application for a person, with the rules that counted and what is possible now."""
    fields = {
        "application": found.id,
        "name": found.title,
        "organisation": found.organisation,
        "programme": found.programme,
        "concerns": found.concerns,
        "state": state(session, found.state),
        "asked": given(session, found, chip=chip),
        "why": rules_said(session, found.rules, found.outcome),
        "missing": ", ".join(found.missing),
        "due": moment(found.due_at),
        "decided_by": found.decided_by,
        "expires": moment(found.ends_at),
        "possible": ", ".join(_COMMANDS.get(each, each) for each in found.possible),
        "awards": ", ".join(found.awards),
        "reference": found.reference,
    }
    show_one(session, found, fields)


def rules_said(session: Session, rules: Sequence[Rule], outcome: str) -> str:
    """The rules that led to the outcome; what would follow without them only misleads."""
    unchecked = session.say("cli.award.unverified")
    counted = [rule for rule in rules if rule.decides == outcome] or rules
    said = (f"{r.rule}: {r.text}{'' if r.verified else f' ({unchecked})'}" for r in counted)
    return " ".join(said)


def show_payment(session: Session, made: Payment) -> None:
    """One payment, with where it stands."""
    show_one(session, made, {"name": made.name, "state": _standing(session, made)})


def _standing(session: Session, one: Payment) -> str:
    """How a payment stands: open means that nobody asked for it yet."""
    said = worded(session, "payment", one.state)
    if one.state == "open":
        said = f"{said} ({session.say('cli.award.until', at=one.lapses_at[:10])})"
    confirmed = worded(session, "step", "settlement_confirmed")
    return f"{said}, {confirmed}" if one.confirmed and one.state != "paid" else said


def show_in_full(session: Session, found: ApplicationInFull) -> None:
    """One application with its facts, steps, windows and payments."""
    # What was given last is on the chip that it was changed to; what was applied for stays.
    show_application(session, found, chip=found.windows[-1].chip if found.windows else "")
    if session.as_json:
        return
    steps = "\n".join(_step(session, step) for step in found.steps)
    facts = "\n".join(f"  {name}: {_fact(told)}" for name, told in sorted(found.facts.items()))
    windows = "\n".join(_window(session, window) for window in found.windows)
    payments = "\n".join(
        f"  {one.number}  {one.name}  {_money(one.amount_minor, found.currency)}"
        f"  {_standing(session, one)}"
        for one in found.payments
    )
    parts = {"asked": facts, "steps": steps, "windows": windows, "payments": payments}
    for heading, lines in parts.items():
        if lines:
            session.answer({}, _plain(f"{session.say(f'cli.award.{heading}')}\n{lines}"))


def _step(session: Session, step: Step) -> str:
    more = [worded(session, "vote", step.vote)] if step.vote else []
    if step.hours:
        more.append(f"{step.hours:,} h")
    if step.payment:
        more.append(session.say("cli.award.payment_number", number=step.payment))
    done = worded(session, "step", step.action)
    done = f"{done} ({', '.join(more)})" if more else done
    return f"  {moment(step.at)}  {done}  {step.actor}  {step.reason}"


def _window(session: Session, window: Window) -> str:
    span = f"{_from(window.starts_at)} – {_from(window.ends_at)}"
    moved = ""
    if window.moved_ms:
        moved = f"  ({session.say('cli.award.moved', hours=_hours(window.moved_ms))})"
    given_ = f"{_hours(window.device_ms)} {window.chip}  {window.award}"
    return f"  {span}  {given_}{moved}{_counted(window)}"


def _from(at: str) -> str:
    """A day where it begins in UTC, otherwise to the minute: an award's day begins where it is."""
    return at[:10] if at[11:19] == "00:00:00" else f"{at[:16].replace('T', ' ')}Z"


def _fact(told: object) -> str:
    """As it stands in a proposal's file."""
    if isinstance(told, bool):
        return "true" if told else "false"
    return ", ".join(map(str, told)) if isinstance(told, list) else str(told)


def _counted(window: Window) -> str:
    """How an hour of each chip counts, of an award for several."""
    accepts = window.accepts
    if accepts is None:
        return ""
    rates = ", ".join(
        f"{each.chip} {each.workload_class} {each.per_thousand / 1_000:g}"
        for each in accepts.rates[:_RATES_SHOWN]
    )
    more = " …" if len(accepts.rates) > _RATES_SHOWN else ""
    return f"\n      1 h = {accepts.reference} ({accepts.version}): {rates}{more}"


def _plain(lines: str) -> Any:  # noqa: ANN401 (rich is imported late)
    from rich.text import Text  # noqa: PLC0415

    return Text("".join(c if c == "\n" or c.isprintable() else " " for c in lines))
