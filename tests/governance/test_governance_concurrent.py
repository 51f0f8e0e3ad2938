"""Several deciders at once: one decision per person, one release per key."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread

from yunhe.governance import service as governance
from yunhe.kernel.errors import YunheError


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


def test_one_person_deciding_twice_at_once_decides_once(house) -> None:
    risk = house.classify().id
    results = at_once(
        *(
            lambda key=key, decision=decision: house.approve(
                "risk", key=key, decision=decision, risk=risk
            )
            for key, decision in (("a", "approve"), ("b", "reject"), ("c", "approve"))
        )
    )
    refused = [r for r in results if isinstance(r, YunheError)]
    assert [error.code for error in refused] == ["governance.already_decided"] * 2
    with house.storage.database.read() as tx:
        assert len(governance.approvals(tx, "model_1")) == 1


def test_the_same_release_asked_for_at_once_is_one_release(house) -> None:
    risk = house.classify().id
    house.approve("risk", risk=risk)
    house.approve("owner", risk=risk)
    results = at_once(*[lambda: house.release(risk=risk)] * 4)
    assert len({release.reference for release in results}) == 1
    with house.storage.database.read() as tx:
        assert len(governance.releases(tx, "model_1")) == 1


def test_the_same_grading_asked_for_at_once_is_one_grading(house) -> None:
    results = at_once(*[house.classify] * 4)
    assert len({risk.reference for risk in results}) == 1
