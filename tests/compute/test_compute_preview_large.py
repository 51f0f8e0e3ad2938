"""A preview beside a long queue: the answer that submitting gives, and no writer waits for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dispatch_trial import found_town, queue_up
from sqlalchemy import text

from yunhe.compute import service as compute
from yunhe.compute.domain import WorkloadSpec
from yunhe.compute.passes import store as passes
from yunhe.compute.passes import whole
from yunhe.compute.passes.domain import QUEUE_MAX, SMALL_MAX
from yunhe.compute.queueing import service as queueing
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage


def spec_of(organisation: str, key: str) -> WorkloadSpec:
    return WorkloadSpec(
        key=key,
        organisation=organisation,
        entry_point="trial",
        arguments={},
        inputs={},
        chip="cpu",
        devices=4,
        wall_seconds_max=60,
        cpu_seconds_max=60,
    )


def crowded(storage: Storage, *, each: int) -> list[str]:
    """Organisations whose work fills four devices and waits."""
    named = found_town(storage, organisations=3, pools=1, devices=4)
    queue_up(storage, named, each=each)
    whole.run(storage)
    return named


def everything(storage: Storage) -> dict[str, int]:
    with storage.database.read() as tx:
        return {
            name: tx.execute(text(f'select count(*) from "{name}"')).scalar_one()
            for name in sorted(metadata.tables)
        }


@pytest.mark.parametrize("each", [SMALL_MAX // 2, QUEUE_MAX + 5], ids=["considered", "behind"])
def test_beside_a_long_queue_a_preview_says_what_submitting_then_says(
    storage: Storage, each: int
) -> None:
    organisation = crowded(storage, each=each)[0]
    before = everything(storage)
    said = compute.preview(storage, spec_of(organisation, "preview"))
    assert everything(storage) == before
    made = compute.submit(storage, spec_of(organisation, "real"))
    with storage.database.read() as tx:
        then = queueing.standing(tx, made.id, now_us=storage.clock.now_us())
    assert (said.workload.state, said.workload.why) == (made.state, made.why)
    assert said.standing is not None
    assert said.standing == then
    assert said.standing.of == then.of > 2 * each


def test_a_long_queue_is_read_beside_the_writers(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    organisation = crowded(storage, each=SMALL_MAX // 2)[0]
    plain, turns = queueing.picture_of, []

    def seen(tx, rows, *, now_us):
        turns.append(tx.get_execution_options()["yunhe_turn"])
        with storage.database.begin() as other:  # would wait for ever for a writer's turn
            passes.mark(other)
        return plain(tx, rows, now_us=now_us)

    monkeypatch.setattr(queueing, "picture_of", seen)
    said = compute.preview(storage, spec_of(organisation, "preview"))
    assert turns == ["read"]
    assert said.standing is not None
    assert said.standing.rank > 0


def test_with_a_short_queue_what_would_be_placed_with_it_counts(storage: Storage) -> None:
    [organisation] = found_town(storage, organisations=1, pools=1, devices=4)
    queue_up(storage, [organisation], each=2, most=1)
    said = compute.preview(storage, replace(spec_of(organisation, "preview"), devices=1))
    assert (said.workload.state, said.standing) == ("placed", None)
    with storage.database.read() as tx:
        assert passes.considered(tx, each=QUEUE_MAX, most=SMALL_MAX) == 2
