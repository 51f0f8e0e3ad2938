"""Kernels from the cache without the whole of numba, and whatever compiling needs when it needs it.

numba loads its library of array functions, random numbers and more before it looks into its cache:
a seventh of a second at every start, for nothing where every kernel is kept.
"""

# mypy: disable-error-code="no-untyped-call, attr-defined"

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numba
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

if TYPE_CHECKING:
    from collections.abc import Callable


def keep(made: Any, function: Callable[..., Any], folder: object) -> None:  # noqa: ANN401
    """Have what was declared kept by `Kept`; ready to be compiled at once where nothing is kept.

    ``made``: numba's dispatcher of the function; ``folder``: where its kind is kept, or None.
    """
    if folder is None or numba.config.DISABLE_JIT:
        prepare_to_compile()
    else:
        made._cache = Kept(function)  # noqa: SLF001 - numba lets nobody choose it


class Kept(FunctionCache):
    """numba's own cache of one function, but for what it loads beforehand."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:  # noqa: ANN401 - numba's own
        """The compiled function, or None; then everything is ready to compile it."""
        rtsys.initialize(target_context)  # what compiled code calls while it runs
        found = None
        with self._guard_against_spurious_io_errors():
            found = self._load_overload(sig, target_context)
        if found is None:
            prepare_to_compile()
        return found


@cache
def prepare_to_compile() -> None:
    """Load numba's array functions without SciPy, whose linear algebra no kernel uses.

    numba imports it with them where it is installed, which costs a third of a second. Also see to
    it that kernels of the corpus count from the front only, see `straight`.
    """
    name = "scipy.linalg"
    absent = name not in sys.modules
    if absent:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        import_module("numba.np.arraymath")
    finally:
        if absent:
            del sys.modules[name]
    from yunhe.native.straight import keep_straight  # noqa: PLC0415 - slow, and not at every start

    keep_straight("yunhe.corpus.kernels")
