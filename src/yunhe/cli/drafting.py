"""A description with faults: what the server finds in the rest of it is told in the same answer."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

from yunhe.cli.remote import connected
from yunhe.cli.session import Session
from yunhe.cli.submitting import stand_in
from yunhe.kernel.errors import Invalid, YunheError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from yunhe.cli.describing import Described

_SAID = {
    "chips": ("chip", "substitutes"),
    "elastic": ("replicas", "replicas_min"),
    "command": ("command",),
    "deadline": ("deadline",),
}
"""Fields of the message whose value is not known where what a file says instead is wrong."""


def told_of(session: Session, described: Described, error: Invalid, *, unsent: str) -> YunheError:
    """The faults found here, with those that the server finds where one can be asked.

    Nothing is sent but the description; files, for which the digest ``unsent`` stands, are left
    out of it, and so is what no message can say.
    """
    from yunhe.client.faults import joined, placed  # noqa: PLC0415
    from yunhe.client.wire.asking import NewWorkload  # noqa: PLC0415

    said, _ = stand_in(described)
    draft, apart = _sendable(said, unsent=unsent)
    for each in described.findings:
        unsure = _SAID.get(each.where.rpartition(": ")[2], ())
        apart |= set(unsure)
        draft |= dict.fromkeys(unsure)
    fields: dict[str, Any] = dict(draft)
    unchecked = NewWorkload.model_construct(set(draft), **fields)
    try:
        with warnings.catch_warnings(), connected(session) as client:
            warnings.simplefilter("ignore")  # pydantic's, of values that are not of their field
            client.compute.preview(unchecked)
    except Invalid as found:
        if found.code.startswith("cli."):  # no server is named
            return error
        server = placed(found, described.where, apart=frozenset(apart))
        return joined(server, error.findings, session.language)
    except YunheError:  # no server, or none that answers: what was found here is told alone
        return error
    return error


def _sendable(said: dict[str, object], *, unsent: str) -> tuple[dict[str, JsonValue], set[str]]:
    """What JSON can say of it, and the fields of which it can't, which are null in the message."""
    draft: dict[str, JsonValue] = {}
    apart = set()
    for name, value in said.items():
        sent = value
        if name == "folder" and value == unsent:
            continue
        if name == "inputs" and isinstance(value, dict):
            sent = {key: one for key, one in value.items() if one != unsent}
        try:
            written = json.dumps(sent, ensure_ascii=False, allow_nan=False)
            written.encode()
            draft[name] = json.loads(written)
        except (TypeError, ValueError, RecursionError):
            draft[name] = None
            apart.add(name)
    return draft, apart
