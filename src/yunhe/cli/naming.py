"""Faults of a message told by what was typed: options and arguments in place of wire fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import click

from yunhe.cli.session import Session
from yunhe.kernel.errors import YunheError

_MEANS = "yunhe.fields"


def means(**fields: str) -> None:
    """Say which parameter of this command a field comes of, where their names do not tell."""
    click.get_current_context().meta.setdefault(_MEANS, {}).update(fields)


def as_typed(error: YunheError) -> YunheError:
    """The error with each finding at the option or argument of this command that it is about.

    What is about no option, such as a line of a file, stays where it was found; programs get the
    fields that their answers have.
    """
    context = click.get_current_context(silent=True)
    if context is None or not error.findings or Session.here().as_json:
        return error
    from yunhe.client.faults import placed  # noqa: PLC0415 (only a mistake needs it)

    told = placed(error, lambda where: _typed(context, where))
    told.findings = tuple(
        replace(each, where=_typed(context, each.where)) for each in told.findings
    )
    return told


def _typed(context: click.Context, where: str) -> str:
    """What was typed for a field: the option that has its name, or else a part of it.

    ``--price`` of ``price_minor_per_device_hour``, ``--kind`` of ``new_kind``; the longest counts.
    """
    field, _, inside = where.removeprefix("body.").partition(".")
    said = context.meta.get(_MEANS, {}).get(field)
    if said is None and inside and not inside.isdigit():  # a part of a file, most likely
        return where
    found = [
        (len(name), shown)
        for parameter in context.command.params
        for name, shown in _names(parameter)
        if name == (said or field) or (said is None and _part(name, field))
    ]
    best = {shown for length, shown in found if length == max(found)[0]}
    return best.pop() if len(best) == 1 else where


def _names(parameter: click.Parameter) -> Iterator[tuple[str, str]]:
    """Each name a parameter goes by, and as it is typed."""
    longest = max(parameter.opts, key=len)
    option = isinstance(parameter, click.Option)
    shown = longest if option else parameter.human_readable_name
    for name in {parameter.name or "", longest.lstrip("-").replace("-", "_")}:
        if name:
            yield name, shown


def _part(name: str, field: str) -> bool:
    return field.startswith(f"{name}_") or field.endswith(f"_{name}")
