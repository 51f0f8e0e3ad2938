"""Of a lower floor only its face is imported; what import-linter's layers cannot say."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "yunhe"
FLOORS = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").is_file()}
OPEN = {"kernel", "storage", "reports", "client", "outbound", "native"}
"""Floors whose modules each are one small tool: any of them may be imported."""
FACE = {"domain", "service", "errors"}
ALONE = {
    "yunhe.compute.simulation.comparing",
    "yunhe.custody.verifier",
    "yunhe.corpus.cleaning",
    "yunhe.corpus.retention",
    "yunhe.corpus.training",
    "yunhe.corpus.risk",
    "yunhe.corpus.tables",
}
"""Doors that work without a platform, so the composition root has no part in them."""
FILES = sorted(SOURCE.rglob("*.py"))


def for_signatures(tree: ast.Module) -> set[ast.AST]:
    """What is imported for type checking only."""
    asked = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {inside for node in asked for inside in ast.walk(node)}


def imported(path: Path, prefix: str = "yunhe.", *, at_run_time: bool = False) -> set[str]:
    names = set()
    tree = ast.parse(path.read_text("utf-8"))
    left_out = for_signatures(tree) if at_run_time else set()
    for node in ast.walk(tree):
        if node in left_out:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith(prefix)}


def test_a_floor_uses_only_the_face_of_another():
    offenders = []
    for path in FILES:
        own = path.relative_to(SOURCE).parts[0]
        if own in {
            "__main__.py",
            "app.py",
            "cli",
        }:  # the composition root builds; the doors are checked below
            continue
        for name in imported(path):
            parts = name.split(".")
            floor, module = parts[1], parts[2] if len(parts) > 2 else ""
            if floor in FLOORS - OPEN - {own} and module not in FACE:
                offenders.append(f"{path.relative_to(SOURCE)}: {name}")
    assert offenders == []


def test_the_command_line_reaches_floors_only_through_the_composition_root_and_faces():
    allowed = {
        "cli",
        "api",
        "app",
        "client",
        "kernel",
        "operations",
        "plans",
        "reports",
        "settings",
    }
    offenders = [
        f"{path.name}: {name}"
        for path in (SOURCE / "cli").glob("*.py")
        for name in imported(path, at_run_time=True)
        if name.split(".")[1] not in allowed
        and name.split(".")[2] != "domain"  # plain types
        and not any(name == door or name.startswith(f"{door}.") for door in ALONE)
    ]
    assert offenders == []


def test_only_a_store_touches_tables():
    statements = {
        f"sqlalchemy.{name}" for name in ("select", "insert", "update", "delete", "Table")
    }
    offenders = []
    for path in FILES:
        relative = path.relative_to(SOURCE)
        if relative.parts[0] == "storage" or path.name in {"store.py", "tables.py"}:
            continue
        if imported(path, prefix="sqlalchemy.") & statements:
            offenders.append(str(relative))
    assert offenders == []


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "__init__.py"], ids=str)
def test_no_package_imports_anything_when_it_is_imported(path):
    body = ast.parse(path.read_text("utf-8")).body
    assert [type(node).__name__ for node in body] == ["Expr"]


def test_files_and_functions_keep_their_bounds():
    too_long = []
    for path in FILES:
        if "versions" in path.parts:  # migrations are written once and never read as a whole
            continue
        source = path.read_text("utf-8")
        if len(source.splitlines()) > 400:
            too_long.append(f"{path.relative_to(SOURCE)}: {len(source.splitlines())} lines")
        too_long += [
            f"{path.relative_to(SOURCE)}: {node.name}"
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (node.end_lineno or 0) - node.lineno >= 75
        ]
    assert too_long == []


def test_the_tests_are_at_least_as_long_as_what_they_test():
    def lines(folder: Path) -> int:
        return sum(bool(line.strip()) for path in folder.rglob("*.py") for line in path.open("rb"))

    assert lines(Path(__file__).parents[1]) >= 0.8 * lines(SOURCE)
