"""Kernels are compiled once, kept by what they are made of, and work where nothing can be kept."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from yunhe.corpus.kernels.utf8 import large_strings, utf8
from yunhe.native import compiled

_SUM = """
from yunhe.native import compiled
from yunhe.corpus.kernels.utf8 import utf8
import pyarrow as pa
@compiled.kernel(compiled.TEXT, compiled.OFFSETS)
def total(data, offsets):
    found = 0
    for at in range(offsets[0], offsets[-1]):
        found += data[at]
    return found
print(total(*utf8(pa.array(["运河"], pa.large_string()))), sum("运河".encode()))
print(compiled._folder(__name__), len(total.signatures))
"""


def run(folder: Path | str) -> list[str]:
    script = Path(folder) / "total.py" if Path(folder).is_dir() else None
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    arguments = ["-c", _SUM]
    if script is not None:
        script.write_text(_SUM)
        arguments = [str(script)]
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_a_kernel_is_kept_for_the_next_program_and_compiled_for_one_set_of_types(tmp_path):
    first = run(tmp_path)
    assert first[0] == first[1]
    assert first[3] == "1"
    kept = sorted(path.name for path in Path(first[2]).rglob("*.nbc"))
    assert len(kept) == 1
    assert run(tmp_path) == first
    assert sorted(path.name for path in Path(first[2]).rglob("*.nbc")) == kept


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_where_nothing_can_be_written_kernels_still_work(tmp_path):
    tmp_path.chmod(0o500)
    found = run(tmp_path / "none")
    assert found[0] == found[1]
    assert found[2] == "None"


def test_a_place_that_cannot_be_a_folder_keeps_nothing(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    found = run(file / "none")
    assert found[0] == found[1]
    assert found[2] == "None"


def test_a_change_in_any_source_of_a_package_asks_for_another_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kept"))
    package = types.ModuleType("made_up")
    package.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, "made_up", package)
    names, others = [], []
    for source in ("a = 1", "a = 2", "a = 1"):
        (tmp_path / "callee.py").write_text(source)
        compiled._folder.cache_clear()
        names.append(compiled._folder("made_up"))
        others.append(compiled._folder("yunhe.corpus.kernels"))
    compiled._folder.cache_clear()
    assert names[0] == names[2] != names[1]
    assert len(set(others)) == 1  # another package's kernels are not compiled again


def test_everything_declared_is_compiled_and_told(monkeypatch):
    done = []

    def twice(number):
        return number * 2

    monkeypatch.setattr(compiled, "_declared", {})
    monkeypatch.setattr(compiled, "PACKAGES", ())
    kernel = compiled.kernel(compiled.INT)(twice)
    assert compiled.compile_all(lambda *said: done.append(said)) == 1
    assert [said[:2] for said in done] == [(0, 1), (1, 1)]
    assert kernel(21) == kernel.py_func(21) == 42
    assert len(kernel.signatures) == 1


def test_texts_are_seen_without_a_copy_and_read_only():
    texts = pa.array(["甲乙", "", "abc", "丁"], pa.large_string())
    data, offsets = utf8(texts.slice(1, 2))
    assert (offsets - offsets[0]).tolist() == [0, 0, 3]
    assert bytes(data[offsets[0] : offsets[-1]]) == b"abc"
    assert not data.flags.writeable
    assert not offsets.flags.writeable
    again = large_strings(np.array(data), np.array(offsets))
    assert again.to_pylist() == ["", "abc"]
    assert utf8(texts.slice(0, 0)).offsets.tolist() == [0]


def test_a_part_is_compiled_once_for_all_literals_and_is_plain_python_to_python():
    @compiled.inner
    def times(number, factor):
        return number * factor

    @compiled.kernel(compiled.INT)
    def sixfold(number):
        return times(number, 2) + times(number, 3) + times(times(number, 1), number - number + 1)

    assert sixfold(7) == 42
    assert len(times.overloads) == 1
    assert times("ab", 2) == "abab"


def test_what_is_compiled_beforehand_is_what_a_scan_asks_for():
    from yunhe.corpus.personal.scan import scan  # noqa: PLC0415

    compiled.compile_all(lambda *said: None)
    before = {name: len(made.signatures) for name, (made, _) in compiled._declared.items()}
    scan(utf8(pa.array(["电话13812345678，a@qq.com，住在示范市示范路1号"], pa.large_string())))
    assert {n: len(made.signatures) for n, (made, _) in compiled._declared.items()} == before
