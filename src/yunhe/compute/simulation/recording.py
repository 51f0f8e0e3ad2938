"""Passes of a live scheduler written down, to be decided again.

A pass is kept with what it saw, the policy in force, what it decided, what it keeps free for whom
and whom it asks to make room; `replayed` gives each picture to the engine again and compares. As
the engine is pure, any difference is a difference of the code. Passes stand in a journal of their
own (`Journal`, `passes.journal`) or within the export of a platform (`exporting`).

Neither holds what a workload runs, its arguments, inputs, secrets or who sent it: only ids of
organisations and workloads, sizes, times and places.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from yunhe.compute.passes.domain import Seen
from yunhe.compute.passes.pushing import wanted
from yunhe.compute.scheduling.engine import Engine, passed
from yunhe.compute.scheduling.estate import bits
from yunhe.compute.scheduling.policies import YUNHE, Policy, on_platform
from yunhe.compute.scheduling.state import Decision, Picture, Preemption
from yunhe.compute.simulation.differing import DIFFERENCES_MAX, Difference, differences
from yunhe.compute.simulation.traces.export import FORMAT, VERSIONS
from yunhe.kernel.errors import Invalid

JOURNAL = "yunhe-passes"
"""Names the format of a journal in its first line."""
JOURNAL_VERSION = 2
"""1: a picture and what was decided, always by `yunhe`. 2: also the policy, what is kept free and
who is asked to make room."""

Json = object
"""What `json` reads and writes."""


def header() -> str:
    """The first line of a journal."""
    return line_of({"format": JOURNAL, "version": JOURNAL_VERSION})


def line_of(value: Mapping[str, Json]) -> str:
    """A line of a recording."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True) + "\n"


def told_of(
    seen: Seen,
    decisions: Sequence[Decision],
    asked: Sequence[Preemption] | None = None,
    *,
    now_us: int,
) -> dict[str, Json]:
    """A pass as plain values; ``asked``: to make room, None where nobody looked for any.

    *Cost*: a second pass, for what is kept free.
    """
    engine, _ = passed(seen.picture, now_us=now_us, policy=on_platform(seen.policy))
    said: dict[str, Json] = {
        "now_us": now_us,
        "policy": seen.policy,
        "picture": plain(seen.picture),
        "decided": digest_of(decisions),
        "kept": kept_of(engine),
    }
    if asked is not None:
        said |= {"asked": digest_of(asked), "served": sorted(seen.served)}
    return said


def kept_of(engine: Engine) -> list[Json]:
    """What an engine keeps free: for whom, where, and from when."""
    return [
        {
            "of": name,
            "pool": engine.estate.groups[one.group].pool.id,
            "group": one.group,
            "nodes": list(bits(one.nodes)),
            "ready_us": one.ready_us,
        }
        for name, one in sorted(engine.reservations.all.items())
    ]


class Journal:
    """Passes of the scheduler, appended to a file as they happen."""

    def __init__(self, path: Path) -> None:
        """The file is begun if it is not there; several processes may keep one together."""
        self._path = path
        self._append("")

    def note(
        self,
        picture: Picture,
        decisions: Sequence[Decision],
        *,
        now_us: int,
        policy: str = YUNHE.name,
    ) -> None:
        """Keep one pass; who was asked to make room is not known here."""
        self._append(line_of(told_of(Seen(picture, policy), decisions, now_us=now_us)))

    def _append(self, line: str) -> None:
        """One line at the end, never within another; after half a one on a line of its own."""
        with self._path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
            size = file.seek(0, os.SEEK_END)
            begun = b"" if size else header().encode()
            if size:
                file.seek(size - 1)
                begun = b"" if file.read(1) == b"\n" else b"\n"
            file.write(begun + line.encode())

    def listening(
        self, deciding: Callable[..., Sequence[Decision]]
    ) -> Callable[..., Sequence[Decision]]:
        """``decide`` as before, with every pass kept."""

        def decide_and_note(
            picture: Picture, *, now_us: int, policy: Policy = YUNHE
        ) -> Sequence[Decision]:
            decisions = deciding(picture, now_us=now_us, policy=policy)
            self.note(picture, decisions, now_us=now_us, policy=policy.name)
            return decisions

        return decide_and_note


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the passes of a recording."""

    passes: int
    """Passes given to the engine again."""
    decisions: int
    """Decisions in them."""
    different: tuple[int, ...]
    """Lines of the passes that came out differently: decided, kept free or asked to make room."""
    broken: int
    """Lines that could not be read, e.g. the last one of a process that was killed."""
    pushes: int = 0
    """Runs that were asked to make room."""
    kept: int = 0
    """Requests for which nodes were kept free, in all passes together."""
    differences: tuple[Difference, ...] = ()
    """What of the first of them is different, `DIFFERENCES_MAX` at most."""


def is_journal(path: Path, *, form: str = JOURNAL) -> bool:
    """Whether its first line says so; ``form``: or that it is an export of a platform."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return f'"{form}"'.encode() in file.readline(200)


def replayed(path: Path) -> Replayed:
    """Decide every pass of a journal, or of a platform's export, again, and compare.

    Errors: `Invalid` ``simulate.export_version`` for a file that is neither, or of a later version.
    """
    passes = decisions = broken = pushes = kept = 0
    different: list[int] = []
    told: list[Difference] = []
    for line, said, version in _passes(path):
        try:
            again = _again(said, version=version)
            expected = {name: said[name] for name in again}
        except (KeyError, TypeError, ValueError):
            broken += 1
            continue
        passes += 1
        decisions += len(again["decided"])
        pushes += len(again.get("asked", ()))
        kept += len(again.get("kept", ()))
        expected["decided"] = _completed(expected["decided"])
        if again != expected:
            different.append(line)
            if len(told) < DIFFERENCES_MAX:
                at_us = int(str(said["now_us"]))
                told += differences(expected, again, (passes, line, at_us))
    first = tuple(told[:DIFFERENCES_MAX])
    return Replayed(passes, decisions, tuple(different), broken, pushes, kept, first)


