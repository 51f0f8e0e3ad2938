"""The face of the evaluation floor: split a dataset, evaluate a model, look at what was found."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from yunhe.compute.service import limits
from yunhe.corpus import service as corpus
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.evaluation import baselines, errors, gates, splitting, store
from yunhe.evaluation.domain import (
    HELD_OUT_PERCENT_MAX,
    Baseline,
    Evaluation,
    Gate,
    Predictor,
    Split,
)
from yunhe.evaluation.examiners import require_examiner
from yunhe.evaluation.results import Outcome, assess
from yunhe.kernel.canonical import INTEGER_MAX, Json, JsonObject, canonical_bytes, digest_of, sha256
from yunhe.kernel.errors import Invalid, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

__all__ = [
    "evaluate",
    "evaluation",
    "evaluations",
    "evaluations_page",
    "find_evaluation",
    "find_split",
    "holder_of",
    "require_examiner",
    "split",
    "splits",
    "splits_page",
    "write_contamination_hashes",
]

Known = TypeVar("Known", Split, Evaluation)


def split(
    storage: Storage,
    *,
    key: str,
    dataset_digest: str,
    data: bytes,
    grant_reference: str,
    held_out_percent: int,
    seed: int,
) -> Split:
    """Divide a dataset by group into a training and a held-out part, and put that on record.

    The same key again gives the same split. Errors: `Invalid` ``evaluation.percent_invalid``,
    ``evaluation.seed_invalid``, ``evaluation.dataset_differs`` and those of `splitting` (nothing is
    stored then); `Conflict` ``evaluation.split_differs`` for a key that divided something else.
    Cost: 20,000 documents about 0.3 s.
    """
    _check_split(held_out_percent, seed)
    split_id = derived_id("split", key)
    request = digest_of([dataset_digest, grant_reference, held_out_percent, seed])
    with storage.database.read() as tx:
        known = _same("evaluation.split_differs", key, request, store.find_split(tx, split_id))
    if known is not None:
        return known
    if sha256(data) != dataset_digest:
        raise Invalid("evaluation.dataset_differs", digest=dataset_digest)
    documents = splitting.read_documents(data, digest=dataset_digest)
    parts = splitting.divide(documents, held_out_percent=held_out_percent, seed=seed)
    groups_heldout = len(set(parts.heldout.groups))
    made = Split(
        id=split_id,
        reference="",
        dataset_digest=dataset_digest,
        train_digest=storage.blobs.put(splitting.to_parquet(parts.train)).digest,
        heldout_digest=storage.blobs.put(splitting.to_parquet(parts.heldout)).digest,
        grant_reference=grant_reference,
        held_out_percent=held_out_percent,
        seed=seed,
        groups=len(set(parts.train.groups)) + groups_heldout,
        groups_heldout=groups_heldout,
        documents_train=len(parts.train),
        documents_heldout=len(parts.heldout),
        documents_unlabelled=parts.unlabelled,
        at_us=storage.clock.now_us(),
    )
    with storage.database.begin() as tx:
        known = _same("evaluation.split_differs", key, request, store.find_split(tx, split_id))
        if known is not None:  # another process was faster
            return known
        reference = custody.append(tx, _split_record(made))
        made = replace(made, reference=reference, organisation=_buyer(tx, grant_reference))
        store.add_split(tx, made, request_digest=request)
        parts_made = [made.train_digest, made.heldout_digest]
        limits.carry(tx, [dataset_digest, grant_reference], parts_made, at_us=made.at_us)
    return made


def evaluate(  # noqa: PLR0913 - one command; its arguments are the parts of one request
    storage: Storage,
    *,
    key: str,
    predictor: Predictor,
    model_version: str,
    model_reference: str,
    model_digest: str,
    split: Split,
    baseline: Baseline,
    gate: Gate,
    seed: int,
) -> Evaluation:
    """Score a model and its baseline on the held-out part; the verdict is recorded, not raised.

    The gate holds when the lower bounds at 95 % of the score and of the paired difference to the
    baseline reach what it asks. The same key again gives the same evaluation, without predicting.
    Errors: `Invalid` ``evaluation.gate_invalid``, ``evaluation.seed_invalid``,
    ``evaluation.baseline_invalid``, ``evaluation.prediction_count``; `Conflict`
    ``evaluation.run_differs`` for a key that tested something else. Cost: the predictions, and
    about 0.5 s for 4,000 held-out documents.
    """
    asked = _Asked(model_version, model_reference, model_digest, split, baseline, gate, seed)
    gates.check(gate)
    _check_seed(seed)
    run_id, request = derived_id("evaluation", key), asked.digest()
    with storage.database.read() as tx:
        known = _same("evaluation.run_differs", key, request, store.find_run(tx, run_id))
    if known is not None:
        return _with_results(storage, known)
    made = _assessed(storage, run_id, predictor, asked)
    with storage.database.begin() as tx:
        known = _same("evaluation.run_differs", key, request, store.find_run(tx, run_id))
        if known is not None:  # another process was faster
            return replace(known, results=made.results)
        made = replace(made, reference=custody.append(tx, _run_record(made, asked)))
        store.add_run(tx, made, request_digest=request)
    return made


def find_split(tx: Transaction, split_id: str) -> Split:
    """The split. Errors: `NotFound` ``evaluation.split_unknown``."""
    found = store.find_split(tx, split_id)
    if found is None:
        raise errors.split_unknown(split_id)
    return found[0]


def holder_of(tx: Transaction, split: Split) -> str:
    """The organisation whose grant the split was made under; empty when nothing says so."""
    if split.organisation:
        return split.organisation
    return _buyer(tx, split.grant_reference)


def splits_page(
    tx: Transaction, *, organisation: str | None, after: tuple[int, str] = (0, ""), limit: int
) -> list[Split]:
    """Splits of an organisation's grants, or all, oldest first, from behind a place.

    An organisation's from before 0.2.0 are left out; `find_split` finds them.
    """
    return store.splits_page(tx, organisation=organisation, after=after, limit=limit)


def splits(tx: Transaction, *, dataset_digest: str | None = None) -> list[Split]:
    """All splits, or those of one dataset; oldest first."""
    return store.list_splits(tx, dataset_digest=dataset_digest)


def write_contamination_hashes(storage: Storage, split: Split, path: Path) -> corpus.HashesMade:
    """Write hashes of a split's held-out documents; no text can be read from them.

    Who cleanses a corpus keeps it free of them by the option ``hashes`` of the step
    ``contamination``. Errors: `NotFound` ``storage.blob_missing`` when that part was removed.
    """
    data = storage.blobs.read(split.heldout_digest)
    heldout = splitting.read_documents(data, digest=split.heldout_digest)
    return corpus.make_hashes(zip(heldout.ids, heldout.texts, strict=True), path)


def evaluation(tx: Transaction, evaluation_id: str) -> Evaluation:
    """The evaluation, its results left out. Errors: `NotFound` ``evaluation.unknown``."""
    found = store.find_run(tx, evaluation_id)
    if found is None:
        raise errors.evaluation_unknown(evaluation_id)
    return found[0]


def evaluations_page(
    tx: Transaction, *, model_version: str, after: tuple[int, str] = (0, ""), limit: int
) -> list[Evaluation]:
    """Evaluations of a model version without their results, oldest first, from behind a place."""
    return store.runs_page(tx, model_version=model_version, after=after, limit=limit)


def find_evaluation(storage: Storage, evaluation_id: str) -> Evaluation:
    """The evaluation with its results. Errors: `NotFound` ``evaluation.unknown``."""
    with storage.database.read() as tx:
        found = evaluation(tx, evaluation_id)
    return _with_results(storage, found)


def evaluations(storage: Storage, *, model_version: str | None = None) -> list[Evaluation]:
    """All evaluations, or those of one model version, passed and failed alike; oldest first."""
    with storage.database.read() as tx:
        found = store.list_runs(tx, model_version=model_version)
    return [_with_results(storage, made) for made in found]


@dataclass(frozen=True, slots=True)
class _Asked:
    """Everything that decides what an evaluation finds, the predictor's bytes by their digest."""

    model_version: str
    model_reference: str
    model_digest: str
    split: Split
    baseline: Baseline
    gate: Gate
    seed: int

    def digest(self) -> str:
        """Tells whether a key is used for the same again."""
        words = [[label, list(found)] for label, found in self.baseline.keywords.items()]
        return digest_of(
            {
                "model": [self.model_version, self.model_reference, self.model_digest],
                "split": self.split.reference,
                "baseline": [self.baseline.kind, words],
                "gate": [self.gate.metric, self.gate.at_least, self.gate.over_baseline],
                "seed": self.seed,
            }
        )


