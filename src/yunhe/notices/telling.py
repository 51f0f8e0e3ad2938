"""Tells and takes back: the two things other floors do with notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yunhe.kernel.errors import Parameter
from yunhe.kernel.ids import derived_id
from yunhe.notices import store
from yunhe.notices.domain import KINDS, Addressees, Kind, Notice
from yunhe.storage.database import Transaction

PARAMS_MAX = 12
"""Most values a sentence may have."""


def notify(  # noqa: PLR0913 - each named; a notice has as many parts
    tx: Transaction,
    *,
    key: str,
    kind: Kind,
    organisation: str,
    role: str | Sequence[str] | None = None,
    member: str | None = None,
    project: str = "",
    subject: str,
    params: Mapping[str, Parameter],
    at_us: int,
) -> None:
    """Tell what happened, in the transaction in which it happens; the same key again is one notice.

    Told to the organisation's members, or only those who hold a ``role`` (there or in ``project``),
    or only ``member``; as organisation, a word of `REACH` means all of a kind. Who that is, is
    looked up when the feed is read and when mail is sent. ``params`` carry no personal data: they
    go to webhooks and stay in rows. Cost: one insert; nothing is sent here.
    """
    if kind not in KINDS or len(params) > PARAMS_MAX:
        raise ValueError(f"notice {kind!r} with {len(params)} parameters")
    told = Notice(
        id=notice_id(key),
        kind=kind,
        organisation=organisation,
        project=project,
        subject=subject,
        params=params,
        at_us=at_us,
    )
    roles = (role,) if isinstance(role, str) else tuple(role or ())
    store.add(tx, told, Addressees(roles=roles, member=member or ""))


def notice_id(key: str) -> str:
    """Id of the notice told with this key, told or not."""
    return derived_id("note", key)


def withdraw(tx: Transaction, *keys: str, at_us: int) -> None:
    """Take notices back that are no longer true: gone from feeds, and not sent if not sent yet.

    Keys nobody told change nothing.
    """
    store.withdraw(tx, [notice_id(key) for key in keys], at_us=at_us)
