from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from yunhe.storage import events


def append(storage, stream="s", n=0):
    with storage.database.begin() as tx:
        return events.append(
            tx, stream=stream, name="said", body={"n": n}, at_us=storage.clock.now_us()
        )


def read(storage, stream="s", seq=0, **options):
    with storage.database.read() as tx:
        return events.after(tx, stream, seq, **options)


def test_each_stream_counts_from_one(storage):
    assert [append(storage, "a"), append(storage, "b"), append(storage, "a")] == [1, 1, 2]


def test_a_reader_takes_a_stream_up_where_it_stopped(storage):
    for n in range(5):
        append(storage, n=n)
    first = read(storage, limit=2)
    assert [(e.seq, e.name, e.body) for e in first] == [
        (1, "said", {"n": 0}),
        (2, "said", {"n": 1}),
    ]
    assert [e.seq for e in read(storage, seq=first[-1].seq)] == [3, 4, 5]
    assert read(storage, seq=5) == []
    assert read(storage, "unheard of") == []


def test_an_event_that_was_undone_leaves_no_gap(storage):
    append(storage)
    with pytest.raises(RuntimeError), storage.database.begin() as tx:
        events.append(tx, stream="s", name="said", body={}, at_us=0)
        raise RuntimeError
    assert append(storage) == 2


def test_many_writers_of_one_stream_number_their_events_without_gap_or_repetition(storage):
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda n: append(storage, n=n), range(40)))
    assert sorted(numbers) == list(range(1, 41))
    assert [e.seq for e in read(storage)] == list(range(1, 41))


def test_purging_removes_the_old_in_bounded_steps_and_numbers_never_come_twice(storage):
    for _ in range(5):
        append(storage)
    storage.clock.advance(seconds=60)
    kept_from = storage.clock.now_us()
    append(storage)
    with storage.database.begin() as tx:
        assert events.purge(tx, before_us=kept_from, limit=3) == 3
        assert events.purge(tx, before_us=kept_from, limit=3) == 2
        assert events.purge(tx, before_us=kept_from, limit=3) == 0
        assert events.purge(tx, before_us=kept_from + 1) == 1
    assert append(storage) == 7
    assert [e.seq for e in read(storage)] == [7]


def test_a_forgotten_stream_is_empty_and_others_are_untouched(storage):
    for stream in ("a", "a", "b"):
        append(storage, stream)
    with storage.database.begin() as tx:
        assert events.forget(tx, "a") == 2
    assert read(storage, "a") == []
    assert len(read(storage, "b")) == 1