def _check_split(held_out_percent: int, seed: int) -> None:
    if not 1 <= held_out_percent <= HELD_OUT_PERCENT_MAX:
        raise Invalid(
            "evaluation.percent_invalid", percent=held_out_percent, most=HELD_OUT_PERCENT_MAX
        )
    _check_seed(seed)


def _check_seed(seed: int) -> None:
    if not 0 <= seed <= INTEGER_MAX:
        raise Invalid("evaluation.seed_invalid", seed=str(seed)[:40], most=INTEGER_MAX)


def _same(code: str, key: str, request: str, found: tuple[Known, str] | None) -> Known | None:
    """What the key made before, None for a new key, an error if it made something else."""
    if found is None:
        return None
    if found[1] != request:
        raise errors.key_differs(code, key)
    return found[0]


def _buyer(tx: Transaction, grant_reference: str) -> str:
    try:
        return str(custody.record(tx, grant_reference).body.get("buyer") or "")
    except NotFound:  # erased
        return ""


def _with_results(storage: Storage, made: Evaluation) -> Evaluation:
    results: JsonObject = json.loads(storage.blobs.read(made.results_digest))
    return replace(made, results=results)


def _assessed(storage: Storage, run_id: str, predictor: Predictor, asked: _Asked) -> Evaluation:
    """Predict, score, and store the results; the record is still to be written."""
    split = asked.split
    outcome = _predict(storage, predictor, asked)
    assessed = assess(outcome, baseline=asked.baseline, gate=asked.gate, seed=asked.seed)
    headline = assessed.headline
    results: dict[str, Json] = {
        **assessed.results,
        "model_digest": asked.model_digest,
        "train_digest": split.train_digest,
        "heldout_digest": split.heldout_digest,
    }
    digest = storage.blobs.put(canonical_bytes(results)).digest
    return Evaluation(
        id=run_id,
        reference="",
        model_version=asked.model_version,
        model_digest=asked.model_digest,
        split=split.id,
        heldout_digest=split.heldout_digest,
        results=results,
        results_digest=digest,
        metric=asked.gate.metric,
        score=headline.score,
        score_low=headline.low,
        score_high=headline.high,
        baseline=asked.baseline.kind,
        baseline_score=headline.baseline,
        passed=headline.passed,
        at_us=storage.clock.now_us(),
    )


