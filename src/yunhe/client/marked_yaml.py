"""YAML that people write by hand, read with the place of every value."""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml

Place = tuple[str | int, ...]
"""Names and positions from the top of a file to a value."""
_SAFE = yaml.SafeLoader
_NUMBER = "tag:yaml.org,2002:int"


@dataclass(frozen=True, slots=True)
class Marked:
    """What a file says, and where."""

    value: object
    """As YAML's safe reader has it; None for an empty file."""
    values: dict[Place, yaml.Mark]
    """Where each value stands."""
    keys: dict[Place, yaml.Mark]
    """Where the key of each value of a mapping stands."""
    twice: list[tuple[str, yaml.Mark]]
    """Keys given twice in one mapping, of which YAML keeps only the last."""
    numbers: dict[Place, str] = field(default_factory=dict)
    """Each whole number as it is written: YAML reads 010 as 8 and 1:30:00 as 5400."""


class _Loader(_SAFE):
    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.twice: list[tuple[str, yaml.Mark]] = []

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """As the library's, without aliases: a few of them nested would stand for billions."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not used", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002 (the library's signature)
        """As the library's, and notes keys given twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    self.twice.append((key.value, key.start_mark))
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def read(source: str) -> Marked:
    """The only document of a text.

    Errors: `yaml.YAMLError`, with a mark where it knows one; `ValueError` or `OverflowError` for a
    date or number that is none; `RecursionError` for what is nested too deep.
    """
    loader = _Loader(source)
    try:
        node = loader.get_single_node()
        value = None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()
    found = Marked(value, {}, {}, loader.twice)
    if node is not None:
        _mark(node, (), found)
    return found


def _mark(node: yaml.Node, place: Place, found: Marked) -> None:
    found.values[place] = node.start_mark
    if isinstance(node, yaml.ScalarNode) and node.tag == _NUMBER:
        found.numbers[place] = node.value
    if isinstance(node, yaml.MappingNode):
        for key, item in node.value:
            inside = (*place, str(key.value))
            found.keys[inside] = key.start_mark
            _mark(item, inside, found)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _mark(item, (*place, index), found)
