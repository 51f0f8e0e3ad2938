"""Checks a tenth of a dataset by rules: what a profile would still drop or mask does not pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from yunhe.corpus import pipeline
from yunhe.corpus.documents import Documents
from yunhe.corpus.domain import Profile
from yunhe.corpus.review import store, verdicts
from yunhe.corpus.review.domain import Review
from yunhe.corpus.review.ending import end
from yunhe.corpus.review.opening import Opening, drawn_from, new
from yunhe.corpus.review.rules import rules
from yunhe.corpus.review.sampling import BATCH_ROWS, sample_bytes
from yunhe.corpus.review.verdicts import Outcome
from yunhe.kernel.canonical import digest_of
from yunhe.kernel.progress import Progress
from yunhe.storage.service import Storage

LEFT = "personal.left"
"""Why a document fails in which a personal detail is found that should have been masked."""
Checker = Callable[[pa.LargeStringArray], Sequence[str]]
"""Texts in; for each why it fails, empty for a pass."""


def of_profile(profile: Profile) -> Checker:
    """A checker that runs a profile's steps again, keyword libraries and personal details included.

    Steps that compare documents with each other say nothing here: a sample is not the whole.
    Errors: `Invalid` ``corpus.profile_invalid``.
    """
    built = pipeline.build(profile)

    def check(texts: pa.LargeStringArray) -> list[str]:
        count = len(texts)
        given = Documents(texts, np.zeros(count, np.bool_), np.zeros(count, np.uint8))
        done = pipeline.process(built, given)
        said = [""] * count
        for document in np.unique(done.spans.documents).tolist():
            said[document] = LEFT
        for marks in done.drops:
            reasons = built.steps[marks.step].step.reasons
            for row, code in zip(marks.rows.tolist(), marks.codes.tolist(), strict=True):
                said[row] = reasons[code - 1]
        return said

    return check


def check(storage: Storage, certificate: str, *, profile: Profile, progress: Progress) -> Review:
    """Check a certified dataset by a profile's rules and put the result on record.

    The same dataset and profile again is the same check; another profile is another round.
    Errors: `NotFound` ``corpus.certificate_unknown``; `Invalid` ``corpus.profile_invalid``.
    """
    checker = of_profile(profile)
    opening = drawn_from(storage, certificate, kind="technical")
    said = _said(opening, checker, progress)
    asked = digest_of({"profile": profile.as_json(), "rules": rules().version})
    strata = opening.drawn.strata.tolist()
    outcomes = [
        Outcome(stratum, "fail" if why else "pass", (why,) if why else ())
        for stratum, why in zip(strata, said, strict=True)
    ]
    found = verdicts.weigh(
        outcomes,
        opening.drawn.known,
        check=rules().checks["technical"],
        population=opening.drawn.population,
    )
    result = {**found, "profile": f"{profile.name} {profile.version}"}
    kept = opening.sample.drop_columns(["text"]).append_column(
        "reason", pa.array(said, pa.string())
    )
    sample = storage.blobs.put(sample_bytes(kept)).digest
    at_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        for there in store.of_certificate(tx, certificate, "technical"):
            if store.request_of(tx, there.id) == asked:
                return there
        made = new(tx, opening, sample, at_us=at_us)
        store.add(tx, made, opening.drawn.known, request=asked)
        return end(tx, replace(made, state="finished", ended_at_us=at_us, result=result))


def _said(opening: Opening, checker: Checker, progress: Progress) -> list[str]:
    said: list[str] = []
    texts = opening.sample.column("text").cast(pa.large_string())
    for at in range(0, len(texts), BATCH_ROWS):
        batch = texts.slice(at, BATCH_ROWS).combine_chunks()
        said += checker(batch.fill_null(""))
        progress.step("corpus.documents", done=len(said), total=len(texts))
    return said
