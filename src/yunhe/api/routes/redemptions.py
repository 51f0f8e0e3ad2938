"""Payments under an application: asked for with evidence, confirmed, decided."""

from __future__ import annotations

from yunhe.api.call import Caller, PathId
from yunhe.api.paths import Routes
from yunhe.api.routes.applications import (
    found_in,
    payment,
    reached,
    require_programme,
    unknown,
)
from yunhe.client.wire import applications as wire
from yunhe.client.wire import deciding
from yunhe.compute import service as compute
from yunhe.kernel.errors import Conflict, NotAllowed
from yunhe.storage import uploads

routes = Routes("compute")
"""Of the compute floor, beside `applications`."""


@routes.add("POST /v1/applications/{application}/redeem", wire.Payment)
async def redeem_payment(
    application: PathId, call: Caller, body: deciding.Redemption
) -> wire.Payment:
    """Ask for a payment with its evidence."""

    def redeem() -> wire.Payment:
        with call.runtime.storage.database.read() as tx:
            reached(tx, call, application)
            uploads.require(tx, call.who.organisation, list(body.evidence.values()))
        return payment(
            compute.applications.redeem(
                call.runtime.storage,
                application,
                body.payment,
                evidence=body.evidence,
                reason=body.reason,
                by=call.who.member,
            )
        )

    return await call.apart(redeem)


@routes.add("POST /v1/applications/{application}/confirm", wire.Payment)
async def confirm_payment(
    application: PathId, call: Caller, body: deciding.Confirmation
) -> wire.Payment:
    """The provider of the contract confirms that it was settled."""

    def confirm() -> wire.Payment:
        with call.runtime.storage.database.read() as tx:
            proposal = found_in(tx, application).proposal
        provider = "" if proposal.contract is None else proposal.contract.provider
        if provider != call.who.organisation:
            if not call.reaches(proposal.organisation, proposal.project):
                raise unknown(application)
            if not provider:
                raise Conflict("compute.confirm_nothing", application=application)
            raise NotAllowed("compute.confirm_by_provider", provider=provider)
        return payment(
            compute.applications.confirm(
                call.runtime.storage,
                application,
                body.payment,
                reason=body.reason,
                by=call.who.member,
            )
        )

    return await call.apart(confirm)


@routes.add("POST /v1/applications/{application}/pay", wire.Payment)
async def decide_payment(
    application: PathId, call: Caller, body: deciding.PaymentDecision
) -> wire.Payment:
    """Pay what was asked for, or send its evidence back; not by whoever awarded it."""

    def decide() -> wire.Payment:
        require_programme(call, application)
        return payment(
            compute.applications.decide_payment(
                call.runtime.storage,
                application,
                body.payment,
                verdict=body.verdict,
                reason=body.reason,
                by=call.who.member,
            )
        )

    return await call.apart(decide)
