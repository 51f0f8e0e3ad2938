"""`yunhe weights` and `yunhe policy`: what weighs in the queue, and by which rules it is served."""

from __future__ import annotations

import click

from yunhe.cli.remote import connected, limited, on_server, show_list, table
from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text

_COLUMNS = ("city", "kind", "organisation", "project", "weight")


def weights(language: Language) -> click.Command:
    """Lists the weights, or says one."""

    @click.command("weights", help=text("cli.weights", language))
    @click.argument("kind", required=False, default="")
    @click.argument("weight", required=False, type=click.IntRange(1, 1_000))
    @click.option("--organisation", default="", help=text("cli.weights.organisation", language))
    @click.option("--project", default="", help=text("cli.weights.project", language))
    @on_server(language)
    @limited(language)
    def command(
        *, kind: str, weight: int | None, organisation: str, project: str, limit: int, **_: object
    ) -> None:
        session = Session.here()
        with connected(session) as client:
            if weight is None:
                found = (one for one in client.compute.weights() if kind in ("", one.kind))
                show_list(session, found, limit=limit, columns=_COLUMNS, row=_row)
                return
            from yunhe.client.wire.queue import NewWeight  # noqa: PLC0415 - only where one is said

            sent = NewWeight(kind=kind, organisation=organisation, project=project, weight=weight)
            said = client.compute.weigh(sent)
        session.answer(said.model_dump(), table(session, _COLUMNS, [_row(said)]))

    return command


def _row(one: object) -> tuple[str, ...]:
    return tuple(str(getattr(one, name)) for name in _COLUMNS)


def policy(language: Language) -> click.Command:
    """Shows the policy in force, or chooses another."""

    @click.command("policy", help=text("cli.policy", language))
    @click.argument("name", required=False, default="")
    @on_server(language)
    def command(*, name: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            if name:
                from yunhe.client.wire.queue import NewPolicy  # noqa: PLC0415 - only to choose

                found = client.compute.choose_policy(NewPolicy(policy=name))
            else:
                found = client.compute.policy()
        lines = [
            f"{'*' if one == found.policy else ' '} {one}\n"
            f"    {session.say(f'simulate.policy.{one}')}"
            for one in found.known
        ]
        session.answer(found.model_dump(), "\n".join(lines))

    return command


COMMANDS = {"weights": weights, "policy": policy}
"""By name."""
