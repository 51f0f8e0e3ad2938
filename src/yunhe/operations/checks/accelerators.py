"""Which accelerators of this machine can be given to work, and what is missing for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from yunhe.compute import service as compute
from yunhe.kernel.errors import NotFound, YunheError
from yunhe.operations.checks.findings import Found, Subject, failed, fine, warning

ROOT = Path("/")
"""Where ``dev`` lies."""


def accelerators(subject: Subject) -> Iterator[Found]:
    """Each kind of accelerator of this machine can be given to work, or why it cannot."""
    file = subject.settings.chips_file
    known = compute.supply.catalogue() if file is None else compute.supply.read_own(file)
    shown = compute.supply.shown_here(known.vendors(), root=ROOT)
    sold = _sold(subject)
    for each in shown:
        offered = each.chip in sold or (not each.chip and each.vendor in sold.values())
        yield _said(each, failed if offered else warning)
    if not shown:
        yield fine("operations.doctor.accelerators_none")
    elif subject.platform.equipment().provider.isolation != "bubblewrap":
        yield warning("operations.doctor.accelerators_unconfined")


def _sold(subject: Subject) -> dict[str, str]:
    """Makers by chip, of what pools of this machine offer."""
    try:
        platform = subject.tables()
    except NotFound:  # nothing is offered before there is a database
        return {}
    with platform.storage.database.read() as tx:
        makers = compute.supply.catalogue_of(tx).vendors()
        return {pool.chip: makers.get(pool.chip, "") for pool in compute.supply.sold_here(tx)}


def _said(each: compute.supply.Shown, wrong: Callable[..., Found]) -> Found:
    """``wrong``: how bad it is that they cannot be given to work."""
    if each.command:
        params = {"vendor": each.vendor, "command": each.command}
        return wrong("operations.doctor.accelerator_silent", devices=each.devices, **params)
    if each.fault is not None:
        return _at_fault(each, each.fault, wrong)
    if not each.chip:
        params = {"vendor": each.vendor}
        return fine("operations.doctor.accelerator_unnamed", devices=each.devices, **params)
    return fine("operations.doctor.accelerator_fine", devices=each.devices, chip=each.chip)


def _at_fault(each: compute.supply.Shown, fault: YunheError, wrong: Callable[..., Found]) -> Found:
    code = fault.code.removeprefix("compute.card_")
    return wrong(
        f"operations.doctor.accelerator_{code}",
        devices=each.devices,
        chip=each.chip or each.vendor,
        vendor=each.vendor,
        file=fault.params["file"],
    )


CHECKS = {"accelerators": accelerators}
"""By the name each has in the answer."""
