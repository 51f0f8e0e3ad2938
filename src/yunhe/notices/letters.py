"""What mails say: in both languages, and nothing personal but the address on the envelope."""

from __future__ import annotations

from collections.abc import Mapping

from yunhe.kernel.errors import Parameter
from yunhe.kernel.language import text
from yunhe.notices.domain import Notice

_RULE = "\n\n—\n\n"


def of_notice(notice: Notice, *, public_url: str) -> tuple[str, str]:
    """Subject and text."""
    subject = _both(f"notices.title.{notice.kind}", between=" · ")
    foot = _both("notices.mail_foot", between="\n", where=public_url or "Yunhe")
    return f"[Yunhe] {subject}", notice.message("zh") + "\n\n" + notice.message("en") + _RULE + foot


def of_invitation(params: Mapping[str, Parameter]) -> tuple[str, str]:
    """Subject and text of an invitation, whose ``link`` holds the token."""
    subject = _both("notices.mail_invitation_subject", between=" · ", **params)
    return f"[Yunhe] {subject}", _both("notices.mail_invitation", between=_RULE, **params)


def _both(code: str, *, between: str, **params: Parameter) -> str:
    return text(code, "zh", **params) + between + text(code, "en", **params)
