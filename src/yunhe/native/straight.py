"""Indexes that count from the front only.

numba lets an index be negative and then counts from the end, as Python does. In a kernel that test
is made for every byte, and it keeps loops from being made of wide instructions: without it the
kernels of the corpus run a fifth faster, and a plain copying loop thirty times (measured).
A number that is written out, such as the -1 of ``offsets[-1]``, counts from the end as ever. Any
other negative index is a fault of the kernel and reads what lies before the array; the plain Python
that each kernel is tested against would read the array's end, so such tests show it.
"""

# mypy: disable-error-code="no-untyped-call, import-untyped"

from __future__ import annotations

from typing import Any

from llvmlite.ir import Constant
from numba.core import types
from numba.np import arrayobj

_BEFORE = arrayobj.fix_integer_index


def keep_straight(package: str) -> None:
    """From now on, compile the functions of a package's modules without negative indexes.

    Nobody else's are touched, not even numba's own parts that such a function calls.
    """
    _PACKAGES.add("_ZN" + "".join(f"{len(name)}{name}" for name in package.split(".")))


_PACKAGES: set[str] = set()
"""How the names of their functions begin in machine code."""


def _fixed(context: Any, builder: Any, kind: Any, index: Any, size: Any) -> Any:  # noqa: ANN401
    written_out = isinstance(index, Constant)
    if kind.signed and not written_out and builder.function.name.startswith(tuple(_PACKAGES)):
        return context.cast(builder, index, kind, types.intp)
    return _BEFORE(context, builder, kind, index, size)


arrayobj.fix_integer_index = _fixed
