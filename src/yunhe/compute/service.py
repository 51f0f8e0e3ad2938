"""Commands and questions about pools, awards, vouchers, approvals and workloads."""

from __future__ import annotations

from yunhe.compute import store
from yunhe.compute.admission import AWARD, BEHIND, VOUCHER, admit, unplace
from yunhe.compute.domain import (
    DEVICES_MAX,
    SHARE_PERCENT_DEFAULT,
    Approval,
    Award,
    AwardStatus,
    Pool,
    PoolStatus,
    Voucher,
    VoucherStatus,
    Workload,
    WorkloadSpec,
)
from yunhe.compute.errors import refuse, workload_unknown
from yunhe.compute.providers.seam import Provider
from yunhe.compute.runner import reconsider, run_next
from yunhe.compute.specs import (
    amount_faults,
    currency_faults,
    digest_faults,
    key_faults,
    spec_faults,
    text_faults,
    word_faults,
)
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.kernel.canonical import Json, digest_of
from yunhe.kernel.errors import Conflict, Finding, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.kernel.units import device_unit, voucher_unit
from yunhe.ledger import service as ledger
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

__all__ = [
    "Provider",
    "approvals",
    "approve_entry_point",
    "award",
    "awards",
    "cancel",
    "issue_voucher",
    "pools",
    "reconsider",
    "register_pool",
    "run_next",
    "submit",
    "vouchers",
    "workload",
    "workloads",
]

PRICE_MINOR_MAX = 10**12
"""Highest price of a device-hour."""


def register_pool(  # noqa: PLR0913 - each named; an offer has as many parts
    storage: Storage,
    *,
    key: str,
    provider: str,
    site: str,
    chip: str,
    devices: int,
    price_minor_per_device_hour: int,
    currency: str,
    adapter: str = "local",
) -> Pool:
    """Offer devices; the same key of the same provider again returns the same pool.

    Errors: `Invalid` ``compute.pool_invalid`` with every finding; `NotFound` for an unknown
    provider; `Conflict` ``compute.pool_differs`` when the key came with another offer before.
    """
    findings = [
        *key_faults(key),
        *text_faults("site", site),
        *word_faults("chip", chip),
        *word_faults("adapter", adapter),
        *amount_faults("devices", devices, least=1, most=DEVICES_MAX),
        *amount_faults(
            "price_minor_per_device_hour",
            price_minor_per_device_hour,
            least=0,
            most=PRICE_MINOR_MAX,
        ),
        *currency_faults(currency),
    ]
    refuse("compute.pool_invalid", findings)
    pool = Pool(
        id=derived_id("pool", provider, key),
        provider=provider,
        site=site,
        adapter=adapter,
        chip=chip,
        devices=devices,
        price_minor_per_device_hour=price_minor_per_device_hour,
        currency=currency,
    )
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        identity.organisation(tx, provider)
        store.add_pool(tx, pool, at_us=now_us)
        if store.pool(tx, pool.id) != pool:
            raise Conflict("compute.pool_differs", key=key)
        admit(tx, now_us=now_us)
    return pool


def award(
    storage: Storage,
    *,
    key: str,
    organisation: str,
    chip: str,
    device_ms: int,
    expires_at_us: int,
    awarded_by: str,
) -> Award:
    """Grant device time; the same key again returns the award of the first time, expiry included.

    Errors: `Invalid` ``compute.award_invalid`` with every finding; `NotFound` for an unknown
    organisation; `NotAllowed` ``identity.role_missing`` unless ``awarded_by`` is an operator;
    `Conflict` ``compute.award_differs``.
    """
    now_us = storage.clock.now_us()
    findings = [
        *key_faults(key),
        *word_faults("chip", chip),
        *amount_faults("device_ms", device_ms, least=1),
        *amount_faults("expires_at_us", expires_at_us, least=1),
    ]
    award_id = derived_id("award", organisation, key)
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
        body: dict[str, Json] = {
            "organisation": organisation,
            "unit": unit,
            "amount_minor": device_ms,
            "expires_at_us": expires_at_us,
            "awarded_by": awarded_by,
            "transfer": transfer,
        }
        reference = custody.append(tx, Record("compute.award", award_id, now_us, body, {}))
        made = Award(award_id, organisation, chip, device_ms, expires_at_us, reference)
        store.add_award(tx, made, transfer=transfer, awarded_by=awarded_by, at_us=now_us)
        admit(tx, now_us=now_us)
    return made


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
        if store.unblock(tx, entry_point=name):
            admit(tx, now_us=now_us)
        return next(kept for kept in store.approvals(tx, name) if kept.digest == digest)


