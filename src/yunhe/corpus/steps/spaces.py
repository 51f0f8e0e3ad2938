"""Tidies white space; never touches a hanzi or a punctuation mark."""

from __future__ import annotations

from functools import partial

from yunhe.corpus.documents import Documents, Outcome, Step, Values
from yunhe.corpus.edits import applied, collected, touched
from yunhe.corpus.kernels.spaces import WRITTEN, spaces

_LINE_ENDS = {"keep": 1 << 40, "one": 2, "none": 1}
"""Line ends that may follow each other, by what is asked for blank lines."""


def _work(documents: Documents, values: Values) -> Outcome:
    texts, asked = documents.utf8, values.options
    tabs, runs = int(asked["tabs"] == "space"), int(asked["runs"] == "one")
    lines = _LINE_ENDS[asked["blank_lines"]]
    edits = collected(
        partial(spaces, texts.data, texts.offsets, tabs, runs, lines), 1024 + len(texts.data) // 256
    )
    if not len(edits):
        return Outcome()
    return Outcome(texts=applied(texts, edits, WRITTEN), repairs=touched(texts, edits))


STEP = Step(
    version=1,
    options={
        "tabs": ("keep", "space"),
        "runs": ("keep", "one"),
        "blank_lines": ("keep", "one", "none"),
    },
    repairs=("spaces",),
    work=_work,
)
"""White space: that of Unicode as plain spaces, none at ends, nothing without width, no controls.

Options: ``tabs`` within lines as spaces; ``runs`` of spaces within lines (never their indentation)
as one; ``blank_lines`` in a row kept, cut to one, or taken out.
"""
