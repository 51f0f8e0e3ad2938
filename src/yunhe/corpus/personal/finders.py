"""What finds names: the rules, nothing, or a model that an operator trained."""

from __future__ import annotations

from pathlib import Path

from yunhe.corpus.kernels.utf8 import Utf8
from yunhe.corpus.personal import lexicon, names
from yunhe.corpus.personal.found import Found, merged
from yunhe.corpus.personal.scan import NameFinder
from yunhe.corpus.personal.tagger.words import words
from yunhe.kernel.canonical import JsonObject

RULES = "rules"
"""The option that names what finds names where none is named."""
RULES_PERCENT_MIN = 70
"""Score of the rules' finds that are added to a tagger's: those that words around them tell."""


def names_by(option: str) -> tuple[NameFinder | None, JsonObject]:
    """The finder for an option, and what names it in a digest.

    ``option``: ``rules`` (or nothing), ``none``, the file of a trained tagger, or the folder of a
    token classifier (which needs ``yunhe[torch]``).

    Errors: those of `yunhe.corpus.personal.tagger.finding.load` and ``tagger.torch.load``.
    """
    if option == "none":
        return None, {"by": "none"}
    if option in ("", RULES):
        return names.find, {"by": "rules", "words": lexicon.DIGEST, "characters": words().digest}
    path = Path(option)
    if path.is_dir():
        from yunhe.corpus.personal.tagger import torch  # noqa: PLC0415 - an extra

        return torch.load(path)
    from yunhe.corpus.personal.tagger.finding import load  # noqa: PLC0415 - kernels only it needs

    finder, data = load(path)
    return beside_rules(finder), {"by": "tagger", "weights": data, "words": lexicon.DIGEST}


def beside_rules(finder: NameFinder) -> NameFinder:
    """What a tagger finds, and what the words around a name say plainly (score 70 and more)."""

    def both(texts: Utf8) -> Found:
        told = names.find(texts)
        return merged([finder(texts), told.where(told.scores >= RULES_PERCENT_MIN)])

    return both
