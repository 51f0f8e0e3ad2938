"""Looks for planted values in whatever a process leaves, in every form they could have taken."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import os
import threading
import time
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

LOOK_SECONDS = 0.01
_UNPACKED_BYTES_MAX = 200 << 20


def forms(value: str | bytes) -> set[bytes]:
    """The ways in which a value may stand in a file. Not the product's own list, on purpose."""
    raw = value if isinstance(value, bytes) else value.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    found |= {base64.b64encode(raw).rstrip(b"="), base64.urlsafe_b64encode(raw).rstrip(b"=")}
    for before in (b"-", b"--"):  # within longer base64, where its letters fall otherwise
        shifted = base64.b64encode(before + raw)
        found.add(shifted[2 if before == b"-" else 3 : -4])
    found |= {urllib.parse.quote(raw).encode(), urllib.parse.quote_plus(raw).encode()}
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return {form for form in found if len(form) >= 6}
    found |= {text.encode("utf-16-le"), text.encode("utf-16-be")}
    found |= {json.dumps(text)[1:-1].encode(), ascii(text)[1:-1].encode()}
    found |= {html.escape(text).encode(), text.encode("gb18030", errors="ignore")}
    found |= {text.encode("ascii", errors="xmlcharrefreplace")}
    return {form for form in found if len(form) >= 6}


class Needles:
    """Planted values by name."""

    def __init__(self, values: Mapping[str, str | bytes]) -> None:
        self.names = list(values)
        self._forms = [(form, name) for name, value in values.items() for form in forms(value)]

    def within(self, data: bytes) -> set[str]:
        """Names of the values that ``data`` holds."""
        return {name for form, name in self._forms if form in data}


def contents(data: bytes, depth: int = 0) -> Iterator[bytes]:
    """The bytes, and what they hold where they are a packed format that we write."""
    yield data
    if depth > 2:
        return
    if data[:4] == b"PAR1":
        table = pq.read_table(pa.BufferReader(data))
        rows = (value for row in table.to_pylist() for value in row.values())
        yield "\n".join(map(_shown, rows)).encode()
        yield repr(table.schema.metadata).encode()
    for opened in _unpacked(data):
        yield from contents(opened, depth + 1)


def _shown(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _unpacked(data: bytes) -> Iterator[bytes]:
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    elif data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            for name in packed.namelist():
                yield name.encode()
                yield packed.read(name)
    elif data[:1] == b"\x78":
        try:
            yield zlib.decompressobj().decompress(data, _UNPACKED_BYTES_MAX)
        except zlib.error:
            return


def search(folder: Path, needles: Needles) -> dict[str, set[str]]:
    """Names of planted values by file, for every file below; names of files are searched too."""
    found = {}
    for path in sorted(folder.rglob("*")):
        where = path.relative_to(folder).as_posix()
        names = needles.within(where.encode())
        if path.is_symlink():
            names |= needles.within(os.readlink(path).encode())  # noqa: PTH115 - as written
        elif path.is_file():
            names |= {name for part in contents(path.read_bytes()) for name in needles.within(part)}
        if names:
            found[where] = names
    return found


@dataclass
class Watch:
    """Looks at every process that starts, while it is used as ``with Watch() as watch``.

    A process is a copy of its parent, environment and all, from its start until it runs its own
    program; ``copies`` says for how many seconds one was seen so, ``environments`` leaves it out.
    """

    lines: dict[int, set[bytes]] = field(default_factory=dict)
    environments: dict[int, set[bytes]] = field(default_factory=dict)
    parents: dict[int, int] = field(default_factory=dict)
    copies: dict[int, float] = field(default_factory=dict)
    _seen: dict[int, float] = field(default_factory=dict)
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        assert self._thread is not None
        self._thread.join()

    def below(self, pid: int) -> set[int]:
        """The processes that descended from ``pid``, itself not among them."""
        found: set[int] = set()
        while more := {p for p, up in self.parents.items() if up in found | {pid}} - found:
            found |= more
        return found

    def _run(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            for folder in _processes():
                self._look(folder)

    def _look(self, folder: Path) -> None:
        pid = int(folder.name)
        try:
            line = (folder / "cmdline").read_bytes()
            self.lines.setdefault(pid, set()).add(line)
            status = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            self.parents.setdefault(pid, int(status[1]))
            environment = (folder / "environ").read_bytes()
        except OSError:
            return  # it ended, or keeps its environment to itself
        if line in self.lines.get(self.parents[pid], ()):
            first = self._seen.setdefault(pid, time.monotonic())
            self.copies[pid] = time.monotonic() - first
        else:
            self.environments.setdefault(pid, set()).add(environment)


def _processes() -> Iterable[Path]:
    return [folder for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def wait_for(holds, seconds: float = 60.0) -> None:
    """Until ``holds()`` is true; fails after so long."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(LOOK_SECONDS)
