"""Who may change the people, roles and keys of an organisation; the rest is as if it weren't there.

``by`` is the authenticated actor. None means the platform itself acts (a plan, a migration, the
first start): nothing is asked then.
"""

from __future__ import annotations

from yunhe.identity.domain import Principal
from yunhe.kernel.errors import NotAllowed

MANAGE = "identity:write"
"""The scope of changing people, roles and keys."""


def is_operator(by: Principal) -> bool:
    """Whether the actor operates the platform."""
    return by.kind == "operator" and by.has("operator")


def sees(by: Principal | None, organisation: str) -> bool:
    """Whether the actor may know of that organisation's people at all, to change them."""
    return by is None or by.organisation == organisation or is_operator(by)


def require_scope(by: Principal | None) -> None:
    """Return only if the key may be used for managing.

    Errors: `NotAllowed` ``identity.scope_missing``.
    """
    if by is not None and not by.may(MANAGE):
        raise NotAllowed("identity.scope_missing", scope=MANAGE)


def require_manager(by: Principal | None) -> None:
    """Return only if the actor manages people: an administrator, or an operator of the platform.

    Whose people, `sees` decides. Errors: `NotAllowed` ``identity.scope_missing``,
    ``identity.role_missing``.
    """
    require_scope(by)
    if by is not None and not by.has("administrator") and not is_operator(by):
        raise NotAllowed("identity.role_missing", member=by.member, role="administrator")
