"""Answers questions in groups: one durable transaction for a whole group, then the sending.

One thread takes whatever questions wait, looks up callers and routes in one reading transaction,
predicts them together outside any transaction, then records them in one writing transaction that
checks each deployment again. A question whose record is not durable is never answered: a failure
on the way, the thread's own death included, is an error for the caller and leaves no row.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from yunhe.custody import service as custody
from yunhe.identity import service as identity
from yunhe.identity.domain import ASK, Principal
from yunhe.kernel.errors import NotAllowed, NotFound, Unavailable, YunheError
from yunhe.kernel.units import split
from yunhe.models import errors, store
from yunhe.models.domain import Served, tenant_of
from yunhe.models.drafts import Draft, Question, draft_answer, record_of, row_of
from yunhe.models.loaded import LoadedClassifiers
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

LINGER_SECONDS_MAX = 0.02
"""No group waits longer than this, whatever is configured."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Grouping:
    """How many questions share a transaction."""

    linger_seconds: float = 0.005
    """How long a group may wait for as many questions as came lately."""
    group_max: int = 256
    """Most questions of a group."""
    waiting_max: int = 1_024
    """Questions that may wait; more are refused with ``models.busy``."""


Outcome = bytes | YunheError
"""The response's body, or why there is none."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """A question on its way; filled in step by step."""

    question: Question
    reply: asyncio.Future[bytes]
    outcome: Outcome | None = None
    served: Served | None = None
    caller: Principal | None = None
    tenant: str = ""
    draft: Draft | None = None


class AnswerWriter:
    """The one thread that answers; started and stopped by the gateway."""

    def __init__(self, storage: Storage, grouping: Grouping) -> None:
        """Nothing runs before `start`."""
        self._storage = storage
        self._grouping = grouping
        self._classifiers = LoadedClassifiers(storage.blobs)
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="yunhe-answers", daemon=True)
        self._door = threading.Lock()  # held while a question enters and while the door closes
        self._open = False
        self._waiting = 0
        self._expected = 1
        self._latest_us = 0

    def start(self) -> None:
        """Begin to answer."""
        self._open = True
        self._thread.start()

    def stop(self) -> None:
        """Answer what waits, then end; questions that come later are refused."""
        with self._door:
            self._open = False
            self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def alive(self) -> bool:
        """Whether questions are answered now."""
        return self._open and self._thread.is_alive()

    async def answer(self, question: Question) -> bytes:
        """The body of the response, once the answer's record is durable.

        Errors: `NotAllowed` and `NotFound` for the caller, route and version; `Unavailable`
        ``models.busy``, ``models.stopping``, ``models.answer_failed`` or whatever the disk says.
        """
        if self._waiting >= self._grouping.waiting_max:
            most = self._grouping.waiting_max
            raise Unavailable("models.busy", waiting_max=most, retryable=True)
        waiting = _Waiting(question, asyncio.get_running_loop().create_future())
        with self._door:
            if not self._open:
                raise Unavailable("models.stopping", retryable=True)
            self._queue.put(waiting)
        self._waiting += 1
        try:
            return await waiting.reply
        finally:
            self._waiting -= 1

    def _run(self) -> None:
        try:
            while group := self._gather():
                self._answer(group)
        finally:  # also when the thread itself fails: nobody may wait for ever
            with self._door:
                self._open = False
                left = []
                while not self._queue.empty():
                    left.append(self._queue.get())
            _deliver([waiting for waiting in left if waiting is not None])

    def _gather(self) -> list[_Waiting]:
        """The next group: what waits, and what came lately at once; empty at the end."""
        first = self._queue.get()
        if first is None:
            return []
        group = [first]
        until = time.monotonic() + min(self._grouping.linger_seconds, LINGER_SECONDS_MAX)
        while len(group) < self._grouping.group_max:
            try:
                if len(group) < self._expected:
                    more = self._queue.get(timeout=max(until - time.monotonic(), 0.0001))
                else:
                    more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._queue.put(None)  # the end comes after this group
                break
            group.append(more)
        # A lone caller never waits for others; a crowd keeps its groups large.
        self._expected = max(len(group), (self._expected + len(group)) // 2)
        return group

    def _answer(self, group: Sequence[_Waiting]) -> None:
        try:
            self._admit(group)
            self._predict([waiting for waiting in group if waiting.outcome is None])
            self._record([waiting for waiting in group if waiting.outcome is None])
        except YunheError as error:  # e.g. a full disk: it concerns the whole group
            _fail(group, error)
        except Exception:  # noqa: BLE001 (the thread's edge: a broken group must not end the rest)
            _log.exception("a group of %d questions was not answered", len(group))
        finally:
            _deliver(group)

    def _admit(self, group: Sequence[_Waiting]) -> None:
        """Find out who asks, and what answers on each route."""
        now_us = self._now_us()
        with self._storage.database.read() as tx:
            callers = {
                secret: _caller(tx, secret, now_us=now_us)
                for secret in {waiting.question.secret for waiting in group}
            }
            routes = store.served(tx, {waiting.question.route for waiting in group})
        for waiting in group:
            caller = callers[waiting.question.secret]
            served = routes.get(waiting.question.route)
            if isinstance(caller, YunheError):
                waiting.outcome = caller
            elif served is None:
                waiting.outcome = NotFound(
                    "models.route_unknown", route=waiting.question.route[:64]
                )
            else:
                waiting.outcome = errors.why_not_served(served, now_us=now_us)
                waiting.served, waiting.caller = served, caller
                waiting.tenant = tenant_of(caller.organisation)

    def _predict(self, group: Sequence[_Waiting]) -> None:
        """Draft the answers of each model together; no transaction is open."""
        by_model: dict[str, list[tuple[_Waiting, Served]]] = {}
        for waiting in group:
            if waiting.served is not None:
                digest = waiting.served.version.model_digest
                by_model.setdefault(digest, []).append((waiting, waiting.served))
        for digest, asked in by_model.items():
            try:
                classifier = self._classifiers.get(digest)
            except YunheError as error:
                _fail([waiting for waiting, _ in asked], error)
                continue
            texts = [waiting.question.text for waiting, _ in asked]
            started_ns = time.thread_time_ns()
            said = classifier.predict(texts)
            used_us = (time.thread_time_ns() - started_ns) // 1_000
            shares = split(used_us, [len(text) + 1 for text in texts])
            for row, (waiting, served) in enumerate(asked):
                scores = dict(zip(said.classes, said.probabilities[row].tolist(), strict=True))
                waiting.draft = draft_answer(
                    waiting.question, served, said.labels[row], scores, device_us=shares[row]
                )

    def _record(self, group: Sequence[_Waiting]) -> None:
        """Make the answers durable; only then they have an outcome."""
        drafts = [
            (waiting, waiting.served, waiting.draft)
            for waiting in group
            if waiting.served is not None and waiting.draft is not None
        ]
        if not drafts:
            return
        kept: list[tuple[_Waiting, Draft, Served]] = []
        # Shared: what is looked at here is changed only by commands that write alone.
        with self._storage.database.begin_shared() as tx:
            at_us = self._storage.clock.now_us()
            present = store.deployed(tx, {served.deployment.id for _, served, _ in drafts})
            for waiting, served, draft in drafts:
                again = present[served.deployment.id]
                why = errors.why_not_served(again, now_us=self._now_us())
                if why is not None:  # withdrawn or expired since the question was admitted
                    waiting.outcome = why
                    continue
                kept.append((waiting, draft, served))
            _keep(tx, kept, at_us=at_us)
            _note_uses(tx, [waiting for waiting, _, _ in kept], now_us=at_us)
        for waiting, draft, _ in kept:
            waiting.outcome = draft.body

    def _now_us(self) -> int:
        """The clock, but never earlier than it was: setting it back revives no approval."""
        self._latest_us = max(self._latest_us, self._storage.clock.now_us())
        return self._latest_us


def _caller(tx: Transaction, secret: str, *, now_us: int) -> Principal | YunheError:
    """Who is behind a key, or why the key opens nothing here."""
    try:
        principal = identity.authenticate(tx, secret, now_us=now_us)
    except NotAllowed as error:
        return error
    if not principal.may(ASK):
        return NotAllowed("identity.scope_missing", scope=ASK)
    if not principal.has("caller", principal.project):
        return NotAllowed("identity.role_missing", member=principal.member, role="caller")
    return principal


def _note_uses(tx: Transaction, group: Sequence[_Waiting], *, now_us: int) -> None:
    """Put the keys' use on record, once a key and minute, in a transaction that writes anyway."""
    callers = {waiting.caller.key: waiting.caller for waiting in group if waiting.caller}
    for caller in callers.values():
        identity.note_use(tx, caller, now_us=now_us)


