"""Orders: hold, pay, grant; charged once whatever happens; called off before the first access."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from yunhe.custody import service as custody
from yunhe.exchange import policy as policies
from yunhe.exchange import service as exchange
from yunhe.exchange.domain import Fee
from yunhe.identity import service as identity
from yunhe.kernel.canonical import digest_of
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Conflict, Exhausted, Invalid, NotAllowed, NotFound, YunheError
from yunhe.ledger import service as ledger

PRICE, FUNDS = 120_000, 300_000


def refusal(call) -> str:
    with pytest.raises(NotAllowed) as error:
        call()
    return error.value.code


def place(market, listing, *, key: str = "order", **changed):
    wanted = {"listing": listing.id, "buyer": market.university, "member": market.buyer} | changed
    return exchange.order(market.storage, key=key, **wanted)


def test_an_order_moves_the_price_and_gives_a_grant(market) -> None:
    listing = market.list()
    grant = market.buy(listing)
    assert market.cash(market.university) == (FUNDS - PRICE, 0)
    assert market.cash(market.holder) == (PRICE, 0)
    assert grant.expires_at_us == market.clock.now_us() + 30 * DAY_US
    with market.storage.database.read() as tx:
        record = custody.record(tx, grant.reference)
        [order] = exchange.orders(tx, market.university)
        assert exchange.grants(tx) == exchange.grants(tx, market.university) == [grant]
        assert exchange.grant(tx, grant.id) == grant
    assert order.state == "settled"
    assert record.links == {"listing": listing.reference}
    assert record.body == {
        "dataset_digest": market.dataset,
        "buyer": market.university,
        "order": order.id,
        "policy_digest": policies.digest(market.policy),
        "price_minor": PRICE,
        "unit": "CNY",
        "transfer": grant.transfer,
        "expires_at_us": grant.expires_at_us,
    }
    market.check_books()


def test_an_outsiders_verifier_finds_nothing_wrong_with_a_grant(market, tmp_path) -> None:
    grant = market.buy(market.list())
    signer = custody.create_log(tmp_path / "home", "example.org/test")
    custody.Sequencer(market.storage, signer).run_once()
    receipt = custody.receipt_bytes(custody.receipt(market.storage, grant.reference))
    verdict = custody.verify(receipt, custody.trust(tmp_path / "home"))
    own = {link.kind: link.ok for link in verdict.links}
    assert own["data.grant"]
    assert own["data.listing"]


def test_ordering_again_with_the_key_is_the_same_grant_and_charges_once(market) -> None:
    listing = market.list()
    first = market.buy(listing)
    market.clock.advance(seconds=3 * 86_400)
    assert market.buy(listing) == first
    assert market.cash(market.university) == (FUNDS - PRICE, 0)


def test_another_key_is_another_order(market) -> None:
    listing = market.list()
    assert market.buy(listing).id != market.buy(listing, key="second").id
    assert market.cash(market.university) == (FUNDS - 2 * PRICE, 0)


def test_the_agreement_is_a_copy_that_a_later_listing_does_not_touch(market) -> None:
    listing = market.list()
    grant = market.buy(listing)
    exchange.withdraw_listing(market.storage, listing=listing.id, member=market.steward)
    with market.storage.database.read() as tx:
        agreed = exchange.agreement(tx, grant.agreement)
    assert agreed.digest == digest_of(agreed.terms)
    assert agreed.policy == market.policy
    assert agreed.terms["price_minor"] == PRICE
    assert agreed.terms["title"] == listing.title
    assert agreed.terms["policy"] == policies.document_of(market.policy)


def test_the_money_is_set_aside_before_it_is_paid(market) -> None:
    order = place(market, market.list())
    assert order.state == "held"
    assert market.cash(market.university) == (FUNDS - PRICE, PRICE)
    assert market.cash(market.holder) == (0, 0)
    exchange.settle(market.storage, order=order.id)
    assert market.cash(market.university) == (FUNDS - PRICE, 0)


def test_too_little_money_is_said_and_leaves_nothing_behind(market) -> None:
    listing = market.list(price_minor=FUNDS + 1)
    with pytest.raises(Exhausted) as error:
        market.buy(listing)
    assert error.value.code == "ledger.insufficient"
    assert error.value.message("zh").count("\n") >= 1
    with market.storage.database.read() as tx:
        assert exchange.orders(tx) == []
        assert exchange.grants(tx) == []
    with market.storage.database.begin() as tx:
        cash = ledger.open_account(tx, owner=market.university, unit="CNY", purpose="cash")
        ledger.grant(tx, key="top-up", account=cash, amount=1, at_us=market.clock.now_us())
    assert market.buy(listing).buyer == market.university
    assert market.cash(market.university) == (0, 0)


def test_a_free_dataset_needs_no_money_and_no_transfer(market) -> None:
    grant = market.buy(market.list(price_minor=0))
    assert grant.transfer == ""
    assert market.cash(market.university) == (FUNDS, 0)
    assert market.open(grant)


@pytest.mark.parametrize("percent", [0, 1, 7, 50, 99, 100])
def test_a_fee_is_split_off_exactly(market, percent) -> None:
    listing = market.list(price_minor=101)
    market.buy(listing, fee=Fee(percent, market.operator))
    to_holder, to_platform = market.cash(market.holder)[0], market.cash(market.operator, "fee")[0]
    assert to_holder + to_platform == 101
    assert abs(to_platform - 101 * percent / 100) < 1
    market.check_books()


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_fee_outside_the_hundred_is_refused(market, percent) -> None:
    with pytest.raises(Invalid) as error:
        market.buy(market.list(), fee=Fee(percent, market.operator))
    assert [f.where for f in error.value.findings] == ["fee.percent"]
    assert market.cash(market.university) == (FUNDS, 0)


def test_a_holder_cannot_buy_from_itself(market) -> None:
    listing = market.list()
    with market.storage.database.begin() as tx:
        identity.grant_role(tx, member=market.steward, role="buyer", at_us=0)
    with pytest.raises(NotAllowed) as error:
        market.buy(listing, buyer=market.holder, member=market.steward)
    assert "exchange.own_listing" in {f.code for f in error.value.findings}


def test_a_kind_of_organisation_the_policy_does_not_permit_cannot_order(market) -> None:
    code = refusal(lambda: market.buy(market.list(), buyer=market.company, member=market.trader))
    assert code == "exchange.kind_not_permitted"


def test_a_member_orders_only_for_its_organisation_and_as_a_buyer(market) -> None:
    listing = market.list()
    assert refusal(lambda: market.buy(listing, member=market.trader)) == (
        "exchange.other_organisation"
    )
    with market.storage.database.begin() as tx:
        other = identity.add_member(tx, key="n", organisation=market.university, name="n", at_us=0)
    assert refusal(lambda: market.buy(listing, member=other.id)) == "identity.role_missing"
    assert market.cash(market.university) == (FUNDS, 0)


def test_a_key_used_for_another_order_is_a_conflict(market) -> None:
    market.buy(market.list())
    other = market.list(key="other")
    with pytest.raises(Conflict) as error:
        market.buy(other)
    assert error.value.code == "exchange.order_differs"


def test_unknown_listings_and_orders_are_not_found(market) -> None:
    market.list()
    with pytest.raises(NotFound):
        exchange.order(
            market.storage,
            key="k",
            listing="listing_none",
            buyer=market.university,
            member=market.buyer,
        )
    with pytest.raises(NotFound):
        exchange.settle(market.storage, order="order_none")
    with pytest.raises(NotFound), market.storage.database.read() as tx:
        exchange.grant(tx, "grant_none")


@pytest.mark.parametrize("swept", [True, False])
def test_a_lapsed_hold_is_taken_again_under_the_same_agreement(market, swept) -> None:
    listing = market.list()
    order = place(market, listing)
    market.clock.advance(seconds=exchange.HOLD_SECONDS)
    if swept:
        with market.storage.database.begin() as tx:
            assert ledger.expire_holds(tx, now_us=market.clock.now_us()) == 1
    with pytest.raises(Conflict) as error:
        exchange.settle(market.storage, order=order.id)
    assert error.value.code == "exchange.order_lapsed"
    grant = market.buy(listing)
    assert grant.agreement == order.agreement
    assert market.cash(market.university) == (FUNDS - PRICE, 0)
    with market.storage.database.read() as tx:
        assert ledger.holds_open(tx) == []
    market.check_books()


def test_an_order_called_off_before_payment_gives_the_money_back(market) -> None:
    order = place(market, market.list())
    for _ in range(2):
        cancelled = exchange.cancel_order(market.storage, order=order.id, member=market.buyer)
        assert cancelled.state == "cancelled"
    assert market.cash(market.university) == (FUNDS, 0)
    assert refusal(lambda: exchange.settle(market.storage, order=order.id)) == (
        "exchange.order_cancelled"
    )


def test_an_order_called_off_before_the_first_access_is_refunded(market) -> None:
    listing = market.list()
    grant = market.buy(listing, fee=Fee(10, market.operator))
    for _ in range(2):
        exchange.cancel_order(market.storage, order=grant.order, member=market.buyer)
    assert market.cash(market.university) == (FUNDS, 0)
    assert market.cash(market.holder) == (0, 0)
    assert market.cash(market.operator, "fee") == (0, 0)
    assert refusal(lambda: market.open(grant)) == "exchange.grant_revoked"
    assert refusal(lambda: market.buy(listing)) == "exchange.order_cancelled"
    market.check_books()


def test_an_order_cannot_be_called_off_once_the_data_was_opened(market) -> None:
    grant = market.buy(market.list())
    market.open(grant)
    code = refusal(
        lambda: exchange.cancel_order(market.storage, order=grant.order, member=market.buyer)
    )
    assert code == "exchange.already_opened"
    assert market.cash(market.holder) == (PRICE, 0)


def test_a_refused_attempt_to_open_does_not_stop_a_cancellation(market) -> None:
    grant = market.buy(market.list())
    assert refusal(lambda: market.open(grant, purpose="research")) == (
        "exchange.purpose_not_permitted"
    )
    exchange.cancel_order(market.storage, order=grant.order, member=market.buyer)
    assert market.cash(market.university) == (FUNDS, 0)


def test_a_refund_the_holder_has_spent_is_refused_whole(market) -> None:
    grant = market.buy(market.list())
    with market.storage.database.begin() as tx:
        cash = ledger.open_account(tx, owner=market.holder, unit="CNY", purpose="cash")
        ledger.hold(tx, key="spent", account=cash, amount=1, expires_at_us=2**60, at_us=0)
    with pytest.raises(Exhausted):
        exchange.cancel_order(market.storage, order=grant.order, member=market.buyer)
    assert market.open(grant)


def test_only_a_buyer_of_the_organisation_calls_an_order_off(market) -> None:
    grant = market.buy(market.list())
    code = refusal(
        lambda: exchange.cancel_order(market.storage, order=grant.order, member=market.trader)
    )
    assert code == "exchange.other_organisation"


class Killed(BaseException):
    """Stands in for a process that dies: nothing after it runs, open transactions are undone."""


def statements_until(storage, count: int, call) -> int:
    """Run ``call``, dying at statement number ``count``; returns how many were started."""
    seen = 0

    def before(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == count:
            raise Killed

    engine = storage.database._engine
    event.listen(engine, "before_cursor_execute", before)
    try:
        call()
    except Killed:
        pass
    finally:
        event.remove(engine, "before_cursor_execute", before)
    return seen


def test_killed_at_any_statement_and_run_again_it_charges_once(market) -> None:
    """Orders one after another, each dying one statement later than the one before."""
    with market.storage.database.begin() as tx:
        cash = ledger.open_account(tx, owner=market.university, unit="CNY", purpose="cash")
        ledger.grant(tx, key="more", account=cash, amount=10**9, at_us=0)
    listing = market.list()
    bought, count = 0, 0
    while True:
        count += 1

        def buy(key: str = f"order {count}") -> None:
            market.buy(listing, key=key)

        started = statements_until(market.storage, count, buy)
        market.check_books()
        buy()
        bought += 1
        assert market.cash(market.university) == (FUNDS + 10**9 - bought * PRICE, 0)
        assert market.cash(market.holder) == (bought * PRICE, 0)
        if started < count:
            break  # it ran to its end: every statement was tried
    assert count > 20
    with market.storage.database.read() as tx:
        assert len(exchange.grants(tx)) == bought
        assert ledger.holds_open(tx) == []
    market.check_books()


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(("place", "settle", "buy", "cancel", "open", "refused", "wait", "sweep")),
        st.integers(0, 2),
    ),
    max_size=25,
)


def perform(market, listing, what: str, *, key: str) -> None:
    if what == "wait":
        market.clock.advance(seconds=2_000)
    elif what == "sweep":
        with market.storage.database.begin() as tx:
            ledger.expire_holds(tx, now_us=market.clock.now_us())
    elif what == "buy":
        market.buy(listing, key=key)
    elif what in ("open", "refused"):
        with market.storage.database.read() as tx:
            grants = exchange.grants(tx)
        for grant in grants[-2:]:
            market.open(grant, purpose="model-training" if what == "open" else "research")
    else:
        order = place(market, listing, key=key).id
        if what == "settle":
            exchange.settle(market.storage, order=order)
        elif what == "cancel":
            exchange.cancel_order(market.storage, order=order, member=market.buyer)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(operations=OPERATIONS)
def test_whatever_happens_money_and_grants_agree(market, operations) -> None:
    """One market for all examples, fresh keys for each; checked after every step."""
    listing = market.list(price_minor=500)
    with market.storage.database.read() as tx:
        example = len(exchange.orders(tx))
    refusals = []
    for what, number in operations:
        try:
            perform(market, listing, what, key=f"{example}:{number}")
        except YunheError as error:
            refusals.append(error)
        agree(market)
    market.check_books()
    assert {error.kind for error in refusals} <= {"not_allowed", "conflict"}
    assert all(error.message("zh") for error in refusals)


def agree(market) -> None:
    with market.storage.database.read() as tx:
        orders, grants = exchange.orders(tx), exchange.grants(tx)
        open_holds = {hold.id for hold in ledger.holds_open(tx)}
        opened = {g.order: sum(a.allowed for a in exchange.accesses(tx, g.id)) for g in grants}
    settled = [order for order in orders if order.state == "settled"]
    assert market.cash(market.holder)[0] == 500 * len(settled)
    available, held = market.cash(market.university)
    assert available + held == FUNDS - 500 * len(settled)
    assert held == 500 * len(open_holds)
    assert open_holds <= {order.hold for order in orders if order.state == "held"}
    live = {grant.order for grant in grants if grant.revoked_at_us is None}
    assert live == {order.id for order in settled}
    assert all(order in live for order, count in opened.items() if count)
    assert all(count <= 3 for count in opened.values())
