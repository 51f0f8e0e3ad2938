"""Group commit: commands that wait share one transaction and one flush of the disk.

Each command runs in a savepoint of its own, so one that fails is undone alone. Nobody is told of
success before the group is durable.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy.exc import DBAPIError

from yunhe.kernel.errors import Unavailable, YunheError
from yunhe.storage.database import Database, Transaction
from yunhe.storage.failures import explain

GROUP_MAX = 200
"""Most commands of one transaction: bounds how long writers outside the group wait."""
WAITING_MAX = 2_000
"""Commands that may wait; one more is refused with ``storage.writers_waiting``."""

_Result = TypeVar("_Result")
_Item = TypeVar("_Item")
Batch = Callable[[Transaction, Sequence[_Item]], Sequence[_Result | YunheError]]
"""A command for many: one outcome for each item, in their order; a refused item changes nothing."""


@dataclass(slots=True, eq=False)
class _Ticket(Generic[_Result]):
    """A command on its way, and what came of it."""

    work: Callable[[Transaction], _Result]
    future: Future[_Result]
    batch: Batch[Any, Any] | None = None
    item: object = None
    error: BaseException | None = None
    result: _Result | None = None

    def run(self, tx: Transaction) -> None:
        """Run the command in a savepoint.

        What the command raises is its own affair; what the savepoint raises, e.g. when the database
        gave up the whole transaction because its disk is full, is everybody's.
        """
        savepoint = tx.begin_nested()
        try:
            self.result = self.work(tx)
        except Exception as error:  # noqa: BLE001 (handed to whoever asked for the command)
            self.error = error
            savepoint.rollback()
        else:
            savepoint.commit()

    def settle(self) -> None:
        """Tell the outcome to whoever waits."""
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]


class GroupCommit:
    """One thread that commits for many; a group is whatever came in while the last was committed.

    A lone command therefore waits for nobody, and the busier it gets the more commands share a
    flush. Commands run in the order they came, one after the other, and see what the ones before
    them wrote. A command must not touch anything but its transaction: when its group fails, it is
    as if it had never run.
    """

    def __init__(
        self, database: Database, *, waiting_max: int = WAITING_MAX, group_max: int = GROUP_MAX
    ) -> None:
        """Nothing runs before `start`."""
        self._database = database
        self._queue: queue.Queue[_Ticket[object] | None] = queue.Queue(waiting_max)
        self._waiting_max = waiting_max
        self._group_max = group_max
        self._door = threading.Lock()  # held while a command enters and while the door closes
        self._open = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to commit, also after `stop`; again does nothing."""
        if self._thread is None:
            self._open = True
            self._thread = threading.Thread(target=self._run, name="yunhe-writer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Refuse new commands, commit those that wait, end; again does nothing."""
        with self._door:
            was_open, self._open = self._open, False
        if was_open and self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def alive(self) -> bool:
        """Whether commands are taken and committed now."""
        return self._open and self._thread is not None and self._thread.is_alive()

    def run(self, work: Callable[[Transaction], _Result]) -> Future[_Result]:
        """Hand in a command; the future gives what it returned, or raised, once that is final.

        A future cancelled before its group begins withdraws the command.
        Errors: `Unavailable` ``storage.writers_waiting`` when too many wait and
        ``storage.writer_stopped``; both may be tried again.
        """
        return self._enter(_Ticket(work, Future()))

    def join(self, batch: Batch[_Item, _Result], item: _Item) -> Future[_Result]:
        """As `run`, for one item of a command that takes many at once at little more than one.

        All items of a group that come with the same ``batch`` are handed to it together, at the
        place of the first. When it fails as a whole, each item is tried alone.
        """
        return self._enter(_Ticket(lambda tx: _alone(batch, item, tx), Future(), batch, item))

    def _enter(self, ticket: _Ticket[_Result]) -> Future[_Result]:
        with self._door:
            if not self._open:
                raise Unavailable("storage.writer_stopped", retryable=True)
            try:
                self._queue.put_nowait(ticket)  # type: ignore[arg-type]
            except queue.Full:
                most = self._waiting_max
                raise Unavailable("storage.writers_waiting", most=most, retryable=True) from None
        return ticket.future

    def _run(self) -> None:
        try:
            going_on = True
            while going_on:
                group, going_on = self._gather()
                # From here on a caller can no longer withdraw, only stop waiting.
                self._commit([t for t in group if t.future.set_running_or_notify_cancel()])
                if not self._queue.empty():
                    self._database.let_in()
        finally:  # also when the thread itself fails: nobody may wait for ever
            with self._door:
                self._open = False
            self._turn_away()

    def _gather(self) -> tuple[list[_Ticket[object]], bool]:
        first = self._queue.get()
        if first is None:
            return [], False
        group = [first]
        while len(group) < self._group_max:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return group, False
            group.append(more)
        return group, True

    def _commit(self, group: Sequence[_Ticket[object]]) -> None:
        if not group:
            return
        try:
            with self._database.begin() as tx:
                for like in _gathered(group):
                    if len(like) == 1 or not _together(tx, like):
                        for ticket in like:
                            ticket.run(tx)
        except Exception as error:  # noqa: BLE001 (nothing of the group was kept)
            self._undone(group, error)
        for ticket in group:
            if isinstance(ticket.error, DBAPIError):
                ticket.error = self._explained(ticket.error)
            ticket.settle()

    def _undone(self, group: Sequence[_Ticket[object]], error: BaseException) -> None:
        """Nothing of the group was kept: tell so, and judge again by itself what was refused.

        A refusal may rest on what another of the group had written. Where the database is still out
        of reach the first finds that out for all.
        """
        refused = [ticket for ticket in group if _own(ticket.error)]
        for ticket in group:
            ticket.error = ticket.error if _own(ticket.error) else error
        if len(refused) == len(group):  # so nobody had written anything
            return
        for at, ticket in enumerate(refused):
            ticket.error = None
            try:
                with self._database.begin() as tx:
                    ticket.run(tx)
            except Exception as lost:  # noqa: BLE001 (nothing of this one was kept either)
                if not _own(ticket.error):
                    for each in refused[at:]:
                        each.error = lost
                    return

    def _explained(self, error: DBAPIError) -> BaseException:
        known = explain(error, self._database.where, reads=False, begun=True)
        return error if known is None else known

    def _turn_away(self) -> None:
        while True:
            try:
                left = self._queue.get_nowait()
            except queue.Empty:
                return
            if left is not None and left.future.set_running_or_notify_cancel():
                left.future.set_exception(Unavailable("storage.writer_stopped", retryable=True))


def _own(error: BaseException | None) -> bool:
    """Whether the command failed by itself, whatever became of its group."""
    return error is not None and not isinstance(error, DBAPIError)


def _gathered(group: Sequence[_Ticket[object]]) -> Iterable[Sequence[_Ticket[object]]]:
    """The group in order, items of one batch together at the place of the first."""
    found: dict[object, list[_Ticket[object]]] = {}
    for ticket in group:
        found.setdefault(ticket if ticket.batch is None else ticket.batch, []).append(ticket)
    return found.values()


def _together(tx: Transaction, like: Sequence[_Ticket[object]]) -> bool:
    """Run items of one batch at once; False, and nothing changed, when that failed."""
    batch = like[0].batch
    if batch is None:
        return False
    savepoint = tx.begin_nested()
    try:
        outcomes = batch(tx, [ticket.item for ticket in like])
    except Exception:  # noqa: BLE001 (each is tried alone, and fails by itself if it must)
        savepoint.rollback()
        return False
    savepoint.commit()
    for ticket, outcome in zip(like, outcomes, strict=True):
        if isinstance(outcome, YunheError):
            ticket.error = outcome
        else:
            ticket.result = outcome
    return True


def _alone(batch: Batch[_Item, _Result], item: _Item, tx: Transaction) -> _Result:
    [outcome] = batch(tx, [item])
    if isinstance(outcome, YunheError):
        raise outcome
    return outcome
