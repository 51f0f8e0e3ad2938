"""What a person is told when the database itself fails."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.exc import DBAPIError

from yunhe.kernel.errors import Conflict, Invalid, Unavailable, YunheError

_KNOWN: tuple[tuple[str, type[YunheError], str], ...] = (
    ("disk is full", Unavailable, "storage.disk_full"),
    ("no space left", Unavailable, "storage.disk_full"),
    ("readonly", Unavailable, "storage.read_only"),
    ("read-only", Unavailable, "storage.read_only"),
    ("unable to open", Unavailable, "storage.cannot_open"),
    ("malformed", Unavailable, "storage.damaged"),
    ("not a database", Unavailable, "storage.damaged"),
    ("locked", Conflict, "storage.busy"),
    ("disk i/o error", Unavailable, "storage.disk_failed"),
)
"""What SQLite says, and which error a person should see."""
_STATES: Mapping[str, tuple[type[YunheError], str]] = {
    "53100": (Unavailable, "storage.disk_full"),
    "58030": (Unavailable, "storage.disk_failed"),
    "XX001": (Unavailable, "storage.damaged"),
    "XX002": (Unavailable, "storage.damaged"),
    "25006": (Unavailable, "storage.server_read_only"),
    "40001": (Conflict, "storage.busy"),
    "40P01": (Conflict, "storage.busy"),
    "55P03": (Conflict, "storage.busy"),
    "57014": (Unavailable, "storage.too_slow"),
    "53200": (Unavailable, "storage.server_memory"),
    "42501": (Unavailable, "storage.privilege_missing"),
    "26000": (Unavailable, "storage.pooler"),
    "42P05": (Unavailable, "storage.pooler"),
    "22021": (Invalid, "storage.text_unstorable"),
    "22P05": (Invalid, "storage.text_unstorable"),
    "22001": (Invalid, "storage.text_too_long"),
    "22003": (Invalid, "storage.number_unstorable"),
}
"""PostgreSQL's SQLSTATE, and which error a person should see (Source: its manual, appendix A)."""
_REFUSALS: tuple[tuple[str, str], ...] = (
    ("database system is", "storage.server_away"),  # starting up, shutting down, in recovery
    ("too many", "storage.server_full"),
    ("connection slots", "storage.server_full"),
    ("authentication failed", "storage.sign_in_refused"),
    ("pg_hba.conf", "storage.sign_in_refused"),
    ("permission denied", "storage.sign_in_refused"),
    ('role "', "storage.sign_in_refused"),
    ('database "', "storage.database_unknown"),
)
"""What a PostgreSQL says that lets nobody in; its driver gives no SQLSTATE for it."""
_PASSING = frozenset({"storage.busy", "storage.too_slow", "storage.server_away"})
"""What the same command may get past when it is given again a little later."""


def explain(
    error: DBAPIError, where: str, *, reads: bool = False, begun: bool = True
) -> YunheError | None:
    """The error a person should see for a failure of the database itself, if it is a known one.

    ``reads``: it happened in a transaction that only reads. ``begun``: the transaction had begun,
    so its end may be in doubt.
    """
    if hasattr(error.orig, "sqlstate"):
        return _explain_postgresql(error, where, reads=reads, begun=begun)
    said = str(error.orig).lower()
    for words, kind, code in _KNOWN:
        if words in said:
            return kind(code, where=where, retryable=kind is Conflict)
    return None


def _explain_postgresql(
    error: DBAPIError, where: str, *, reads: bool, begun: bool
) -> YunheError | None:
    said, state = str(error.orig), getattr(error.orig, "sqlstate", None) or ""
    if state == "25006" and reads:
        return None  # a fault of ours
    if state in _STATES:
        kind, code = _STATES[state]
        return kind(code, where=where, retryable=code in _PASSING)
    if begun:
        if "NUL" in said and not state:
            return Invalid("storage.text_unstorable", where=where)
        if error.connection_invalidated:
            return Unavailable("storage.server_lost", where=where, retryable=True)
        return None
    code, reason = "storage.server_away", said.partition("\n")[0][:300]
    _, refused, why = said.partition("FATAL:")
    if refused:
        code = next((code for words, code in _REFUSALS if words in why), code)
    passing = code in ("storage.server_away", "storage.server_full")
    return Unavailable(code, where=where, reason=reason, retryable=passing)
