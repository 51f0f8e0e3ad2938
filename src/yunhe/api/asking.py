"""What a caller asks to be run, as the compute floor takes it: all that is wrong with it at once.

A field that is not of its shape is left out, and the rest is checked all the same: what is wrong
with one tells nothing about the others, and nobody wants to hear of them one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, TypeVar, cast

from pydantic import PrivateAttr, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from yunhe.api import faults
from yunhe.api.naming import strangers
from yunhe.client.wire.asking import NewWorkload
from yunhe.compute import domain
from yunhe.compute import service as compute
from yunhe.compute.domain import READ, Unread
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Finding, Invalid, NotAllowed, NotFound, YunheError
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

_Made = TypeVar("_Made")
_FINDINGS_MAX = 20
_NEEDED: Mapping[str, object] = {"wall_seconds_max": 1, "cpu_seconds_max": 1}
_SPEED_MAX = 100_000
_NAMED = frozenset({"arguments", "inputs", "environment", "secrets", "substitutes"})
_TRIES = 3  # faults that hide behind others of the same field


class Mended(NewWorkload):
    """A request of which some fields are left out, because they were not of their shape."""

    _unread: Unread = PrivateAttr(READ)

    @property
    def unread(self) -> Unread:
        """What was wrong with them."""
        return self._unread

    def without(self, unread: Unread) -> Mended:
        """The same, which knows what was left out of it."""
        self._unread = unread
        return self


def _mended(value: object, handler: ValidatorFunctionWrapHandler) -> NewWorkload:
    """The request, or what of it can be read. Errors: ``ValidationError`` for no object."""
    try:
        return cast("NewWorkload", handler(value))
    except ValidationError as error:
        if not isinstance(value, dict):
            raise
        said, places, wrong = dict(value), set[str](), error
        for _ in range(_TRIES):
            places |= set(_left_out(said, wrong))
            try:
                made = Mended.model_validate(said)
            except ValidationError as again:
                wrong = again
                continue
            found = faults.invalid(error.errors(), sent=value).findings
            return made.without(Unread(found, frozenset(places)))
        raise


def _left_out(said: dict[str, object], error: ValidationError) -> Iterator[str]:
    """Leave out what is wrong; the places that are unknown now."""
    for each in error.errors():
        name, *parts = (str(part) for part in each["loc"]) if each["loc"] else ("",)
        inside = said.get(name)
        if each["type"] == "extra_forbidden":
            said.pop(name, None)
        elif name in _NAMED and parts and isinstance(inside, dict) and parts[0] in inside:
            said[name] = {key: one for key, one in inside.items() if key != parts[0]}
            if name == "substitutes" and len(parts) == 1:  # its speed; that it will do is known
                said[name] = {**inside, parts[0]: _SPEED_MAX}
            yield f"{name}.{parts[0]}"
        else:
            said.pop(name, None)
            if name in _NEEDED:
                said[name] = _NEEDED[name]
            yield name


Asked = Annotated[NewWorkload, WrapValidator(_mended)]
"""What a route takes that tells every finding: a `NewWorkload`, or a `Mended` one."""
Require = Callable[[Transaction], None]
"""Raises `NotFound` or `NotAllowed` for what its sender may not name."""


def spec_of(body: NewWorkload, *, key: str, organisation: str) -> domain.WorkloadSpec:
    """The request, for an organisation, under a key.

    Errors: `Invalid` ``compute.spec_invalid`` for a deadline that is no instant.
    """
    spec, found = _read(body, key=key, organisation=organisation)
    if found:
        raise Invalid("compute.spec_invalid", findings=found)
    return spec


@dataclass(frozen=True, slots=True)
class Handed:
    """A request as far as it was read, before what its sender may name is looked up."""

    spec: domain.WorkloadSpec
    """What of it can be read."""
    before: Unread
    """What of it cannot."""
    found: tuple[Finding, ...]
    """What is wrong with it so far."""
    require: Sequence[tuple[str, Require]]
    """What its sender must be allowed, by the place that is wrong where it is not."""

    def allowed(self, tx: Transaction) -> tuple[Unread, tuple[NotFound | NotAllowed, ...]]:
        """All that is wrong with it so far, and what of that is its sender's to be refused."""
        refused: list[tuple[str, NotFound | NotAllowed]] = []
        for place, allowed in self.require:
            try:
                allowed(tx)
            except (NotFound, NotAllowed) as error:
                if not self.before.places & {place, place.partition(".")[0]}:
                    refused.append((place, error))
        found = [Finding(place, e.code, tuple(e.params.items())) for place, e in refused]
        found += self.found
        places = {*self.before.places, *(each.where for each in found)}
        unread = Unread((*self.before.findings, *found), frozenset(places))
        return unread, tuple(error for _, error in refused)

    def told(self, error: Invalid, refused: Sequence[YunheError]) -> YunheError:
        """What its sender is told instead: what was refused to it where nothing else is wrong."""
        if refused and len(error.findings) == 1:
            return refused[0]
        if self.before.findings and self.before.findings == error.findings:
            shapes = [replace(each, where=f"body.{each.where}") for each in error.findings]
            return Invalid("api.invalid", findings=shapes)
        return error


