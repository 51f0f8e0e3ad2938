"""The part of `yunhe award` for those who decide: verifiers, committees, payers, providers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yunhe.cli.awarded import show_application, show_payment
from yunhe.cli.remote import checked, connected, limited, moment, on_server, show_list, show_one
from yunhe.cli.session import Session
from yunhe.kernel.errors import NotFound
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.client import Client


def add_judging(group: click.Group, language: Language) -> None:
    """Add the commands to ``yunhe award``."""
    _add_deciding(group, language)
    _add_paying(group, language)
    _add_funding(group, language)


def _said(name: str, language: Language) -> str:
    return text(f"cli.award.{name}", language)


def _minor(amount: str, currency: str) -> int:
    from yunhe.kernel.units import to_minor  # noqa: PLC0415

    return to_minor(amount, currency) if amount else 0


def _add_deciding(group: click.Group, language: Language) -> None:
    @group.command("decide", help=_said("decide", language))
    @click.argument("application")
    @click.argument("verdict", type=click.Choice(["award", "refuse", "return", "refer"]))
    @click.option("--hours", type=int, default=0, help=_said("hours", language))
    @click.option("--amount", default="", help=_said("amount", language))
    @click.option("--reason", required=True, help=_said("reason", language))
    @on_server(language)
    def decide(
        *, application: str, verdict: str, hours: int, amount: str, reason: str, **_: object
    ) -> None:
        from yunhe.client.wire.deciding import Decision  # noqa: PLC0415

        session = Session.here()
        with connected(session) as client:
            minor = 0
            if amount:
                minor = _minor(amount, client.applications.application(application).currency)
            told = {"verdict": verdict, "hours": hours, "amount_minor": minor, "reason": reason}
            show_application(
                session, client.applications.decide(application, checked(Decision, told))
            )

    @group.command("vote", help=_said("vote", language))
    @click.argument("application")
    @click.argument("vote", type=click.Choice(["award", "refuse", "abstain", "recuse"]))
    @click.option("--hours", type=int, default=0, help=_said("hours", language))
    @click.option("--reason", required=True, help=_said("reason", language))
    @on_server(language)
    def cast(*, application: str, vote: str, hours: int, reason: str, **_: object) -> None:
        from yunhe.client.wire.deciding import NewVote  # noqa: PLC0415

        session = Session.here()
        told = {"vote": vote, "hours": hours, "reason": reason}
        with connected(session) as client:
            show_application(session, client.applications.vote(application, checked(NewVote, told)))

    @group.command("close", help=_said("close", language))
    @click.argument("application")
    @click.argument("accept", type=click.Choice(["yes", "no"]))
    @click.option("--reason", required=True, help=_said("reason", language))
    @on_server(language)
    def close(*, application: str, accept: str, reason: str, **_: object) -> None:
        from yunhe.client.wire.deciding import Closing  # noqa: PLC0415

        session = Session.here()
        told = {"accept": accept, "reason": reason}
        with connected(session) as client:
            show_application(
                session, client.applications.close(application, checked(Closing, told))
            )


def _add_paying(group: click.Group, language: Language) -> None:
    @group.command("confirm", help=_said("confirm", language))
    @click.argument("application")
    @click.option("--payment", type=int, default=1, help=_said("payment", language))
    @click.option("--reason", required=True, help=_said("reason", language))
    @on_server(language)
    def confirm(*, application: str, payment: int, reason: str, **_: object) -> None:
        from yunhe.client.wire.deciding import Confirmation  # noqa: PLC0415

        session = Session.here()
        told = {"payment": payment, "reason": reason}
        with connected(session) as client:
            made = client.applications.confirm(application, checked(Confirmation, told))
            show_payment(session, made)

    @group.command("pay", help=_said("pay", language))
    @click.argument("application")
    @click.argument("verdict", type=click.Choice(["pay", "return"]))
    @click.option("--payment", type=int, default=1, help=_said("payment", language))
    @click.option("--reason", required=True, help=_said("reason", language))
    @on_server(language)
    def pay(*, application: str, verdict: str, payment: int, reason: str, **_: object) -> None:
        from yunhe.client.wire.deciding import PaymentDecision  # noqa: PLC0415

        session = Session.here()
        told = {"payment": payment, "verdict": verdict, "reason": reason}
        with connected(session) as client:
            made = client.applications.pay(application, checked(PaymentDecision, told))
            show_payment(session, made)


def _add_funding(group: click.Group, language: Language) -> None:
    @group.command("fund", help=_said("fund", language))
    @click.argument("programme")
    @click.argument("amount")
    @click.option("--key", default="", metavar="WORD", help=text("cli.submit.key", language))
    @on_server(language)
    def fund(*, programme: str, amount: str, key: str, **_: object) -> None:
        from yunhe.client.wire.programmes import NewFund  # noqa: PLC0415

        session = Session.here()
        with connected(session) as client:
            minor = _minor(amount, _currency(client, programme))
            told = {"programme": programme, "amount_minor": minor}
            made = client.applications.fund(checked(NewFund, told), key=key)
        show_one(session, made, {"programme": made.programme, "asked": f"{amount} {made.currency}"})

    @group.command("affiliate", help=_said("affiliate", language))
    @click.argument("first")
    @click.argument("second")
    @click.option("--basis", required=True, help=_said("basis", language))
    @on_server(language)
    def affiliate(*, first: str, second: str, basis: str, **_: object) -> None:
        from yunhe.client.wire.programmes import NewAffiliation  # noqa: PLC0415

        session = Session.here()
        told = {"first": first, "second": second, "basis": basis}
        with connected(session) as client:
            made = client.applications.affiliate(checked(NewAffiliation, told))
        fields = {"first": made.first, "second": made.second, "at": moment(made.at)}
        show_one(session, made, fields)

    @group.command("affiliations", help=_said("affiliations", language))
    @on_server(language)
    @limited(language)
    def affiliations(*, limit: int, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            show_list(
                session,
                client.applications.affiliations(),
                limit=limit,
                columns=("first", "second", "name", "at"),
                row=lambda each: (each.first, each.second, each.basis, moment(each.at)),
            )


def _currency(client: Client, programme: str) -> str:
    """Of a programme that pays money. Errors: `NotFound` ``cli.award.no_money``."""
    for each in client.applications.programmes():
        if each.id == programme and each.currency:
            return each.currency
    raise NotFound("cli.award_no_money", programme=programme)
