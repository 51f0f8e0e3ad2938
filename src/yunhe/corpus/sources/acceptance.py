"""What stands against using a source. Pure; what nobody knows stands against it too."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.corpus.sources.domain import Source
from yunhe.kernel.errors import Finding

_BASES = {
    "personal": ("consent", "separate_consent", "contract", "law"),
    "sensitive": ("separate_consent", "law"),
}


def obstacles(source: Source) -> list[Finding]:
    """Everything that keeps the source from being accepted; none when it may be."""
    return [*_of_sample(source), *_of_terms(source), *_of_collection(source)]


def _of_sample(source: Source) -> Iterator[Finding]:
    found = source.judgement
    numbers = (
        ("illegal", found.illegal),
        ("looked", found.looked),
        ("high", _percent(found.high_per_million)),
        ("percent_max", found.percent_max),
    )
    if found.verdict == "none":
        yield Finding("samples", "corpus.source_not_sampled")
    elif found.verdict == "more":
        yield Finding("samples", "corpus.source_sample_more", numbers)
    elif found.verdict == "over":
        yield Finding("samples", "corpus.source_over_bound", numbers)


def _of_terms(source: Source) -> Iterator[Finding]:
    licence = (("licence", source.facts.licence[:200]),)
    if source.terms.may_train == "no":
        yield Finding("licence", "corpus.source_training_forbidden", licence)
    elif source.terms.may_train == "unknown":
        yield Finding("licence", "corpus.source_training_unknown", licence)


def _of_collection(source: Source) -> Iterator[Finding]:
    facts = source.facts
    if facts.method == "crawled":
        if facts.robots == "excluded":
            yield Finding("robots", "corpus.source_robots_excluded")
        elif facts.robots != "allowed":
            yield Finding("robots", "corpus.source_robots_unknown")
        if not facts.site_terms.strip():
            yield Finding("site_terms", "corpus.source_site_terms_unknown")
    if facts.method == "purchased" and not facts.agreement.strip():
        yield Finding("agreement", "corpus.source_agreement_missing")
    if facts.personal_data == "unknown":
        yield Finding("personal_data", "corpus.source_personal_unknown")
    elif facts.consent not in _BASES.get(facts.personal_data, (facts.consent,)):
        yield Finding("consent", "corpus.source_consent_missing")


def _percent(per_million: int) -> str:
    """Per million as percent, rounded up to two places, without floats."""
    hundredths = -(-per_million // 100)
    return f"{hundredths // 100}.{hundredths % 100:02d}"
