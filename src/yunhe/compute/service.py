"""Commands and questions about pools, awards, vouchers, approvals and workloads."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from yunhe.compute import store, submitting, tables
from yunhe.compute.admission import AWARD, VOUCHER, admit, unplace
from yunhe.compute.agents import service as agents
from yunhe.compute.applications import service as applications
from yunhe.compute.domain import (
    SHARE_PERCENT_DEFAULT,
    Approval,
    Award,
    Voucher,
    Workload,
)
from yunhe.compute.errors import refuse, workload_unknown
from yunhe.compute.forwarding import service as forwarding
from yunhe.compute.limits import service as limits
from yunhe.compute.live import service as live
from yunhe.compute.machine import DEMONSTRATION, LOCAL, OWN, chip_faults, shown_chip
from yunhe.compute.passes import service as passes
from yunhe.compute.planning import service as planning
from yunhe.compute.policy import service as policy
from yunhe.compute.providers.seam import Provider
from yunhe.compute.queueing import service as queueing
from yunhe.compute.referring import folder_blobs
from yunhe.compute.registering import register_pool
from yunhe.compute.remote import service as remote
from yunhe.compute.runner import anything_placed, attend, reconsider, run_next
from yunhe.compute.scaling import service as scaling
from yunhe.compute.sharing import service as sharing
from yunhe.compute.specs import (
    amount_faults,
    currency_faults,
    digest_faults,
    key_faults,
    text_faults,
    word_faults,
)
from yunhe.compute.statements import service as statements
from yunhe.compute.store import approvals, awards, pools, vouchers
from yunhe.compute.submitting import Preview, preview, submit, take_waiting_max, workload
from yunhe.compute.supply import classes
from yunhe.compute.supply import service as supply
from yunhe.compute.wanted import PRIORITIES
from yunhe.compute.ways import service as ways
from yunhe.compute.windows import service as windows
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.kernel.canonical import Json
from yunhe.kernel.errors import Conflict, Finding
from yunhe.kernel.ids import derived_id
from yunhe.kernel.units import device_unit, voucher_unit
from yunhe.ledger import service as ledger
from yunhe.storage import tally
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage
from yunhe.storage.tally import Tally

__all__ = [
    "DEMONSTRATION",
    "LOCAL",
    "OWN",
    "Preview",
    "Provider",
    "agents",
    "anything_placed",
    "applications",
    "approvals",
    "approve_entry_point",
    "attend",
    "award",
    "awards",
    "cancel",
    "chip_faults",
    "classes",
    "counted",
    "folder_blobs",
    "forwarding",
    "issue_voucher",
    "limits",
    "live",
    "made",
    "newest",
    "passes",
    "planning",
    "policy",
    "pools",
    "preview",
    "queueing",
    "reconsider",
    "register_pool",
    "remote",
    "run_next",
    "scaling",
    "sharing",
    "shown_chip",
    "statements",
    "submit",
    "submitting",
    "supply",
    "take_waiting_max",
    "vouchers",
    "ways",
    "windows",
    "workload",
    "workloads",
]


def award(
    storage: Storage,
    *,
    key: str,
    organisation: str,
    chip: str,
    device_ms: int,
    expires_at_us: int,
    awarded_by: str,
    priority_max: str | None = None,
) -> Award:
    """Grant device time; the same key again returns the award of the first time, expiry included.

    ``chip``: one chip, a list or a class, see `supply.classes`; what one for several accepts and
    how each chip counts is pinned in it. Errors: `Invalid` ``compute.award_invalid`` with every
    finding; `NotFound` for an unknown organisation; `NotAllowed` ``identity.role_missing`` unless
    ``awarded_by`` is an operator; `Conflict` ``compute.award_differs``.
    """
    now_us = storage.clock.now_us()
    findings = [
        *key_faults(key),
        *classes.word_of_award_faults("chip", chip),
        *amount_faults("device_ms", device_ms, least=1),
        *amount_faults("expires_at_us", expires_at_us, least=1),
    ]
    if priority_max is not None and priority_max not in PRIORITIES:
        params = (("value", priority_max[:40]), ("known", ", ".join(PRIORITIES)))
        findings.append(Finding("priority_max", "compute.fact_option", params))
    award_id, chip = derived_id("award", organisation, key), classes.canonical(chip)
    with storage.database.begin() as tx:
        there = store.awards(tx, award=award_id)
        if there:
            found = there[0].award
            if (found.chip, found.device_ms) != (chip, device_ms):
                raise Conflict("compute.award_differs", key=key)
            return found
        if not findings and expires_at_us <= now_us:
            findings.append(Finding("expires_at_us", "compute.expiry_past"))
        refuse("compute.award_invalid", findings)
        accepts = classes.accepted(tx, chip, now_us=now_us)
        identity.organisation(tx, organisation)
        identity.require(tx, awarded_by, "operator")
        unit = device_unit(chip)
        account = ledger.open_account(tx, owner=organisation, unit=unit, purpose=AWARD)
        transfer = ledger.grant(
            tx,
            key=f"compute:{award_id}",
            account=account,
            amount=device_ms,
            at_us=now_us,
            memo=award_id,
        )
        stated = Award(
            award_id, organisation, chip, device_ms, expires_at_us, "", priority_max, accepts
        )
        body = _record_of(stated, awarded_by=awarded_by, transfer=transfer)
        reference = custody.append(tx, Record("compute.award", award_id, now_us, body, {}))
        made = replace(stated, reference=reference)
        store.add_award(tx, made, transfer=transfer, awarded_by=awarded_by, at_us=now_us)
        admit(tx, now_us=now_us)
    return made


def _record_of(made: Award, *, awarded_by: str, transfer: str) -> dict[str, Json]:
    return {
        "organisation": made.organisation,
        "unit": device_unit(made.chip),
        "amount_minor": made.device_ms,
        "expires_at_us": made.expires_at_us,
        "awarded_by": awarded_by,
        "transfer": transfer,
        **({} if made.priority_max is None else {"priority_max": made.priority_max}),
        **({} if made.accepts is None else {"accepts": made.accepts.as_json()}),
    }


def issue_voucher(
    storage: Storage,
    *,
    key: str,
    organisation: str,
    currency: str,
    amount: int,
    share_percent: int = SHARE_PERCENT_DEFAULT,
) -> Voucher:
    """Give an organisation a voucher that pays a share of its compute costs to providers.

    Errors: `Invalid` ``compute.voucher_invalid`` with every finding; `NotFound` for an unknown
    organisation; `Conflict` ``compute.voucher_differs``.
    """
    findings = [
        *key_faults(key),
        *currency_faults(currency),
        *amount_faults("amount", amount, least=1),
        *amount_faults("share_percent", share_percent, least=0, most=100),
    ]
    refuse("compute.voucher_invalid", findings)
    voucher = Voucher(
        derived_id("voucher", organisation, key), organisation, currency, amount, share_percent
    )
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        there = store.vouchers(tx, voucher=voucher.id)
        if there:
            if there[0].voucher != voucher:
                raise Conflict("compute.voucher_differs", key=key)
            return voucher
        identity.organisation(tx, organisation)
        unit = voucher_unit(currency)
        account = ledger.open_account(tx, owner=organisation, unit=unit, purpose=VOUCHER)
        ledger.grant(
            tx,
            key=f"compute:{voucher.id}",
            account=account,
            amount=amount,
            at_us=now_us,
            memo=voucher.id,
        )
        store.add_voucher(tx, voucher, at_us=now_us)
        admit(tx, now_us=now_us)
    return voucher


def approve_entry_point(
    storage: Storage, *, name: str, module: str, digest: str, approved_by: str
) -> Approval:
    """Let a program file run without a sandbox; workloads that waited for this are looked at again.

    It allows exactly the bytes with that digest, under that name. Errors: `Invalid`
    ``compute.approval_invalid``; `NotAllowed` ``identity.role_missing`` unless an operator does.
    """
    findings = [
        *word_faults("name", name),
        *text_faults("module", module),
        *digest_faults("digest", digest),
    ]
    refuse("compute.approval_invalid", findings)
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        identity.require(tx, approved_by, "operator")
        store.add_approval(tx, Approval(name, module, digest, approved_by, now_us))
        if passes.unblock(tx, entry_point=name):
            admit(tx, now_us=now_us)
        return next(kept for kept in store.approvals(tx, name) if kept.digest == digest)


def cancel(storage: Storage, workload_id: str) -> Workload:
    """Stop a workload: at once and unpaid unless it runs; then its runner stops it within seconds.

    What a running one has used until then is paid. Cancelling what is over changes nothing. Errors:
    `NotFound` ``compute.workload_unknown``.
    """
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        row = store.row(tx, workload_id)
        if row is None:
            raise workload_unknown(workload_id)
        if row["state"] == "running":
            store.change(tx, workload_id, cancel_asked=1)
        elif row["state"] in ("waiting", "placed"):
            unplace(
                tx,
                row,
                now_us=now_us,
                state="cancelled",
                why=None,
                cancel_asked=1,
                ended_at_us=now_us,
            )
            admit(tx, now_us=now_us)
        return workload(tx, workload_id)


def workloads(tx: Transaction, *, organisation: str | None = None) -> list[Workload]:
    """All workloads, or an organisation's, in order of submission, each with why it waits."""
    return store.workloads(tx, organisation=organisation)


def newest(
    tx: Transaction,
    *,
    organisation: str | None = None,
    projects: frozenset[str] | None = None,
    before: str = "",
    limit: int = 50,
) -> list[Workload]:
    """Workloads, the last submitted first, from the one after ``before`` on."""
    return store.newest(
        tx, organisation=organisation, projects=projects, before=before, limit=limit
    )


def made(tx: Transaction, *, organisation: str, digests: Collection[str]) -> set[str]:
    """Those of the digests that its workloads wrote. Cost: a scan of those that ended."""
    return store.made(tx, organisation=organisation, digests=digests)


def counted(tx: Transaction) -> dict[str, Tally]:
    """How many workloads are in each state. Cost: a scan of the index of states."""
    column = tables.workload_table.c.state
    return {state: found for (state,), found in tally.by(tx, [column]).items()}
