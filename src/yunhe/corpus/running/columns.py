"""Which columns of the inputs are left behind, so that nobody has to guess."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from yunhe.corpus import naming
from yunhe.corpus.domain import Columns
from yunhe.kernel.canonical import JsonObject

NAMES_MAX = 100
"""Names that are written out; the others are counted."""
_LETTERS_MAX = 64


def left_out(names: Iterable[Sequence[str]], columns: Columns) -> JsonObject:
    """Names of columns that nobody asked for, once each, in the order in which files have them.

    ``names``: those of each file, as far as its beginning tells. A key of a record may be anything,
    so one that is a personal detail, or too long to be a name, is only counted.
    """
    asked = [name for name in (columns.text, columns.label, columns.id) if name is not None]
    used = {*asked, *(name.partition(".")[0] for name in asked)}
    found = dict.fromkeys(each for file in names for each in file)
    others = [name for name in found if name not in used]
    plain = [name for name in others if 0 < len(name) <= _LETTERS_MAX][:NAMES_MAX]
    hidden = {row - 1 for row in naming.personal(pa.array(plain, pa.string()))} if plain else set()
    shown = [name for at, name in enumerate(plain) if at not in hidden]
    return {"names": shown, "others": len(others) - len(shown)}
