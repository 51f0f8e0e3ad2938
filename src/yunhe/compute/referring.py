"""What a workload points at: organisation, records, blobs, secrets, its working folder."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.compute.domain import WorkloadSpec
from yunhe.compute.folders.checkpoints import FOLDER as CHECKPOINT
from yunhe.compute.folders.laying import manifest_of
from yunhe.compute.wanted import PRIORITIES
from yunhe.compute.windows import store as awards
from yunhe.custody import service as custody
from yunhe.identity import service as identity
from yunhe.kernel.errors import Finding, Invalid, NotAllowed, NotFound
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage
from yunhe.vault import service as vault

_FINDINGS_MAX = 20


def reference_faults(
    storage: Storage,
    tx: Transaction,
    spec: WorkloadSpec,
    *,
    unsound: set[str],
    member: str | None,
) -> list[Finding]:
    """What the spec points at and is not there, and what ``member`` may not ask for."""
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
    named_well = {
        variable: named
        for variable, named in spec.secrets.items()
        if f"secrets.{ascii(variable)[1:-1][:80]}" not in unsound
    }
    absent = set(vault.missing(tx, organisation=spec.organisation, references=named_well.values()))
    findings += [
        Finding(f"secrets.{variable}", "vault.secret_unknown", (("name", named),))
        for variable, named in named_well.items()
        if named in absent
    ]
    if member is not None and "priority" not in unsound:
        findings += _priority_faults(tx, spec, member=member, now_us=storage.clock.now_us())
    return findings


def _priority_faults(
    tx: Transaction, spec: WorkloadSpec, *, member: str, now_us: int
) -> Iterator[Finding]:
    """A class above what the awards that could pay for it allow; an operator may ask for any."""
    if spec.priority == "low":
        return
    chips = (spec.chip, *spec.substitutes)
    work = spec.workload_class or spec.kind
    of = spec.organisation
    said = awards.ceilings(tx, organisation=of, chips=chips, work=work, now_us=now_us)
    most = max((each or "usual" for each in said or [None]), key=PRIORITIES.__getitem__)
    if PRIORITIES[spec.priority] > PRIORITIES[most] and not _operates(tx, member):
        if most == "usual":
            yield Finding("priority", "compute.priority_reserved")
        else:
            params = (("value", spec.priority), ("most", most))
            yield Finding("priority", "compute.priority_award", params)


def _operates(tx: Transaction, member: str) -> bool:
    try:
        identity.require(tx, member, "operator")
    except (NotAllowed, NotFound):
        return False
    return True


def folder_blobs(storage: Storage, digest: str) -> list[str]:
    """The blobs that the folder with that manifest is made of.

    Errors: `Invalid` ``compute.folder_invalid``; `NotFound` ``storage.blob_missing``.
    """
    return manifest_of(storage.blobs, digest).blobs()


def folder_found(storage: Storage, spec: WorkloadSpec) -> tuple[list[Finding], list[str]]:
    """What is wrong with its working folder, and the digests of all that lies in it.

    Reads the manifest, so not within a transaction.
    """
    if not spec.folder:
        return [], []
    try:
        manifest = manifest_of(storage.blobs, spec.folder)
    except NotFound:
        missed = Finding("folder", "compute.input_missing", (("digest", spec.folder[:80]),))
        return [missed], []
    except Invalid as error:
        return list(error.findings)[:_FINDINGS_MAX] or [Finding("folder", error.code)], []
    except ValueError:  # no digest at all, which is told elsewhere
        return [], []
    missing = [blob for blob in manifest.blobs() if not storage.blobs.exists(blob)]
    found = [
        Finding("folder", "compute.input_missing", (("digest", blob),))
        for blob in missing[:_FINDINGS_MAX]
    ]
    if spec.preemptible and any(file.path == CHECKPOINT for file in manifest.files):
        found.append(Finding("folder", "compute.checkpoint_file"))
    return found, manifest.digests()
