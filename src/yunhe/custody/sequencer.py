"""Takes waiting leaves into the tree, in order, and signs what the log then holds."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Sequence

from yunhe.custody import merkle, store
from yunhe.custody.domain import KEY_ROTATED, Checkpoint
from yunhe.custody.keys import Signer, SigningKey
from yunhe.custody.publishers import Publisher
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, Unavailable, YunheError
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

BATCH_LEAVES_MAX = 20_000
"""Leaves taken in by one transaction, so that other writers never wait long."""
_BATCHES_MAX = 1_000  # per round; writers that never pause cannot hold a round for ever
CLOCK_BACK_SECONDS_MAX = 60
"""How far the clock may go back before signing stops; up to there the last time is used again."""
INTERVAL_SECONDS = 1.0
"""How often the background thread looks for something new."""
_logger = logging.getLogger("yunhe.custody")


class Sequencer:
    """Grows the log; any number of them may run at once, one at a time does the work.

    A batch is one transaction: numbers, nodes and checkpoint, or nothing. A killed sequencer
    therefore leaves its leaves waiting for the next one.
    """

    def __init__(
        self, storage: Storage, signer: Signer, publishers: Sequence[Publisher] = ()
    ) -> None:
        """Publishes each new checkpoint through every publisher, after it is durable here."""
        self.failure: Exception | None = None
        """Why the background thread's last round failed; None once a round went well."""
        self._storage = storage
        self._signer = signer
        self._publishers = tuple(publishers)
        self._published: dict[int, Checkpoint] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def run_once(self) -> Checkpoint | None:
        """Take in everything that waits; the newest checkpoint made, or None when nothing was new.

        Errors: `Unavailable` ``custody.clock_back`` or ``custody.log_damaged``; `Conflict`
        ``custody.other_log`` or ``custody.key_not_current``; those of `Signer.load`; those of the
        publishers, by when the log itself has grown, and the next round publishes again.
        """
        made = self._grow()
        self._publish(due_only=False)
        return made

    def start(self) -> None:
        """Work in the background until `stop`, every second in which there is something new."""
        if self._thread is not None:
            return
        self._stopping.clear()
        self._thread = threading.Thread(target=self._work, name="yunhe-sequencer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take in what still waits, publish it, and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping.set()
            thread.join()

    def _work(self) -> None:
        last = False
        while not last:
            last = self._stopping.wait(INTERVAL_SECONDS)
            try:
                self._grow()
                self._publish(due_only=not last)
                self.failure = None
            except Exception as error:  # noqa: BLE001 -- the thread must outlive a full disk, say
                if repr(error) != repr(self.failure):
                    _logger.error("the custody log cannot be signed: %s", error)
                self.failure = error

    def _grow(self) -> Checkpoint | None:
        made = None
        for _ in range(_BATCHES_MAX):
            step = self._integrate()
            if step is None:
                break
            made = step
        return made

    def _integrate(self) -> Checkpoint | None:
        key = self._signer.load()
        with self._storage.database.read() as tx:
            last = store.latest(tx)
            if not store.pending(tx, 1) and (last is None or last.key == key.id):
                return None
        with self._storage.database.begin() as tx:
            begun = store.lock(tx, key.name)
            if begun != key.name:
                raise Conflict("custody.other_log", database=begun, key=key.name)
            last = store.latest(tx)
            _check_key(tx, key, last)
            return self._extend(tx, key, last)

    def _extend(
        self, tx: Transaction, key: SigningKey, last: Checkpoint | None
    ) -> Checkpoint | None:
        waiting = store.pending(tx, BATCH_LEAVES_MAX)
        if not waiting and (last is None or last.key == key.id):
            return None  # another sequencer was faster
        at_us = self._time(last)
        frontier = merkle.Frontier.load(store.NodeRows(tx), last.size if last else 0)
        if last is not None and frontier.root() != last.root:
            raise Unavailable("custody.log_damaged", where=f"root {last.size}")
        start = frontier.size
        nodes = [made for _, leaf in waiting for made in frontier.append(leaf)]
        if waiting:
            store.number_leaves(tx, [position for position, _ in waiting], start=start)
            store.add_nodes(tx, nodes)
        made = Checkpoint(
            number=last.number + 1 if last else 1,
            size=frontier.size,
            root=frontier.root(),
            at_us=at_us,
            key=key.id,
            note=key.sign(checkpoint_body(key.name, frontier.size, frontier.root(), at_us=at_us)),
        )
        store.add_checkpoint(tx, made)
        return made

    def _time(self, last: Checkpoint | None) -> int:
        now_us = self._storage.clock.now_us()
        if last is None or now_us >= last.at_us:
            return now_us
        back_us = last.at_us - now_us
        if back_us > CLOCK_BACK_SECONDS_MAX * SECOND_US:
            raise Unavailable("custody.clock_back", seconds=back_us // SECOND_US)
        return last.at_us

    def _publish(self, *, due_only: bool) -> None:
        with self._storage.database.read() as tx:
            newest = store.latest(tx)
        if newest is None:
            return
        failures: list[YunheError] = []
        for place, publisher in enumerate(self._publishers):
            before = self._published.get(place)
            if before is not None and before.number >= newest.number:
                continue
            early = before is not None and newest.at_us - before.at_us < publisher.interval_us
            if due_only and early:
                continue
            try:
                publisher.publish(newest.note)
                self._published[place] = newest
            except YunheError as error:
                failures.append(error)
        if failures:
            raise failures[0]


def checkpoint_body(origin: str, size: int, root: bytes, *, at_us: int) -> str:
    """The text that is signed (C2SP tlog-checkpoint), with the time as an extension line."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\ntime_us {at_us}\n"


def _check_key(tx: Transaction, key: SigningKey, last: Checkpoint | None) -> None:
    """Only the log's present key may sign, or the next one once the log records it."""
    if last is None or last.key == key.id:
        return
    entry = store.find(tx, KEY_ROTATED, key.id)
    if (
        entry is None
        or entry.record is None
        or entry.index is None
        or entry.record.body.get("old_key") != last.key
    ):
        raise Conflict("custody.key_not_current", key=key.id, current=last.key)
