"""Whether a caller acts for the whole organisation, for things that belong to no project."""

from __future__ import annotations

from yunhe.api.call import Call
from yunhe.kernel.errors import NotAllowed


def whole(call: Call) -> bool:
    """Whether the caller's role holds for the organisation, and its key is not one project's."""
    return call.reaches(call.who.organisation)


def require_whole(call: Call) -> None:
    """Return only if `whole`. Errors: `NotAllowed` ``api.role_missing``."""
    if not whole(call):
        raise NotAllowed("api.role_missing", roles=", ".join(sorted(call.row.roles)))
