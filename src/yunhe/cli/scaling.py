"""`yunhe service`: inference services, as many replicas as their load needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yunhe.cli.fitting import WHOLE
from yunhe.cli.remote import (
    checked,
    connected,
    limited,
    moment,
    on_server,
    plain,
    show_list,
    show_one,
    state,
)
from yunhe.cli.session import Session
from yunhe.kernel.errors import Conflict, NotFound, YunheError
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.client import Client
    from yunhe.client.wire.services import NewLoad, Service

_NUMBERS = (
    "floor",
    "ceiling",
    "slots",
    "service_ms",
    "latency_ms",
    "percentile",
    "unloaded_ms",
    "load_milli",
    "variability_percent",
    "startup_seconds",
    "cooldown_seconds",
)
_NAMED_MAX = 5
_Command = Callable[..., Any]


def service(language: Language) -> click.Command:
    """Inference services on a server."""

    @click.group("service", help=text("cli.service", language))
    def command() -> None:
        return

    for make in (_create, _list, _show, _change, _stop, _load):
        command.add_command(make(language))
    return command


def _aims(language: Language) -> Callable[[_Command], _Command]:
    """The options that say how many replicas, and what for."""

    def add(command: _Command) -> _Command:
        units = click.Choice(("requests", "tokens"))
        command = click.option("--unit", type=units, default=None,
                               help=text("cli.service.unit", language))(command)  # fmt: skip
        for name in reversed(_NUMBERS):
            command = click.option(
                "--" + name.replace("_", "-"),
                name,
                type=click.IntRange(0),
                default=None,
                help=text(f"cli.service.{name}", language),
            )(command)
        return command

    return add


def _create(language: Language) -> click.Command:
    def said(code: str) -> str:
        return text(f"cli.service.{code}", language)

    @click.command("create", help=said("create"))
    @click.argument("name")
    @click.argument("spec", type=click.Path(path_type=Path, dir_okay=False))
    @_aims(language)
    @click.option("--set", "changes", multiple=True, metavar="FIELD=VALUE",
                  help=text("cli.submit.set", language))  # fmt: skip
    @click.option("--key", default="", metavar="WORD", help=text("cli.submit.key", language))
    @on_server(language)
    def command(
        *, name: str, spec: Path, changes: tuple[str, ...], key: str, **aims: int | str | None
    ) -> None:
        from yunhe.cli.describing import read  # noqa: PLC0415
        from yunhe.cli.submitting import message_of, whole  # noqa: PLC0415
        from yunhe.client.faults import placed  # noqa: PLC0415
        from yunhe.client.wire.services import NewService, ServicePolicy  # noqa: PLC0415

        session = Session.here()
        policy = checked(ServicePolicy, _said(aims))
        described = read(spec, changes)
        whole(session, described)
        with connected(session) as client:
            replica = message_of(session, client, described)
            sent = checked(NewService, {"name": name, "replica": replica, "policy": policy})
            try:
                made = client.services.create(sent, key=key)
            except YunheError as error:
                raise placed(error, lambda field: _where(described.where, field)) from None
        _show_service(session, made)

    return command


def _where(place: Callable[[str], str], field: str) -> str:
    """Where a field stands: one of the replica in its file, one of the policy in its option."""
    return field if field in _NUMBERS else place(field.removeprefix("replica."))


def _list(language: Language) -> click.Command:
    @click.command("list", help=text("cli.service.list", language))
    @on_server(language)
    @limited(language)
    def command(*, limit: int, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            show_list(
                session,
                client.services.listed(),
                limit=limit,
                columns=("service", "name", "state", "replicas", "wanted", "why"),
                row=lambda each: _row(session, each),
            )

    return command


def _show(language: Language) -> click.Command:
    @click.command("show", help=text("cli.service.show", language))
    @click.argument("name", metavar="SERVICE")
    @on_server(language)
    def command(*, name: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            _show_service(session, _one(client, name))

    return command


def _one(client: Client, name: str) -> Service:
    """The service of that id, or of that name where only one has it.

    Errors: `NotFound` ``compute.service_unknown``; `Conflict` ``cli.service_several`` with ids.
    """
    if WHOLE.fullmatch(name):
        return client.services.get(name)
    found = [each for each in client.services.listed() if each.name == name]
    going = [each for each in found if each.state != "stopped"] or found
    if not going:
        raise NotFound("compute.service_unknown", service=name)
    if len(going) > 1:
        ids = ", ".join(each.id for each in going[:_NAMED_MAX])
        raise Conflict("cli.service_several", name=name, services=ids)
    return going[0]


def _id(client: Client, name: str) -> str:
    """The id of a service that is told by id or name; errors as `_one`."""
    return name if WHOLE.fullmatch(name) else _one(client, name).id


def _change(language: Language) -> click.Command:
    @click.command("change", help=text("cli.service.change", language))
    @click.argument("name", metavar="SERVICE")
    @_aims(language)
    @on_server(language)
    def command(*, name: str, **aims: int | str | None) -> None:
        from yunhe.client.wire.services import ServiceChange  # noqa: PLC0415

        session = Session.here()
        said = _said(aims)
        if not said:
            raise click.UsageError(session.say("cli.service.nothing"))
        sent = checked(ServiceChange, said)
        with connected(session) as client:
            _show_service(session, client.services.change(_id(client, name), sent))

    return command


def _stop(language: Language) -> click.Command:
    @click.command("stop", help=text("cli.service.stop", language))
    @click.argument("name", metavar="SERVICE")
    @on_server(language)
    def command(*, name: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            _show_service(session, client.services.stop(_id(client, name)))

    return command


def _load(language: Language) -> click.Command:
    def said(code: str) -> str:
        return text(f"cli.service.{code}", language)

    @click.command("load", help=said("load"))
    @click.argument("name", metavar="SERVICE")
    @click.option("--seconds", type=click.IntRange(1, 300), default=10, help=said("seconds"))
    @click.option("--requests", type=click.IntRange(0), required=True, help=said("requests"))
    @click.option("--tokens", type=click.IntRange(0), default=0, help=said("tokens"))
    @click.option("--queue", type=click.IntRange(0), default=0, help=said("queue"))
    @click.option("--latency-ms", type=click.IntRange(0), default=None, help=said("measured"))
    @click.option("--service-ms", type=click.IntRange(0), default=None, help=said("occupied"))
    @click.option("--source", default="", help=said("source"))
    @click.option("--id", "report", default="", help=said("id"))
    @on_server(language)
    def command(*, name: str, seconds: int, report: str, **values: object) -> None:
        import uuid  # noqa: PLC0415
        from datetime import UTC, datetime, timedelta  # noqa: PLC0415

        session = Session.here()
        until = datetime.now(UTC)
        since = until - timedelta(seconds=seconds)
        fields = ("requests", "tokens", "queue", "latency_ms", "service_ms", "source")
        said = {field: values[field] for field in fields} | {"id": report or uuid.uuid4().hex}
        with connected(session) as client:
            try:
                taken = client.services.report(
                    name, _sample(said, since.isoformat(), until.isoformat())
                )
            except Conflict as error:
                taken = client.services.report(name, _again(said, error, seconds=seconds))
        line = session.say(f"cli.service.taken_{taken.taken}", id=plain(taken.id))
        session.answer(taken.model_dump(), line)

    return command


def _sample(said: dict[str, object], since: str, until: str) -> NewLoad:
    from yunhe.client.wire.services import NewLoad  # noqa: PLC0415

    return checked(NewLoad, {**said, "since": since, "until": until})


def _again(said: dict[str, object], error: Conflict, *, seconds: int) -> NewLoad:
    """The same report as the server has under its id, if it is as long: a repetition then.

    What else differs the server finds. Errors: ``error`` where it is about something else.
    """
    from datetime import datetime  # noqa: PLC0415

    since, until = str(error.params.get("since", "")), str(error.params.get("until", ""))
    if error.code != "compute.load_differs" or not since:
        raise error
    length = datetime.fromisoformat(until) - datetime.fromisoformat(since)
    if round(length.total_seconds()) != seconds:
        raise error
    return _sample(said, since, until)


def _said(aims: dict[str, int | str | None]) -> dict[str, int | str]:
    names = (*_NUMBERS, "unit")
    return {name: value for name in names if (value := aims.get(name)) is not None}


def _row(session: Session, each: Service) -> tuple[str, ...]:
    why = each.why.message if each.why else ""
    return (
        each.id,
        each.name,
        state(session, each.state),
        _replicas(session, each),
        str(each.wanted),
        why,
    )


def _replicas(session: Session, each: Service) -> str:
    return session.say("cli.service.replicas", running=each.running, serving=each.serving)


def _show_service(session: Session, found: Service) -> None:
    policy = found.policy
    fields = {
        "service": found.id,
        "name": found.name,
        "state": state(session, found.state),
        "project": found.project,
        "entry_point": found.program,
        "devices": f"{found.devices} × {found.chip}",
        "bounds": f"{policy.floor} – {policy.ceiling}",
        "wanted": str(found.wanted),
        "needed": str(found.needed),
        "replicas": _replicas(session, found),
        "workload": ", ".join(
            f"{each.workload} ({state(session, each.state)})" for each in found.replicas
        ),
        "why": found.why.message if found.why else "",
        "created": moment(found.created_at),
    }
    show_one(session, found, fields)


COMMANDS = {"service": service}
"""By name."""
