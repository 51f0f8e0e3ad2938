"""Parts of kernels, compiled for nothing but to be taken into the kernels that call them.

numba would make of every function one that Python and C can call too, translate it to machine code
by itself, and do so again for each literal it is called with. None of that is used here, and it is
two fifths of the time that compiling takes.
"""

# ruff: noqa: ANN401, D102 - numba's own methods, which say nothing of their types
# mypy: disable-error-code="no-untyped-call, attr-defined"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher
from numba.core.types import unliteral

if TYPE_CHECKING:
    from collections.abc import Callable

_OPTIONS = {
    "nopython": True,
    "nogil": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}


class _Library(JITCodeLibrary):
    """What one part became: code to be linked, never run by itself.

    It is optimised even so: kernels made of raw parts run up to five times as long (measured).
    """

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class _Compiler(Compiler):
    """numba's own with that library, and without an address to call."""

    def _compile_core(self) -> Any:
        self.state.flags.no_compile = True
        name = self.state.func_id.func_qualname
        self.state.library = _Library(self.state.targetctx.codegen(), name)
        return super()._compile_core()


class Part(CPUDispatcher):
    """A function that kernels may call; called from Python it is the plain Python it is."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function, targetoptions=dict(_OPTIONS), pipeline_class=_Compiler)

    def __call__(self, *arguments: Any) -> Any:
        return self.py_func(*arguments)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        plain = {name: unliteral(given) for name, given in kws.items()}
        return super().get_call_template(tuple(unliteral(given) for given in args), plain)

    def add_overload(self, made: Any) -> None:
        types = tuple(made.signature.args)
        self.overloads[types] = made
        self.targetctx.insert_user_function((self, types), made.fndesc, [made.library])

    def get_overload(self, sig: Any) -> Any:
        return self, tuple(sig)


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a part of kernels, or as it is where numba is switched off."""
    return function if numba.config.DISABLE_JIT else Part(function)
