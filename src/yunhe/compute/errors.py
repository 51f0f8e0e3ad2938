"""Refusals of compute that several commands share."""

from __future__ import annotations

from collections.abc import Sequence

from yunhe.kernel.errors import Finding, Invalid, NotFound


def refuse(code: str, findings: Sequence[Finding]) -> None:
    """Raise `Invalid` with every finding, or return when there is none."""
    if findings:
        raise Invalid(code, findings=findings)


def workload_unknown(workload: str) -> NotFound:
    """No such workload."""
    return NotFound("compute.workload_unknown", workload=workload[:64])
