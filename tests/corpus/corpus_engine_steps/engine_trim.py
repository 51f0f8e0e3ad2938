"""For tests of the engine: takes marks of noise out, drops what is too noisy or says so."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from yunhe.corpus.documents import Documents, Outcome, Removed, Step, Values


def _work(documents: Documents, values: Values) -> Outcome:
    texts = documents.texts.to_pylist()
    noise = np.array([text.count("#") for text in texts], np.int32)
    reasons = np.where(noise > values["noise_max"], 2, 0).astype(np.uint8)
    reasons[[text.startswith("drop") for text in texts]] = 1
    repairs = np.array([text.startswith("mend") for text in texts]).astype(np.uint8)
    places = [(row, at) for row, text in enumerate(texts) for at, c in enumerate(text) if c == "#"]
    removed = Removed(
        np.array([row for row, _ in places], np.int64),
        np.array([at for _, at in places], np.int32),
        np.array([at + 1 for _, at in places], np.int32),
        np.ones(len(places), np.uint8),
    )
    return Outcome(
        texts=pa.array([text.replace("#", "") for text in texts], pa.large_string()),
        reasons=reasons,
        repairs=repairs,
        scores=noise,
        removed=removed,
    )


STEP = Step(
    version=3,
    thresholds=("noise_max",),
    reasons=("told_to", "noisy"),
    repairs=("mended",),
    removes=("noise",),
    work=_work,
)
