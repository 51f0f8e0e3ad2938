"""Refusals of compute that several commands share."""

from __future__ import annotations

from collections.abc import Sequence

from yunhe.kernel.errors import Finding, Invalid, NotFound


def refuse(code: str, findings: Sequence[Finding]) -> None:
    """Raise `Invalid` with every finding, or return when there is none."""
    if findings:
        raise Invalid(code, findings=findings)


def log_missing(workload: str) -> NotFound:
    """It has not run yet."""
    return NotFound("compute.log_missing", workload=workload)


def output_unknown(workload: str, name: str) -> NotFound:
    """It wrote no such file."""
    return NotFound("compute.output_unknown", workload=workload, name=name)


def workload_unknown(workload: str) -> NotFound:
    """No such workload."""
    return NotFound("compute.workload_unknown", workload=workload[:64])
