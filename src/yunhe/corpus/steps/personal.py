"""Finds personal details and puts something else in their place (de-identification, 去标识化).

Options: ``mode`` (placeholder, mask, delete, pseudonym, generalise), ``key`` (a file with 32 bytes
or more, for pseudonyms), ``names`` (``rules``, ``none`` or the file of a tagger that was trained
here), ``types`` (those to look for, with commas; empty for all).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from yunhe.corpus import errors
from yunhe.corpus.documents import Documents, Outcome, Prepared, Spans, Step, Values
from yunhe.corpus.domain import PERSONAL_TYPES, PersonalType
from yunhe.corpus.kernels.utf8 import Utf8
from yunhe.corpus.personal import details
from yunhe.corpus.personal.finders import RULES, names_by
from yunhe.corpus.personal.found import Found, as_spans
from yunhe.corpus.personal.redact import MODES, Mode, Redaction, read_key, redacted
from yunhe.corpus.personal.scan import VERSION, NameFinder, scan
from yunhe.kernel.canonical import JsonObject


@dataclass(frozen=True, slots=True)
class _Ready:
    """What the options asked for."""

    how: Redaction
    """What stands in place of a find."""
    names: NameFinder | None
    """What finds names."""
    types: frozenset[PersonalType] | None
    """What is looked for; None for everything."""


def _prepare(options: Mapping[str, str]) -> Prepared:
    mode = cast("Mode", options["mode"])
    if bool(options["key"]) != (mode == "pseudonym"):
        raise errors.key_misplaced(mode)
    key = read_key(Path(options["key"])) if options["key"] else None
    how = Redaction(mode, key)
    names, data = names_by(options["names"])
    wanted = [word.strip().upper() for word in options["types"].split(",") if word.strip()]
    unknown = [word for word in wanted if word not in PERSONAL_TYPES]
    if unknown:
        raise errors.types_unknown(unknown)
    types = frozenset(cast("list[PersonalType]", wanted)) or None
    digests: JsonObject = {"words": details.DIGEST, "names": data}
    if key is not None:
        digests = {**digests, "key": how.key_digest}
    return Prepared(_Ready(how, names, types), digests)


def looking(values: Values) -> Callable[[Utf8], Found]:
    """The scan as a profile asks for it; probes go through the same."""
    ready = _ready(values)
    return partial(
        scan,
        names=ready.names,
        score_percent_min=values["score_percent_min"],
        types=ready.types,
    )


def _ready(values: Values) -> _Ready:
    if not isinstance(values.prepared, _Ready):
        raise TypeError("the step was not prepared")
    return values.prepared


def _work(documents: Documents, values: Values) -> Outcome:
    ready, seen = _ready(values), documents.utf8
    found = looking(values)(seen)
    if not len(found):
        return Outcome(spans=Spans.none())
    texts = redacted(documents.texts, seen, found, ready.how)
    return Outcome(texts=texts, spans=as_spans(found, seen))


STEP = Step(
    version=VERSION,
    thresholds=("score_percent_min",),
    options={"mode": MODES, "key": (), "names": (), "types": ()},
    unset={"names": RULES, "types": ",".join(PERSONAL_TYPES)},
    prepare=_prepare,
    work=_work,
)
"""Personal details."""
