"""A profile of one quick step that keeps evidence of every document and drops some."""

from __future__ import annotations

from corpus_engine_desk import number

from yunhe.corpus.domain import Profile, StepPlan


def quick() -> Profile:
    return Profile("quick", 1, number(100), (StepPlan("engine_quick"),))
