"""An error as stored data and back, so that it can be told later, in whichever language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import (
    Conflict,
    Exhausted,
    Finding,
    Invalid,
    NotAllowed,
    NotFound,
    Unavailable,
    YunheError,
)

FINDINGS_MAX = 100
"""Findings kept of one error."""
_KINDS: Mapping[str, type[YunheError]] = {
    each.kind: each for each in (Invalid, NotAllowed, NotFound, Conflict, Exhausted, Unavailable)
}


def stored(error: YunheError) -> JsonObject:
    """The error without its sentences: kind, code, params, findings, retryable."""
    return {
        "kind": error.kind,
        "code": error.code,
        "params": dict(error.params),
        "findings": [
            {"where": each.where, "code": each.code, "params": [list(pair) for pair in each.params]}
            for each in error.findings[:FINDINGS_MAX]
        ],
        "retryable": error.retryable,
    }


def restored(kept: JsonObject) -> YunheError:
    """The error that `stored` was given."""
    told: Mapping[str, Any] = kept
    kind = _KINDS.get(str(told["kind"]), YunheError)
    findings: Sequence[Mapping[str, Any]] = told["findings"]
    return kind(
        str(told["code"]),
        findings=[
            Finding(each["where"], each["code"], tuple((name, v) for name, v in each["params"]))
            for each in findings
        ],
        retryable=bool(told["retryable"]),
        **told["params"],
    )
