"""Organisations take turns for a thread: none waits behind another's crowd, and none is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.api.turns import SPARE, Turns

THREADS = 8


def ran(asked: list[str], *, given_up: frozenset[int] = frozenset()) -> tuple[list[int], int]:
    """In which order pieces of work began that all came at once, and how many ran together."""
    began: list[int] = []
    together = [0, 0]

    async def work(number: int) -> None:
        began.append(number)
        together[0] += 1
        together[1] = max(together)
        await asyncio.sleep(0)
        together[0] -= 1

    async def one(turns: Turns, number: int) -> None:
        await turns.run(asked[number], lambda: asyncio.ensure_future(work(number)))

    async def all_of_them() -> None:
        turns = Turns(THREADS)
        tasks = [asyncio.ensure_future(one(turns, number)) for number in range(len(asked))]
        await asyncio.sleep(0)
        for number in given_up:
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert turns.free == THREADS  # every thread came back

    asyncio.run(all_of_them())
    return began, together[1]


def test_anothers_piece_begins_at_once_however_many_wait():
    began, _ = ran(["crowd"] * 100 + ["other"])
    assert began.index(100) <= THREADS - SPARE


def test_within_an_organisation_it_goes_in_order_and_each_has_as_many_turns():
    began, _ = ran(["a"] * 40 + ["b"] * 40)
    assert [each for each in began if each < 40] == list(range(40))
    assert [each for each in began if each >= 40] == list(range(40, 80))
    half = Counter("a" if each < 40 else "b" for each in began[:40])
    assert abs(half["a"] - half["b"]) <= THREADS


def test_one_alone_leaves_threads_to_others():
    _, together = ran(["crowd"] * 50)
    assert together == THREADS - SPARE


@given(
    st.lists(st.sampled_from("abc"), max_size=60),
    st.frozensets(st.integers(0, 59)),
)
def test_whatever_comes_and_is_given_up_each_other_piece_runs_once(asked, given_up):
    left = frozenset(number for number in given_up if number < len(asked))
    began, together = ran(asked, given_up=left)
    assert len(began) == len(set(began))
    assert set(range(len(asked))) - left <= set(began)
    assert together <= THREADS


def test_work_that_nobody_waits_for_any_more_keeps_its_thread_until_it_ends():
    async def play(threads: ThreadPoolExecutor, over: Event) -> None:
        turns, loop = Turns(THREADS), asyncio.get_running_loop()

        def asked(whose: str, work: Callable[[], bool]) -> asyncio.Task[bool]:
            begin = partial(loop.run_in_executor, threads, work)
            return asyncio.ensure_future(turns.run(whose, begin))

        try:
            for _ in range(5):  # each time as many as it may have, and away again
                gone = [asked("gone", over.wait) for _ in range(THREADS)]
                await asyncio.sleep(0)
                for each in gone:
                    each.cancel()
                await asyncio.gather(*gone, return_exceptions=True)
            assert turns.free == SPARE
            assert await asked("other", bool) is False
        finally:
            over.set()
        threads.shutdown()
        for _ in range(3):  # their ends are told in the next turns of the loop
            await asyncio.sleep(0)
        assert turns.free == THREADS

    asyncio.run(play(ThreadPoolExecutor(THREADS), Event()))


def test_work_that_fails_or_cannot_begin_gives_its_thread_back():
    async def fails() -> None:
        raise LookupError

    def refuses() -> asyncio.Future[None]:
        raise RuntimeError("shut down")

    async def play() -> None:
        turns = Turns(1)
        for _ in range(3):
            with pytest.raises(LookupError):
                await turns.run("a", lambda: asyncio.ensure_future(fails()))
            with pytest.raises(RuntimeError):
                await turns.run("a", refuses)
        assert turns.free == 1

    asyncio.run(play())
