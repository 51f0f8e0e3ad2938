"""For tests of the engine: takes every @ for an e-mail address."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from yunhe.corpus.documents import Documents, Outcome, Spans, Step, Values
from yunhe.corpus.domain import PERSONAL_TYPES


def _work(documents: Documents, values: Values) -> Outcome:
    del values
    texts = documents.texts.to_pylist()
    places = [(row, at) for row, text in enumerate(texts) for at, c in enumerate(text) if c == "@"]
    codes = np.zeros(len(places), np.uint8)
    starts = np.array([at for _, at in places], np.int32)
    spans = Spans(
        np.array([row for row, _ in places], np.int64),
        starts,
        starts + np.int32(1),
        codes + np.uint8(PERSONAL_TYPES.index("EMAIL")),
        codes + np.uint8(90),
        codes,
    )
    masked = [text.replace("@", "[邮箱]") for text in texts]
    return Outcome(texts=pa.array(masked, pa.large_string()), spans=spans)


STEP = Step(version=1, work=_work)
