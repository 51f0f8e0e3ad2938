"""List the benchmarks with their first line, or run one by its name."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent / "benchmarks"


def main() -> None:
    """``bench.py`` lists; ``bench.py subject/name [arguments]`` runs."""
    scripts = {
        str(path.relative_to(ROOT).with_suffix("")): path for path in sorted(ROOT.glob("*/*.py"))
    }
    if len(sys.argv) > 1:
        name, sys.argv = sys.argv[1], sys.argv[1:]
        if name not in scripts:
            sys.exit(f"no benchmark {name!r}; there are: {', '.join(scripts)}")
        runpy.run_path(str(scripts[name]), run_name="__main__")
        return
    for name, path in scripts.items():
        described = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        print(f"{name:24} {described.partition(chr(10))[0]}")


if __name__ == "__main__":
    main()
