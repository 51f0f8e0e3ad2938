"""A person's request to be erased: what goes, what stays and why, on record.

Two sorts of person ask. A *member* of an organisation used the platform. A *data subject* is in a
document of a dataset. Custody records are never deleted: their content and salt go, the leaf's hash
stays, and the log verifies as before. What was erased is kept as a row and not as a record of the
log: verifiers know a closed list of kinds, which this is none of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from yunhe.corpus import service as corpus
from yunhe.corpus.domain import Forgotten
from yunhe.custody import service as custody
from yunhe.evaluation import service as evaluation
from yunhe.exchange import service as exchange
from yunhe.identity import service as identity
from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.progress import Progress
from yunhe.models import service as models
from yunhe.notices import service as notices
from yunhe.storage import erased, operations, uploads
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

BATCH = 500
"""Answers erased by one transaction."""


@dataclass(slots=True)
class Report:
    """What an erasure did, as it grows."""

    erased: dict[str, int] = field(default_factory=dict)
    """How many of each sort are gone."""
    kept: list[tuple[str, dict[str, Json]]] = field(default_factory=list)
    """What stays: a sentence of the locale files and its values."""

    def keep(self, code: str, **params: Json) -> None:
        """Say that something stays, and why."""
        self.kept.append((f"operations.kept.{code}", params))

    def as_json(self) -> JsonObject:
        """The report as the operation's result."""
        kept: list[Json] = [{"code": code, "params": params} for code, params in self.kept]
        return {"erased": dict(self.erased), "kept": kept}


def erase_member(storage: Storage, member: str, *, besides: str, progress: Progress) -> JsonObject:
    """Erase who a member is and what they put in; returns the report.

    ``besides`` is the operation that does it, which stays. Done again it changes nothing. Errors:
    `NotFound` ``identity.member_unknown``.
    """
    report = Report()
    with storage.database.begin() as tx:
        identity.erase_member(tx, member, at_us=storage.clock.now_us())
        report.erased["notices"] = notices.forget_member(tx, member)
    report.erased["members"] = 1
    report.keep("identity")
    progress.step("operations.erasure.answers", done=0)
    report.erased["answers"] = _answers(storage, member, progress)
    if report.erased["answers"]:
        report.keep("leaf")
    progress.step("operations.erasure.operations", done=0)
    report.erased["operations"], running = _operations(storage, member, besides=besides)
    if running:
        report.keep("running", count=running)
    with storage.database.read() as tx:
        sent = uploads.sent_by(tx, member)
    report.erased["uploads"] = sum(
        _upload(storage, digest, organisation=organisation) for organisation, digest in sent
    )
    report.keep("backups")
    return report.as_json()


def _answers(storage: Storage, member: str, progress: Progress) -> int:
    count = 0
    while True:
        with storage.database.begin() as tx:
            gone = models.erase_answers_of(tx, member, limit=BATCH)
        count += gone
        progress.step("operations.erasure.answers", done=count)
        if gone < BATCH:
            return count


def _operations(storage: Storage, member: str, *, besides: str) -> tuple[int, int]:
    """How many were emptied, and how many still run: those were asked to stop."""
    emptied = running = 0
    with storage.database.read() as tx:
        found = [each.id for each in operations.started_by(tx, member) if each.id != besides]
    for operation in found:
        with storage.database.begin() as tx:
            if operations.ask_cancel(tx, operation, at_us=storage.clock.now_us()).ended:
                operations.forget(tx, operation)
                emptied += 1
            else:
                running += 1
    return emptied, running


def _upload(storage: Storage, digest: str, *, organisation: str | None) -> int:
    """Remove an upload, unless others sent the same bytes or records name them as an artefact."""
    with storage.database.begin() as tx:
        unclaimed = uploads.forget(tx, digest, organisation=organisation)
        if not unclaimed or corpus.is_artefact(tx, digest):
            return 0
    return _remove(storage, [digest])


def erase_document(
    storage: Storage, *, source: str, document: str, remove_dataset: bool, progress: Progress
) -> JsonObject:
    """Erase a document's traces in a source and what was made of it; returns the report.

    Where nothing rests on the certified dataset it goes as a whole, with its records' content: its
    holder cleanses the source again without the document. Else the dataset stays, masked, unless
    ``remove_dataset``, and whoever was granted it is notified. Done again it changes nothing.

    Errors: `NotFound` ``corpus.source_unknown``.
    """
    report = Report()
    progress.step("operations.erasure.tables", done=0)
    forgotten = corpus.forget(storage, source=source, document=document)
    report.erased |= {"rows": forgotten.rows, "blobs": forgotten.blobs}
    with storage.database.begin() as tx:
        uploads.forget(tx, forgotten.input_digest)
        resting = custody.resting_on(tx, forgotten.certificate_reference)
        if not resting:
            for reference in (forgotten.certificate_reference, forgotten.source_reference):
                custody.erase(tx, reference)
            report.erased["records"] = 2
            report.keep("leaf")
        else:
            report.keep("source_digest", count=sum(resting.values()))
            buyers = _notify(tx, forgotten, document, at_us=storage.clock.now_us())
            if buyers:
                report.keep("delivered", count=buyers)
    progress.step("operations.erasure.dataset", done=0)
    copies, trained = _copies(storage, forgotten)
    if not resting or remove_dataset:
        report.erased["datasets"] = _remove(storage, copies)
    elif forgotten.released:
        report.keep("dataset")
    if trained and forgotten.released:
        report.keep("model", count=trained)
    report.keep("backups")
    return report.as_json()


def _notify(tx: Transaction, forgotten: Forgotten, document: str, *, at_us: int) -> int:
    """Tell the holder and whoever may still open the dataset; how many the latter are."""
    buyers = {
        each.buyer
        for each in exchange.grants(tx)
        if each.dataset_digest == forgotten.dataset_digest
    }
    if forgotten.released:
        for organisation in sorted({*buyers, forgotten.holder}):
            notices.notify(
                tx,
                key=f"document_erased:{forgotten.certificate_id}:{document}:{organisation}",
                kind="document_erased",
                organisation=organisation,
                subject=forgotten.certificate_id,
                params={"document": document},
                at_us=at_us,
            )
    return len(buyers) if forgotten.released else 0


def _copies(storage: Storage, forgotten: Forgotten) -> tuple[Sequence[str], int]:
    """Digests of the dataset and its parts, and how many model versions were trained on it."""
    with storage.database.read() as tx:
        splits = evaluation.splits(tx, dataset_digest=forgotten.dataset_digest)
        trains = {split.train_digest for split in splits}
        trained = sum(version.train_digest in trains for version in models.versions(tx))
    parts = [digest for split in splits for digest in (split.train_digest, split.heldout_digest)]
    return [forgotten.dataset_digest, *parts], trained


def _remove(storage: Storage, digests: Sequence[str]) -> int:
    there = [digest for digest in dict.fromkeys(digests) if storage.blobs.exists(digest)]
    with storage.database.begin() as tx:
        erased.note(tx, there, at_us=storage.clock.now_us())
    for digest in there:
        storage.blobs.delete(digest)
    return len(there)


def kept_texts(report: JsonObject) -> list[tuple[str, Mapping[str, Json]]]:
    """Code and values of everything a report says stays, for whoever shows it."""
    kept = report["kept"]
    assert isinstance(kept, Sequence)  # noqa: S101 - `Report.as_json` wrote it
    return [
        (str(each["code"]), each["params"])
        for each in kept
        if isinstance(each, Mapping) and isinstance(each["params"], Mapping)
    ]
