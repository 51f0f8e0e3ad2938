"""Several buyers at once: nobody is charged twice, and limits hold."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread

from yunhe.exchange import service as exchange
from yunhe.kernel.errors import YunheError
from yunhe.ledger import service as ledger

PRICE, FUNDS = 120_000, 300_000


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run the calls together; what each returned or raised."""
    barrier, results = Barrier(len(calls)), [None] * len(calls)

    def run(index: int, call: Callable[[], object]) -> None:
        barrier.wait(timeout=30)
        try:
            results[index] = call()
        except YunheError as error:
            results[index] = error

    threads = [Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


def codes(results: list[object]) -> list[str]:
    return sorted(result.code for result in results if isinstance(result, YunheError))


def test_the_same_order_placed_at_once_is_one_order(market) -> None:
    listing = market.list()
    results = at_once(*[lambda: market.buy(listing)] * 4)
    assert len({grant.id for grant in results}) == 1
    assert market.cash(market.university) == (FUNDS - PRICE, 0)
    assert market.cash(market.holder) == (PRICE, 0)


def test_orders_at_once_never_spend_more_than_there_is(market) -> None:
    listing = market.list()
    results = at_once(*(lambda key=key: market.buy(listing, key=key) for key in "abcd"))
    assert codes(results) == ["ledger.insufficient"] * 2
    assert market.cash(market.university) == (FUNDS - 2 * PRICE, 0)
    market.check_books()


def test_accesses_at_once_never_exceed_the_limit(market) -> None:
    grant = market.buy(market.list())
    results = at_once(*[lambda: market.open(grant)] * 6)
    assert codes(results) == ["exchange.accesses_used_up"] * 3
    with market.storage.database.read() as tx:
        noted = [access.allowed for access in exchange.accesses(tx, grant.id)]
    assert noted == [True] * 3 + [False] * 3


def test_one_access_repeated_at_once_counts_once(market) -> None:
    grant = market.buy(market.list())
    results = at_once(*[lambda: market.open(grant, key="split")] * 6)
    assert codes(results) == []
    with market.storage.database.read() as tx:
        assert len(exchange.accesses(tx, grant.id)) == 1


def test_opening_and_calling_off_at_once_never_both_happen(market) -> None:
    listing = market.list(price_minor=100)
    for round_number in range(12):
        grant = market.buy(listing, key=str(round_number))
        opened, cancelled = at_once(
            lambda grant=grant: market.open(grant),
            lambda grant=grant: exchange.cancel_order(
                market.storage, order=grant.order, member=market.buyer
            ),
        )
        assert isinstance(opened, YunheError) != isinstance(cancelled, YunheError)
        [refused] = codes([opened, cancelled])
        assert refused in ("exchange.grant_revoked", "exchange.already_opened")
    market.check_books()


def test_a_sweep_of_lapsed_holds_beside_new_orders_loses_nothing(market) -> None:
    listing = market.list(price_minor=100)
    for key in "abc":
        exchange.order(
            market.storage,
            key=key,
            listing=listing.id,
            buyer=market.university,
            member=market.buyer,
        )
    market.clock.advance(seconds=exchange.HOLD_SECONDS)

    def sweep() -> int:
        with market.storage.database.begin() as tx:
            return ledger.expire_holds(tx, now_us=market.clock.now_us())

    results = at_once(sweep, *(lambda key=key: market.buy(listing, key=key) for key in "abc"))
    assert codes(results) == []
    assert market.cash(market.university) == (FUNDS - 300, 0)
    assert market.cash(market.holder) == (300, 0)
    market.check_books()