def _again(said: Mapping[str, Json], *, version: int) -> dict[str, list[Json]]:
    """What a kept pass comes to now, as far as it was kept. Errors: those of `revived`."""
    if version > 1 and not {"policy", "kept"} <= said.keys():
        raise KeyError("policy, kept")
    picture = revived(Picture, said["picture"])
    assert isinstance(picture, Picture)  # noqa: S101 - what `revived` was asked for
    now_us = int(str(said["now_us"]))
    policy = on_platform(str(said.get("policy", YUNHE.name)))
    engine, decisions = passed(picture, now_us=now_us, policy=policy)
    again = {"decided": digest_of(decisions)}
    if "kept" in said:
        again["kept"] = kept_of(engine)
    if "asked" in said:
        served = said["served"]
        if not isinstance(served, list):
            raise TypeError("served")
        for_whom = {str(one) for one in served}
        asked = wanted(picture, decisions, served=for_whom, now_us=now_us, policy=policy)
        again["asked"] = digest_of(asked)
    return again


_LATER: Mapping[str, Mapping[str, Json]] = {"Placement": {"term": "on_demand"}}
# Fields of decisions that older journals do not have, and what was meant then.


def _completed(decided: Json) -> Json:
    if not isinstance(decided, list):
        return decided
    return [
        {**_LATER.get(str(one.get("what")), {}), **one, **_drawn(one)}
        if isinstance(one, dict)
        else one
        for one in decided
    ]


def _drawn(one: Mapping[str, Json]) -> dict[str, Json]:
    """The draws of a placement, as they are written since awards may be for several chips."""
    draws = one.get("draws")
    if not isinstance(draws, list):
        return {}
    return {"draws": [{**_DRAW, **each} if isinstance(each, dict) else each for each in draws]}


_DRAW: Mapping[str, Json] = {"of": "", "raw_ms": 0, "per_thousand": 1_000}


def _passes(path: Path) -> Iterator[tuple[int, dict[str, Json], int]]:
    """The passes of a journal, or those that a platform's export holds: line, content, version."""
    among, version = "", 0
    with path.open(encoding="utf-8", errors="replace") as file:
        for line, text in enumerate(file, 1):
            try:
                said = json.loads(text)
            except (ValueError, RecursionError):
                said = None
            if line == 1:
                among, version = _format(said, path.name)
            elif among == JOURNAL:
                yield line, said if isinstance(said, dict) else {}, version
            elif isinstance(said, dict) and said.get("type") == "pass":
                yield line, said, version


def _format(said: Json, name: str) -> tuple[str, int]:
    """Which of the two a first line begins, in which version. Errors: those of `replayed`."""
    head = said if isinstance(said, dict) else {}
    form, version = head.get("format"), head.get("version")
    known = {JOURNAL: range(1, JOURNAL_VERSION + 1), FORMAT: VERSIONS}
    if isinstance(form, str) and type(version) is int and version in known.get(form, ()):
        return form, version
    raise Invalid("simulate.export_version", file=name, version=str(version or "?")[:20])


def digest_of(decisions: Sequence[Decision]) -> list[Json]:
    """Decisions as plain values, without the requests' own words: who, what, where, under what."""
    told: list[Json] = []
    for decision in decisions:
        said = {
            field.name: plain(getattr(decision, field.name))
            for field in dataclasses.fields(decision)
            if field.name != "request"
        }
        told.append({"what": type(decision).__name__, "of": decision.request.id, **said})
    return told


def plain(value: object) -> Json:
    """Dataclasses as objects, tuples and sets as lists, mappings as lists of pairs."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return [[plain(key), plain(one)] for key, one in value.items()]
    if isinstance(value, frozenset | set):
        return sorted((plain(one) for one in value), key=str)
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    return value


def revived(kind: object, said: Json) -> object:
    """The value of that type from what `plain` made of it.

    Errors: `TypeError`, `KeyError`, `ValueError` when it is none.
    """
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _one_of(inside, said)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if not isinstance(said, dict):
            raise TypeError(kind.__name__)
        hints = _hints(kind)
        return kind(**{name: revived(hints[name], one) for name, one in said.items()})
    if origin is typing.Literal:
        fits = said in inside
    elif origin is None:
        fits = kind not in (int, str, bool) or type(said) is kind
    else:
        if isinstance(said, list):
            return _several(origin, inside, said)
        fits = False
    if not fits:
        raise TypeError(str(kind))
    return said


def _several(origin: object, inside: Sequence[object], said: list[Json]) -> object:
    if origin is frozenset:
        return frozenset(_key(inside[0], one) for one in said)
    if origin is not tuple:
        pairs = [one for one in said if isinstance(one, list)]
        return {_key(inside[0], key): revived(inside[1], one) for key, one in pairs}
    if len(inside) == 2 and inside[1] is Ellipsis:
        return tuple(revived(inside[0], one) for one in said)
    return tuple(revived(each, one) for each, one in zip(inside, said, strict=True))


def _one_of(kinds: Sequence[object], said: Json) -> object:
    if said is None:
        return None
    real = [kind for kind in kinds if kind is not type(None)]
    return revived(real[0], said) if len(real) == 1 else said


def _key(kind: object, said: Json) -> typing.Hashable:
    found = revived(kind, said)
    if not isinstance(found, typing.Hashable):
        raise TypeError(str(kind))
    return found


@cache
def _hints(kind: type) -> dict[str, object]:
    return typing.get_type_hints(kind)
