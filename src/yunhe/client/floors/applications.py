"""Applications for device time, vouchers and grants, and the programmes they go to."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import applications as wire
from yunhe.client.wire import deciding
from yunhe.client.wire import programmes as shapes


class Applications(Floor):
    """From a proposal to an award, its report and its payments."""

    def programmes(self) -> Iterator[shapes.Programme]:
        """What is given, to whom, by which rules."""
        return self._http.pages("/v1/programmes", shapes.Programme)

    def explain(self, sent: wire.NewRuling) -> shapes.Ruling:
        """What would follow from these facts; nothing is written."""
        return self._http.post("/v1/rulings", shapes.Ruling, sent)

    def apply(self, sent: wire.NewApplication, *, key: str = "") -> wire.Application:
        """Apply; what the rules approve at once can be used when this returns."""
        return self._http.post("/v1/applications", wire.Application, sent, key=key)

    def listed(self, *, state: str = "") -> Iterator[wire.Application]:
        """Applications, the last one first; with ``state`` only those in it."""
        return self._http.pages("/v1/applications", wire.Application, {"state": state or None})

    def application(self, application: str) -> wire.ApplicationInFull:
        """One application with its facts, steps, windows and payments."""
        return self._http.get(_at(application), wire.ApplicationInFull)

    def amend(self, application: str, sent: wire.Amendment) -> wire.Application:
        """Supply what was missing."""
        return self._http.post(f"{_at(application)}/amend", wire.Application, sent)

    def withdraw(self, application: str, sent: deciding.Because) -> wire.Application:
        """Take it back before it is decided."""
        return self._http.post(f"{_at(application)}/withdraw", wire.Application, sent)

    def decide(self, application: str, sent: deciding.Decision) -> wire.Application:
        """Award, refuse, send back or refer it, as one person."""
        return self._http.post(f"{_at(application)}/decide", wire.Application, sent)

    def vote(self, application: str, sent: deciding.NewVote) -> wire.Application:
        """Vote on it, as a member of the committee."""
        return self._http.post(f"{_at(application)}/votes", wire.Application, sent)

    def report(self, application: str, sent: deciding.FinalReport) -> wire.Application:
        """Hand in the final report of an award."""
        return self._http.post(f"{_at(application)}/report", wire.Application, sent)

    def close(self, application: str, sent: deciding.Closing) -> wire.Application:
        """Take a final report, or ask for another one."""
        return self._http.post(f"{_at(application)}/close", wire.Application, sent)

    def redeem(self, application: str, sent: deciding.Redemption) -> wire.Payment:
        """Ask for a payment with its evidence."""
        return self._http.post(f"{_at(application)}/redeem", wire.Payment, sent)

    def confirm(self, application: str, sent: deciding.Confirmation) -> wire.Payment:
        """Confirm, as the contract's provider, that it was settled."""
        return self._http.post(f"{_at(application)}/confirm", wire.Payment, sent)

    def pay(self, application: str, sent: deciding.PaymentDecision) -> wire.Payment:
        """Pay what was asked for, or send its evidence back."""
        return self._http.post(f"{_at(application)}/pay", wire.Payment, sent)

    def fund(self, sent: shapes.NewFund, *, key: str = "") -> shapes.Fund:
        """Put money into a programme."""
        return self._http.post("/v1/funds", shapes.Fund, sent, key=key)

    def affiliations(self) -> Iterator[shapes.Affiliation]:
        """The register of affiliated organisations."""
        return self._http.pages("/v1/affiliations", shapes.Affiliation)

    def affiliate(self, sent: shapes.NewAffiliation, *, key: str = "") -> shapes.Affiliation:
        """Put on the register that two organisations are affiliated."""
        return self._http.post("/v1/affiliations", shapes.Affiliation, sent, key=key)


def _at(application: str) -> str:
    return at("/v1/applications/{application}", application=application)
