"""Creation that may be repeated: the same key and request give the same answer, made once.

The header ``Idempotency-Key`` names one attempt of one organisation. Its answer is remembered in
the transaction that has the effect (`yunhe.storage.idempotency`), so both happen or neither does;
a refused request leaves nothing, so it may succeed later under the same key. Of simultaneous
duplicates the later waits for the first and gets its answer. The same key with another request is a
conflict.

An answer that holds a secret is remembered encrypted with what only its caller has: the key or
session it was asked with. The rows alone therefore give no secret away, and the repetition has to
come with the same key or session.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TypeVar, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel

from yunhe.kernel.canonical import Json, sha256
from yunhe.kernel.errors import Conflict, YunheError
from yunhe.storage import idempotency
from yunhe.storage.database import Transaction
from yunhe.storage.grouping import Batch

_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Attempt:
    """One keyed request, as long as it matters for repeating it."""

    tenant: str
    """Organisation whose keys are told apart from those of others."""
    key: str
    """What the caller chose."""
    route: str
    """``METHOD /path`` with the ids as sent."""
    body: str
    """The body as understood: spelling and order of the JSON do not matter."""
    at_us: int
    """When it came."""
    secret: str = field(default="", repr=False)
    """What the caller authenticated with; given when the answer must be sealed."""

    def request(self) -> Json:
        """What has to be the same when the key is used again."""
        return {"route": self.route, "body": sha256(self.body.encode("utf-8", "surrogatepass"))}


@dataclass(frozen=True, slots=True)
class Answer:
    """A remembered answer."""

    status: int
    """HTTP status."""
    body: bytes = field(repr=False)
    """JSON."""
    repeated: bool
    """Whether it was given before."""


def once(
    tx: Transaction,
    attempt: Attempt,
    *,
    status: int = 201,
    work: Callable[[Transaction], BaseModel],
) -> Answer:
    """Run ``work`` unless this very attempt was answered before; give that answer then.

    Errors: `Conflict` ``storage.key_reused`` for another request under the key,
    ``api.repeated_by_another`` for a sealed answer asked for with another secret.
    """
    tenant, key = attempt.tenant, attempt.key
    request = attempt.request()
    before = idempotency.recall(tx, tenant=tenant, key=key, request=request)
    if before is not None:
        return _opened(cast("Mapping[str, Json]", before[0]), attempt)
    body = work(tx).model_dump_json().encode()
    kept: dict[str, Json] = {"status": status}
    kept |= _sealed(body, attempt) if attempt.secret else {"body": body.decode()}
    idempotency.remember(
        tx, tenant=tenant, key=key, request=request, answer=kept, at_us=attempt.at_us
    )
    return Answer(status, body, repeated=False)


def answered(tx: Transaction, attempt: Attempt) -> Answer | None:
    """What this attempt was answered before; None for a new one. Errors: as `once`."""
    before = idempotency.recall(
        tx, tenant=attempt.tenant, key=attempt.key, request=attempt.request()
    )
    return None if before is None else _opened(cast("Mapping[str, Json]", before[0]), attempt)


_Item = TypeVar("_Item")
Many = Callable[[Transaction, Sequence[_Item]], Sequence[BaseModel | YunheError]]
"""A command for many items at once; one outcome for each, in their order."""


def once_each(many: Many[_Item], *, status: int = 201) -> Batch[tuple[Attempt, _Item], Answer]:
    """As `once`, for the items of many callers in one transaction.

    The same key twice is run once; of different requests under one key the first that is kept
    decides, and what comes after one that was refused is judged by itself. Answers are not sealed.
    """

    def batch(
        tx: Transaction, asked: Sequence[tuple[Attempt, _Item]]
    ) -> Sequence[Answer | YunheError]:
        attempts = [attempt for attempt, _ in asked]
        names = [(each.tenant, each.key, each.request()) for each in attempts]
        before = idempotency.recall_many(tx, names)
        found = dict(enumerate(_known(attempts, before)))
        lines: dict[tuple[str, str], list[int]] = {}
        for at, told in found.items():
            if told is None:
                lines.setdefault((attempts[at].tenant, attempts[at].key), []).append(at)
        kept: list[idempotency.Answered] = []
        while lines:  # at least the first of every line is told its outcome, so this ends
            outcomes = many(tx, [asked[line[0]][1] for line in lines.values()])
            for name, outcome in zip(list(lines), outcomes, strict=True):
                line = lines.pop(name)
                if isinstance(outcome, YunheError):
                    refused = _alike(line, attempts)
                    found |= dict.fromkeys(refused, outcome)
                    if len(refused) < len(line):
                        lines[name] = line[len(refused) :]
                    continue
                said = outcome.model_dump_json()
                answer: dict[str, Json] = {"status": status, "body": said}
                kept.append(idempotency.Answered(*names[line[0]], answer))
                found |= _told(line, attempts, Answer(status, said.encode(), repeated=False))
        idempotency.remember_many(tx, kept, at_us=max(each.at_us for each in attempts))
        return [told for told in found.values() if told is not None]

    return batch


def _known(
    attempts: Sequence[Attempt], before: Sequence[tuple[Json] | Conflict | None]
) -> Iterator[Answer | YunheError | None]:
    """What was answered before this transaction, by its order; None of a key nobody has used."""
    for attempt, known in zip(attempts, before, strict=True):
        if isinstance(known, tuple):
            yield _opened(cast("Mapping[str, Json]", known[0]), attempt)
        else:
            yield known


def _alike(line: Sequence[int], attempts: Sequence[Attempt]) -> list[int]:
    """Those at the head of a line that ask for the same."""
    first = attempts[line[0]].request()
    return list(takewhile(lambda at: attempts[at].request() == first, line))


def _told(
    line: Sequence[int], attempts: Sequence[Attempt], answer: Answer
) -> dict[int, Answer | YunheError]:
    """What those with one key are told once the first of them is kept."""
    told: dict[int, Answer | YunheError] = {line[0]: answer}
    for at in line[1:]:
        if attempts[at].request() == attempts[line[0]].request():
            told[at] = replace(answer, repeated=True)
        else:
            told[at] = Conflict("storage.key_reused", key=attempts[at].key)
    return told


def _opened(kept: Mapping[str, Json], attempt: Attempt) -> Answer:
    status = int(cast("int", kept["status"]))
    if "body" in kept:
        return Answer(status, str(kept["body"]).encode(), repeated=True)
    nonce, text = (base64.b64decode(str(kept[name])) for name in ("nonce", "sealed"))
    try:
        body = AESGCM(_key(attempt)).decrypt(nonce, text, _context(attempt))
    except InvalidTag:
        raise Conflict("api.repeated_by_another", key=attempt.key) from None
    return Answer(status, body, repeated=True)


def _sealed(body: bytes, attempt: Attempt) -> dict[str, Json]:
    nonce = os.urandom(_NONCE_BYTES)
    text = AESGCM(_key(attempt)).encrypt(nonce, body, _context(attempt))
    return {
        "nonce": base64.b64encode(nonce).decode(),
        "sealed": base64.b64encode(text).decode(),
    }


def _key(attempt: Attempt) -> bytes:
    """32 bytes from a secret of 256 random bits, unlike the hash that is stored of it."""
    return hashlib.sha256(b"yunhe sealed answer\0" + attempt.secret.encode()).digest()


def _context(attempt: Attempt) -> bytes:
    return f"{attempt.tenant}\0{attempt.key}".encode()
