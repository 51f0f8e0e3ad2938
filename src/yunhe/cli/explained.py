"""Shows what a profile does: in words, and on a few documents before and after."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from yunhe.cli.session import Session, console

if TYPE_CHECKING:
    from yunhe.corpus.domain import Profile
    from yunhe.corpus.explaining import StepTold, Tried

_SHOWN_CHARACTERS_MAX = 4000
_STYLES = {"same": "", "out": "red strike", "in": "green"}
_MARKS = {"same": ("", ""), "out": ("[-", "-]"), "in": ("{+", "+}")}


def profile_json(profile: Profile, steps: Sequence[StepTold], digest: str) -> dict[str, object]:
    """The explanation for a program."""
    return {
        "profile": profile.name,
        "version": profile.version,
        "pipeline": digest,
        "steps": [
            {
                "name": step.name,
                "version": step.version,
                "thresholds": {
                    name: {"value": t.value, "source": t.source, "verified": t.verified}
                    for name, t in step.thresholds
                },
                "options": dict(step.options),
                "reasons": list(step.reasons),
                "repairs": list(step.repairs),
                "removes": list(step.removes),
                "sees_all_documents": step.whole,
            }
            for step in steps
        ],
    }


def show_profile(
    session: Session, profile: Profile, steps: Sequence[StepTold], digest: str
) -> None:
    """Each step: what it does, why it drops, its numbers and where they come from."""
    from rich.markup import escape  # noqa: PLC0415

    out = console()
    named = session.say("cli.clean.explained", name=profile.name, version=profile.version)
    out.print(f"[bold]{escape(named)}[/]\n[dim]{digest}[/]", soft_wrap=True)
    for number, step in enumerate(steps, 1):
        does = session.say(f"corpus.step.{step.name}")
        out.print(f"\n[bold]{number}. {step.name}[/]  {escape(does)}")
        if step.whole:
            out.print(f"   [dim]{escape(session.say('cli.clean.whole'))}[/]")
        for code, names in (("reason", step.reasons), ("repair", step.repairs)):
            said = session.say(f"cli.clean.{code}s")
            between, after = ("；", "") if session.language == "zh" else ("; ", " ")
            told = between.join(session.say(f"corpus.{code}.{name}") for name in names)
            if names:
                out.print(f"   {escape(said)}{after}{escape(told)}")
        for name, threshold in step.thresholds:
            checked = "" if threshold.verified else f" ({session.say('cli.clean.unverified')})"
            out.print(f"   [cyan]{name} = {threshold.value:,}[/]")
            out.print(f"     [dim]{escape(threshold.source + checked)}[/]")
        for name, word in step.options:
            none = "" if word else session.say(f"corpus.option.{step.name}.{name}")
            out.print(f"   [cyan]{name} = {escape(word or none)}[/]", soft_wrap=True)


def show_tried(session: Session, documents: Iterable[Tried], *, show_text: bool) -> None:
    """Each document's fate; its text only on a terminal, or where somebody asks for it.

    What goes to a file or another program is kept by it, and raw text must not be kept unasked.
    """
    visible = show_text or (sys.stdout.isatty() and not session.as_json)
    if session.as_json:
        session.answer({"documents": [_as_json(each, visible=visible) for each in documents]})
        return
    count = 0
    for tried in documents:
        _show_one(session, tried, visible=visible)
        count += 1
    click.echo(session.say("cli.clean.tried", count=count))
    if not visible:
        click.echo(session.say("cli.clean.text_hidden"))


def _as_json(tried: Tried, *, visible: bool) -> dict[str, object]:
    return {
        "file": tried.file,
        "row": tried.row,
        "dropped": list(tried.dropped) if tried.dropped else None,
        "repairs": [list(repair) for repair in tried.repairs],
        "details": dict(tried.details),
        "characters_before": len(tried.before),
        "characters_after": len(tried.after),
        **({"before": tried.before, "after": tried.after} if visible else {}),
    }


def _show_one(session: Session, tried: Tried, *, visible: bool) -> None:
    from rich.markup import escape  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    out = console()
    place = escape(shown(tried.file))
    out.print(f"[bold]{place}:{tried.row}[/]  {escape(_fate(session, tried))}")
    if not visible:
        return
    body, room = Text(), _SHOWN_CHARACTERS_MAX
    for change, piece in tried.changes():
        before, after = _MARKS[change] if out.color_system is None else ("", "")
        if cut := piece[:room]:
            body.append(before + shown(cut) + after, style=_STYLES[change])
        if len(piece) > room:
            body.append(" …")
            break
        room -= len(piece)
    out.print(body, soft_wrap=True)


def _fate(session: Session, tried: Tried) -> str:
    if tried.dropped is not None:
        step, reason = tried.dropped
        why = session.say(f"corpus.reason.{reason}")
        return session.say("cli.clean.dropped_by", step=step, reason=why)
    said = [session.say(f"corpus.repair.{kind}") for _, kind in tried.repairs]
    said += [f"{session.say(f'corpus.type.{kind}')} × {count}" for kind, count in tried.details]
    unchanged = "cli.clean.unchanged" if tried.before == tried.after else "cli.clean.changed"
    return "; ".join([session.say(unchanged), *said])


def shown(piece: str) -> str:
    """Without what a terminal would obey instead of show."""
    return "".join(
        letter if letter in "\n\t" or letter.isprintable() else "\ufffd" for letter in piece
    )
