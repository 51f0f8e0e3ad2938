"""What is left of awards: the same as when every draw is added up, at a cost that does not grow."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from dispatch_trial import found_town
from sqlalchemy import event, func, select, text, update

from yunhe.compute import store
from yunhe.compute.drawing import store as drawing
from yunhe.compute.passes import store as passes
from yunhe.compute.scheduling.state import Draw
from yunhe.compute.tables import award_table, draw_table
from yunhe.kernel.clock import ManualClock
from yunhe.storage import dialect
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

OPEN = 3


def added_up(tx: Transaction) -> dict[str, tuple[int, int]]:
    """Used and held by award, from every draw there is."""
    table = draw_table.c
    query = select(table.award, func.sum(table.used_ms), func.sum(table.held_ms))
    return {
        name: (int(used), int(held)) for name, used, held in tx.execute(query.group_by("award"))
    }


def told(tx: Transaction, named: list[str]) -> dict[str, tuple[int, int]]:
    """The same as the passes and the lists say it."""
    statuses = {each.award.id: each for each in passes.awards(tx, named)}
    listed = {each.award.id: each for each in store.awards(tx)}
    taken = passes.taken(tx, sorted(statuses))
    assert statuses == listed
    assert {name: sums for name, (_, sums) in taken.items()} == {
        name: each.used_ms + each.held_ms for name, each in statuses.items()
    }
    return {name: (each.used_ms, each.held_ms) for name, each in statuses.items()}


@pytest.mark.parametrize("seed", range(4))
def test_what_was_used_and_is_held_is_the_sum_of_the_draws(storage: Storage, seed: int) -> None:
    named = found_town(storage, organisations=3)
    drawn, awards = random.Random(seed), [f"award-{name}" for name in named]
    with storage.database.begin() as tx:
        for turn in range(40):
            name, some = f"w{drawn.randrange(12)}", drawn.sample(awards, drawn.randint(1, 2))
            if drawn.random() < 0.5 and not drawing.used(tx, name):
                passes.add_draws(tx, [(name, [Draw(each, 1 + turn) for each in some])])
            else:
                used = [Draw(each, drawn.randint(0, turn)) for each in some]
                drawing.set_used(tx, name, used)
            sums = added_up(tx)
            assert told(tx, named) == {each: sums.get(each, (0, 0)) for each in awards}
        assert any(used for used, _ in added_up(tx).values())


def test_an_award_whose_work_ended_before_anybody_counted_is_counted_from_its_draws(
    storage: Storage,
) -> None:
    [name] = found_town(storage, organisations=1)
    with storage.database.begin() as tx:
        for number in range(3):
            passes.add_draws(tx, [(f"w{number}", [Draw(f"award-{name}", 100)])])
        ended = update(draw_table).where(draw_table.c.workload != "w0")
        tx.execute(ended.values(held_ms=0, used_ms=7))
        assert told(tx, [name]) == {f"award-{name}": (14, 100)}
        drawing.set_used(tx, "w0", [Draw(f"award-{name}", 60)])
        assert tx.scalar(select(award_table.c.used_ms)) == 74
        drawing.set_used(tx, "w0", [Draw(f"award-{name}", 20)])
        assert told(tx, [name]) == {f"award-{name}": (34, 0)}


def test_an_award_that_a_workload_never_drew_on_stays_as_it_was(storage: Storage) -> None:
    one, other = found_town(storage, organisations=2)
    with storage.database.begin() as tx:
        passes.add_draws(tx, [("w", [Draw(f"award-{one}", 100)])])
        drawing.set_used(tx, "w", [Draw(f"award-{other}", 60)])
        assert told(tx, [one, other]) == {f"award-{one}": (0, 0), f"award-{other}": (0, 0)}


def with_history(storage: Storage, ended: int) -> str:
    """An organisation of whose work so much ended; a little runs."""
    [name] = found_town(storage, organisations=1)
    award = f"award-{name}"
    rows = [
        {
            "workload": f"w{number:05}",
            "award": award,
            "position": 0,
            "held_ms": 100 if number < OPEN else 0,
            "used_ms": 0 if number < OPEN else 7,
        }
        for number in range(ended + OPEN)
    ]
    with storage.database.begin() as tx:
        dialect.insert_many(tx, draw_table, rows)
        tx.execute(update(award_table).values(used_ms=7 * ended))
        if tx.dialect.name == "postgresql":
            tx.execute(text("ANALYZE compute_draw"))
    return name


def steps(tx: Transaction, look: Callable[[], object]) -> int:
    """Instructions of SQLite's machine, or rows of draws that PostgreSQL read."""
    if tx.dialect.name == "sqlite":
        driver, count = tx.connection.driver_connection, 0

        def counted() -> int:
            nonlocal count
            count += 1
            return 0

        driver.set_progress_handler(counted, 1)
        try:
            look()
        finally:
            driver.set_progress_handler(None, 1)
        return count
    sent: list[tuple[str, object]] = []

    def heard(*given: object) -> None:
        sent.append((str(given[2]), given[3]))

    event.listen(tx, "before_cursor_execute", heard)
    look()
    event.remove(tx, "before_cursor_execute", heard)
    return sum(rows_read(tx, statement, values) for statement, values in sent)


def rows_read(tx: Transaction, statement: str, values: object) -> int:
    plan = tx.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values).scalar_one()
    todo, rows = [(plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]], 0
    while todo:
        node = todo.pop()
        todo += node.get("Plans", [])
        if node.get("Relation Name") == "compute_draw":
            each = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            rows += each * node["Actual Loops"]
    return rows


@pytest.mark.parametrize("what", ["awards", "taken", "one", "every"])
def test_a_look_at_what_is_left_costs_the_same_however_much_ended(
    new_database, tmp_path, what: str
) -> None:
    costs = []
    for ended in (300, 6_000):
        blobs = LocalBlobs(tmp_path / f"blobs-{ended}")
        storage = Storage(new_database(durable=False), blobs, ManualClock())
        name = with_history(storage, ended)
        looks: dict[str, Callable[[Transaction], object]] = {
            "awards": lambda tx, name=name: passes.awards(tx, [name]),
            "taken": lambda tx, name=name: passes.taken(tx, [f"award-{name}"]),
            "one": lambda tx, name=name: store.awards(tx, award=f"award-{name}"),
            "every": store.awards,
        }
        with storage.database.read() as tx:
            look = looks[what]
            look(tx)  # what SQLAlchemy asks the first time is no part of it
            costs.append(steps(tx, lambda look=look, tx=tx: look(tx)))
    assert costs[0] == costs[1] > 0