def submit(storage: Storage, spec: WorkloadSpec) -> Workload:
    """Ask for a workload to be run; it is placed under holds, or waits and says why.

    The same spec again returns the same workload as it stands. Errors: `Invalid`
    ``compute.spec_invalid`` with every finding that no waiting would cure; `Conflict`
    ``compute.workload_differs`` when the key came with another spec before.
    """
    now_us = storage.clock.now_us()
    workload_id = derived_id("workload", spec.organisation, spec.key)
    with storage.database.begin() as tx:
        there = store.row(tx, workload_id)
        if there is None:
            findings = list(spec_faults(spec, (status.pool for status in store.pools(tx))))
            findings += _reference_faults(storage, tx, spec, unsound={f.where for f in findings})
            refuse("compute.spec_invalid", findings)
            digest = digest_of(spec.as_json())
            store.add_workload(tx, workload_id, spec, spec_digest=digest, why=BEHIND, at_us=now_us)
            admit(tx, now_us=now_us)
        elif not _is(spec, there["spec_digest"]):
            raise Conflict("compute.workload_differs", key=spec.key)
        return workload(tx, workload_id)


def _is(spec: WorkloadSpec, digest: str) -> bool:
    try:
        return digest_of(spec.as_json()) == digest
    except (TypeError, ValueError):
        return False


def _reference_faults(
    storage: Storage, tx: Transaction, spec: WorkloadSpec, *, unsound: set[str]
) -> list[Finding]:
    """What the spec points at and is not there."""
    findings = []
    try:
        identity.organisation(tx, spec.organisation)
    except NotFound as error:
        findings.append(Finding("organisation", error.code, tuple(error.params.items())))
    if spec.input_reference is not None:
        try:
            custody.record(tx, spec.input_reference)
        except NotFound as error:
            findings.append(Finding("input_reference", error.code, tuple(error.params.items())))
    for name, digest in spec.inputs.items():
        where = f"inputs.{name[:80]}"
        if where not in unsound and not storage.blobs.exists(digest):
            findings.append(Finding(where, "compute.input_missing", (("digest", digest),)))
    return findings


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


def workload(tx: Transaction, workload_id: str) -> Workload:
    """A workload as it stands. Errors: `NotFound` ``compute.workload_unknown``."""
    found = store.workloads(tx, workload=workload_id)
    if not found:
        raise workload_unknown(workload_id)
    return found[0]


def workloads(tx: Transaction, *, organisation: str | None = None) -> list[Workload]:
    """All workloads, or an organisation's, in order of submission, each with why it waits."""
    return store.workloads(tx, organisation=organisation)


def pools(tx: Transaction) -> list[PoolStatus]:
    """All pools with how full they are."""
    return store.pools(tx)


def awards(tx: Transaction, *, organisation: str | None = None) -> list[AwardStatus]:
    """All awards, or an organisation's, with what is used, held and left."""
    return store.awards(tx, organisation=organisation)


def vouchers(tx: Transaction, *, organisation: str | None = None) -> list[VoucherStatus]:
    """All vouchers, or an organisation's, with what is used, held and left."""
    return store.vouchers(tx, organisation=organisation)


def approvals(tx: Transaction) -> list[Approval]:
    """Every approval of a program file."""
    return store.approvals(tx)