def _keep(tx: Transaction, kept: Sequence[tuple[_Waiting, Draft, Served]], *, at_us: int) -> None:
    """Append the custody records and insert the rows that name them."""
    if kept:
        records = [record_of(draft, served, w.tenant, at_us=at_us) for w, draft, served in kept]
        references = custody.append_new(tx, records)
        rows = [
            row_of(
                draft,
                served,
                w.tenant,
                member=w.caller.member if w.caller else None,
                reference=reference,
                at_us=at_us,
            )
            for (w, draft, served), reference in zip(kept, references, strict=True)
        ]
        store.add_answers(tx, rows)


def _fail(group: Sequence[_Waiting], error: YunheError) -> None:
    for waiting in group:
        if waiting.outcome is None:
            waiting.outcome = error


def _deliver(group: Sequence[_Waiting]) -> None:
    """Wake the callers; one without an outcome was not answered."""
    if not group:
        return
    _fail(group, Unavailable("models.answer_failed", retryable=True))
    try:
        group[0].reply.get_loop().call_soon_threadsafe(_resolve, group)
    except RuntimeError:  # the loop is closed: nobody is there to be told
        _log.warning("%d outcomes came after the gateway had ended", len(group))


def _resolve(group: Sequence[_Waiting]) -> None:
    for waiting in group:
        if waiting.reply.done():  # its caller went away
            continue
        if isinstance(waiting.outcome, bytes):
            waiting.reply.set_result(waiting.outcome)
        elif waiting.outcome is not None:
            waiting.reply.set_exception(waiting.outcome)
