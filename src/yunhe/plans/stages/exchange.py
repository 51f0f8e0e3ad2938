"""The dataset is listed, ordered, paid for and opened; then split for training and testing."""

from __future__ import annotations

from yunhe.evaluation import service as evaluation
from yunhe.exchange import service as exchange
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import NotAllowed, Unavailable
from yunhe.ledger import service as ledger
from yunhe.plans.run import Run


def trade(run: Run) -> JsonObject:
    """List for the holder, order for the buyer; leaves the grant."""
    plan, terms = run.plan, run.plan.data.listing
    _fund(run)
    listing = exchange.list_dataset(
        run.storage,
        key=run.key("listing"),
        certificate=run.left("corpus", "certificate"),
        certificate_reference=run.left("corpus", "certificate_reference"),
        dataset_digest=run.left("corpus", "output"),
        title=terms.title,
        holder=run.organisation(plan.data.holder),
        licence=plan.data.licence,
        price_minor=run.minor(terms.price),
        unit=plan.currency,
        policy=exchange.parse_policy(terms.policy),
    )
    buyer = run.organisation(plan.consumer)
    grant = exchange.order_dataset(
        run.storage,
        key=run.key("order"),
        listing=listing.id,
        buyer=buyer,
        member=run.member(plan.buyer),
    )
    data = exchange.open_dataset(
        run.storage,
        grant=grant.id,
        organisation=buyer,
        purpose=plan.purpose,
        key=run.key("open"),
    )
    split = evaluation.split(
        run.storage,
        key=run.key("split"),
        dataset_digest=grant.dataset_digest,
        data=data,
        grant_reference=grant.reference,
        held_out_percent=plan.evaluation.held_out_percent,
        seed=plan.seed,
    )
    _refuse_a_stranger(run, grant.id)
    return {
        "listing": listing.id,
        "order": grant.order,
        "grant": grant.id,
        "reference": grant.reference,
        "buyer": buyer,
        "split": split.id,
        "split_reference": split.reference,
        "train": split.train_digest,
        "heldout": split.heldout_digest,
    }


def _fund(run: Run) -> None:
    """Give the buyer the money it starts with; not sooner, so that refused text costs nobody."""
    plan, at_us = run.plan, run.storage.clock.now_us()
    funds = run.minor(plan.compute.funds)
    with run.storage.database.begin() as tx:
        run.actor(tx, plan.data.holder, "data_steward")
        account = ledger.open_account(
            tx, owner=run.organisation(plan.consumer), unit=plan.currency, purpose="cash"
        )
        if funds:
            ledger.grant(tx, key=run.key("funds"), account=account, amount=funds, at_us=at_us)


def _refuse_a_stranger(run: Run, grant: str) -> None:
    """Try the grant as an organisation it was not given to; the attempt must be refused."""
    stranger = run.organisation(run.plan.compute.pool.provider)
    try:
        exchange.open_dataset(
            run.storage, grant=grant, organisation=stranger, purpose=run.plan.purpose
        )
    except NotAllowed:
        return
    raise Unavailable("plans.stranger_let_in", grant=grant)