def points_at_files(body: NewWorkload) -> bool:
    """Whether what it names has to be looked for among files, which blocks."""
    return bool(body.inputs or body.folder)


def handed(
    storage: Storage,
    body: NewWorkload,
    *,
    key: str,
    organisation: str,
    require: Sequence[tuple[str, Require]],
) -> Handed:
    """The request as read, for an organisation, under a key. Blocks where it names files."""
    spec, found = _read(body, key=key, organisation=organisation)
    if points_at_files(body):
        found += _foreign(storage, body, organisation=organisation)
    before = body.unread if isinstance(body, Mended) else READ
    return Handed(spec, before, tuple(found), tuple(require))


def ask(
    storage: Storage,
    body: NewWorkload,
    *,
    key: str,
    organisation: str,
    require: Sequence[tuple[str, Require]],
    work: Callable[[domain.WorkloadSpec, Unread], _Made],
) -> _Made:
    """What ``work`` makes of the request, told all that is wrong with it so far.

    ``require``: what its sender must be allowed, by the place that is wrong where it is not. Errors
    of those where nothing else is wrong; `Invalid` ``compute.spec_invalid`` with every finding, and
    ``api.invalid`` where all of them are of shape.
    """
    said = handed(storage, body, key=key, organisation=organisation, require=require)
    with storage.database.read() as tx:
        unread, refused = said.allowed(tx)
    try:
        return work(said.spec, unread)
    except Invalid as error:
        told = said.told(error, refused)
        if told is error:
            raise
        raise told from None


def _read(
    body: NewWorkload, *, key: str, organisation: str
) -> tuple[domain.WorkloadSpec, list[Finding]]:
    dumped = body.model_dump(exclude={"deadline"})
    said: dict[str, Any] = {
        name: tuple(one) if isinstance(one, list) else one for name, one in dumped.items()
    }
    deadline_us = 0 if body.deadline is None else _instant(body.deadline)
    found = []
    if deadline_us is None:
        params = (("value", ascii(body.deadline)[1:-1][:40]),)
        found.append(Finding("deadline", "compute.deadline_invalid", params))
    spec = domain.WorkloadSpec(
        key=key, organisation=organisation, deadline_us=deadline_us or 0, **said
    )
    return spec, found


def _instant(said: str) -> int | None:
    try:
        found = datetime.fromisoformat(said)
        if found.tzinfo is not None:
            return int(found.timestamp()) * SECOND_US
    except (ValueError, OverflowError):
        pass
    return None


def require_own(storage: Storage, body: NewWorkload, *, organisation: str) -> None:
    """Return only if every blob it names, also within its folder, is the organisation's to use.

    Errors: `Invalid` ``compute.spec_invalid``, the same for what is another's and what is not
    there.
    """
    findings = _foreign(storage, body, organisation=organisation)
    if findings:
        raise Invalid("compute.spec_invalid", findings=findings)


def _foreign(storage: Storage, body: NewWorkload, *, organisation: str) -> list[Finding]:
    """The very findings of what is not there, so that nobody learns what others have."""
    with storage.database.read() as tx:
        not_theirs = strangers(tx, organisation, set(body.inputs.values()))
        foreign = strangers(tx, organisation, {body.folder} - {""})
    findings = [
        Finding(f"inputs.{name[:80]}", "compute.input_missing", (("digest", digest),))
        for name, digest in body.inputs.items()
        if digest in not_theirs
    ]
    if body.folder and not foreign:
        try:
            blobs = compute.folder_blobs(storage, body.folder)
        except (NotFound, Invalid):
            return findings  # told by the compute floor, with what else is wrong
        with storage.database.read() as tx:
            foreign = strangers(tx, organisation, blobs)
    return findings + [
        Finding("folder", "compute.input_missing", (("digest", digest),))
        for digest in sorted(foreign)[:_FINDINGS_MAX]
    ]