def _predict(storage: Storage, predictor: Predictor, asked: _Asked) -> Outcome:
    split = asked.split
    train, heldout = (
        splitting.read_documents(storage.blobs.read(digest), digest=digest)
        for digest in (split.train_digest, split.heldout_digest)
    )
    baseline = baselines.fit(asked.baseline, train.labels)
    said = []
    for system in (predictor, baseline):
        labels = list(system.predict(heldout.texts).labels)
        if len(labels) != len(heldout):
            raise Invalid("evaluation.prediction_count", found=len(labels), asked=len(heldout))
        said.append(labels)
    return Outcome(truth=heldout.labels, model=said[0], baseline=said[1], groups=heldout.groups)


def _split_record(made: Split) -> Record:
    return Record(
        kind="evaluation.split",
        subject=made.id,
        at_us=made.at_us,
        body={
            "dataset_digest": made.dataset_digest,
            "train_digest": made.train_digest,
            "heldout_digest": made.heldout_digest,
            "seed": made.seed,
            "groups": made.groups,
        },
        links={"grant": made.grant_reference},
    )


def _run_record(made: Evaluation, asked: _Asked) -> Record:
    return Record(
        kind="evaluation.run",
        subject=made.id,
        at_us=made.at_us,
        body={
            "model_digest": made.model_digest,
            "heldout_digest": made.heldout_digest,
            "results_digest": made.results_digest,
            "metric": made.metric,
            "score": made.score,
            "score_low": made.score_low,
            "score_high": made.score_high,
            "baseline": made.baseline,
            "baseline_score": made.baseline_score,
            "gate": "passed" if made.passed else "failed",
        },
        links={"model": asked.model_reference, "split": asked.split.reference},
    )
