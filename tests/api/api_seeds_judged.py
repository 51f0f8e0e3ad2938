"""A model version of an organisation and what hangs on it, each with as little as it needs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from api_desk import Desk

from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.evaluation import store as evaluations
from yunhe.evaluation.domain import Evaluation, Split
from yunhe.governance import service as governance
from yunhe.kernel.ids import derived_id
from yunhe.models import store as models
from yunhe.models.domain import Deployment, ModelVersion

if TYPE_CHECKING:
    from api_seeds import Place

DIGEST = "sha256:" + "9" * 64


def model_of(desk: Desk, place: Place) -> ModelVersion:
    """A registered version, on record, whose three files are there."""
    put = desk.storage.blobs.put
    files = [put(f"{name} of {place.organisation}".encode()).digest for name in "wmc"]
    at_us = desk.now_us()
    made = ModelVersion(
        id=derived_id("model", place.organisation),
        reference="",
        name="seed",
        owner=place.organisation,
        model_digest=files[0],
        manifest_digest=files[1],
        card_digest=files[2],
        train_digest=DIGEST,
        state="registered",
        certificate=None,
        valid_until_us=None,
        state_at_us=at_us,
        at_us=at_us,
    )
    with desk.storage.database.begin() as tx:
        there = models.version(tx, made.id)
        if there is not None:
            return there
        body = {"model_digest": made.model_digest}
        reference = custody.append(tx, Record("model.version", made.id, at_us, body, {}))
        made = replace(made, reference=reference)
        models.add_version(tx, made)
    return made


def _deployment(desk: Desk, place: Place) -> str:
    version = model_of(desk, place)
    made = Deployment(
        id=derived_id("dep", place.organisation),
        reference="0" * 64,
        route=f"seed-{place.organisation[-8:]}",
        version=version.id,
        model_digest=version.model_digest,
        certificate="0" * 64,
        at_us=desk.now_us(),
    )
    with desk.storage.database.begin() as tx:
        models.add_deployment(tx, made)
    return made.id


def _split(desk: Desk, place: Place) -> str:
    made = Split(
        id=derived_id("split", place.organisation),
        reference="0" * 64,
        dataset_digest=DIGEST,
        train_digest=DIGEST,
        heldout_digest=DIGEST,
        grant_reference="0" * 64,
        held_out_percent=20,
        seed=7,
        groups=100,
        groups_heldout=20,
        documents_train=80,
        documents_heldout=20,
        documents_unlabelled=0,
        at_us=desk.now_us(),
        organisation=place.organisation,
    )
    with desk.storage.database.begin() as tx:
        evaluations.add_split(tx, made, request_digest=DIGEST)
    return made.id


def _evaluation(desk: Desk, place: Place) -> str:
    version = model_of(desk, place)
    made = Evaluation(
        id=derived_id("evaluation", place.organisation),
        reference="0" * 64,
        model_version=version.id,
        model_digest=version.model_digest,
        split="split_seed",
        heldout_digest=DIGEST,
        results={},
        results_digest=desk.storage.blobs.put(b'{"format":"yunhe-evaluation/1"}').digest,
        metric="macro_f1",
        score="0.900000",
        score_low="0.880000",
        score_high="0.920000",
        baseline="majority",
        baseline_score="0.100000",
        passed=True,
        at_us=desk.now_us(),
    )
    with desk.storage.database.begin() as tx:
        evaluations.add_run(tx, made, request_digest=DIGEST)
    return made.id


def _risk(desk: Desk, place: Place) -> str:
    version = model_of(desk, place)
    return governance.classify(
        desk.storage,
        key="seed",
        model_version=version.id,
        model_reference=version.reference,
        model_digest=version.model_digest,
        facts={},
    ).id


SEEDS = {
    "model": lambda desk, place: model_of(desk, place).id,
    "deployment": _deployment,
    "split": _split,
    "evaluation": _evaluation,
    "risk": _risk,
}
"""As `api_seeds.SEEDS`."""
