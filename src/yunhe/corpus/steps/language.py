"""Says which language each document is in and drops those in others than asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.documents import Documents, Outcome, Prepared, Step, Values
from yunhe.corpus.kernels import classes
from yunhe.corpus.kernels.language import LANGUAGES, VERSION, languages
from yunhe.kernel.errors import Finding, Invalid

_OTHER, _MIXED = 1, 2
_ANY = "any"


def _prepare(options: Mapping[str, str]) -> Prepared:
    names = [name.strip() for name in options["keep"].split(",") if name.strip()]
    wrong = [name for name in names if name not in (*LANGUAGES, _ANY)]
    if wrong:
        known = ", ".join(LANGUAGES[:6])
        findings = [
            Finding("language", "corpus.language_unknown", (("name", name[:16]), ("known", known)))
            for name in wrong
        ]
        raise Invalid("corpus.profile_invalid", where="language", findings=findings)
    kept = np.array([not names or _ANY in names or name in names for name in LANGUAGES])
    if "zh" in names:
        kept[LANGUAGES.index("zh-Hant")] = True
    return Prepared(kept, {})


def _work(documents: Documents, values: Values) -> Outcome:
    codes, share = languages(documents.measures, documents.texts)
    kept = cast("NDArray[np.bool_]", values.prepared)
    reasons = np.zeros(len(documents), np.uint8)
    reasons[share < values["share_per_thousand_min"]] = _MIXED
    reasons[~kept[codes]] = _OTHER
    reasons[share == 0] = 0  # no letter at all: not in any language, and for `length` to say so
    return Outcome(reasons=reasons, scores=share, languages=codes)


STEP = Step(
    version=1,
    thresholds=("share_per_thousand_min",),
    options={"keep": ()},
    unset={"keep": _ANY},
    reasons=("other_language", "mixed_languages"),
    prepare=_prepare,
    work=_work,
    data={"unicode": classes.VERSION, "resiliparse": VERSION},
)
"""Language. Option ``keep``: codes with commas, e.g. ``zh,en``; ``zh`` means both scripts, none or
``any`` keeps all. The share is that of the leading script among all letters."""
