"""Kernels of the corpus count from the front only, and come from the cache without all of numba."""

from __future__ import annotations

import subprocess
import sys
import types

import numba
import numpy as np
import pytest

from yunhe.native import loading, straight

KNOWN = np.arange(10, dtype=np.int64)
LATER = KNOWN[5:]


def of(module: str, source: str):
    home = types.ModuleType(module)
    exec(f"def at(values, place):\n    return {source}", home.__dict__)
    return numba.njit("int64(int64[::1], int64)")(home.at)


@pytest.fixture(autouse=True)
def straight_here():
    loading.prepare_to_compile()
    straight.keep_straight("tests.straight")
    yield
    straight._PACKAGES.discard("_ZN5tests8straight")


def test_a_negative_index_of_a_kernel_is_what_lies_before_and_not_the_end():
    assert of("tests.straight", "values[place]")(LATER, -1) == 4


def test_an_index_that_is_written_out_counts_from_the_end():
    at = of("tests.straight", "values[-1] * 10 + values[-2]")
    assert at(LATER, 0) == at.py_func(LATER, 0) == 98


@pytest.mark.parametrize("place", range(5))
def test_every_other_index_is_what_it_was(place):
    at = of("tests.straight.deep", "values[place]")
    assert at(LATER, place) == at.py_func(LATER, place) == 5 + place


def test_functions_of_nobody_we_know_are_left_alone():
    assert of("tests.straightforward_not", "values[place]")(LATER, -1) == 9


def test_the_corpus_is_kept_straight():
    assert "_ZN5yunhe6corpus7kernels" in straight._PACKAGES


def test_a_kept_kernel_needs_neither_numbas_array_functions_nor_scipys_linear_algebra(tmp_path):
    source = (
        "import sys, pyarrow as pa\n"
        "from yunhe.corpus.kernels.utf8 import utf8\n"
        "from yunhe.corpus.kernels.hashing import text_hashes\n"
        "print(text_hashes(utf8(pa.array(['运河'], pa.large_string()))).tolist())\n"
        "print('numba.np.linalg' in sys.modules, 'scipy.linalg' in sys.modules)\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", source], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        for _ in range(2)
    ]
    assert said[0][0] == said[1][0]
    assert said[1][1] == "False False"
