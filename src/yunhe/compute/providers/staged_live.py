"""Hears and asks a job of a site through the folder that both sides see.

Everything in it may be the job's own making: nothing is followed, read or removed that is no plain
file in that very folder, and no more is read at once than a working attendant would have written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from yunhe.compute.providers.attendant import ANSWERS_MAX, name_of
from yunhe.compute.providers.plain_files import directory, opened
from yunhe.compute.providers.remote import Stream
from yunhe.compute.providers.staging import Staging
from yunhe.compute.providers.talk import LINE_BYTES_MAX, understood
from yunhe.kernel.canonical import Json, canonical_bytes

LIVE = "live"
"""Folder within a job's: ``asks``, ``answers`` and what it ``used``."""
_USED_BYTES_MAX = 100
_LISTED_MAX = 50_000


class StagedLive:
    """Of one site."""

    def __init__(self, staging: Staging) -> None:
        """Commands run there only where the operator lets people bring commands."""
        self._staging = staging
        self.why = "" if staging.commands else "compute.exec_unsupported"
        self._count = 0
        self._heard: dict[str, list[str]] = {}

    def log(self, job: str, stream: Stream, *, offset: int) -> bytes:
        """What it printed from that byte on."""
        return self._staging.log(job, stream, offset=offset)

    def size(self, job: str, stream: Stream) -> int:
        """How much it printed so far; of a longer one only the end is still there."""
        with suppress(OSError, ValueError), opened(self._staging.here / job, stream) as file:
            return os.fstat(file.fileno()).st_size
        return 0

    def ask(self, job: str, lines: Sequence[Mapping[str, Json]]) -> None:
        """Hand lines to its attendant. Errors: ``OSError``, ``ValueError`` when it has no place."""
        if not lines:
            return
        data = b"".join(canonical_bytes(dict(one)) + b"\n" for one in lines)
        self._count += 1
        name = name_of(self._count)
        with directory(self._staging.here / job, LIVE, "asks") as folder:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            handle = os.open(name + ".half", flags, 0o666, dir_fd=folder)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.rename(name + ".half", name, src_dir_fd=folder, dst_dir_fd=folder)

    def hear(self, job: str) -> list[Mapping[str, Json]]:
        """What its attendant answered, the same again until `heard`.

        Errors: ``ValueError`` for nonsense.
        """
        found: list[Mapping[str, Json]] = []
        names = self._names(job)
        self._heard[job] = names
        for name in names:
            data = self._read(job, LIVE, "answers", name)
            found += [understood(line) for line in data.splitlines()]
        return found

    def heard(self, job: str) -> None:
        """All that `hear` gave is kept: its files go."""
        names = self._heard.pop(job, [])
        if not names:
            return
        with (
            suppress(OSError, ValueError),
            directory(self._staging.here / job, LIVE, "answers") as folder,
        ):
            for name in names:
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)

    def _names(self, job: str) -> list[str]:
        """Of the answers, in order: so many as a working attendant may have left, twice over."""
        try:
            with directory(self._staging.here / job, LIVE, "answers") as folder:
                names = os.listdir(folder)  # noqa: PTH208 - of an open folder
        except (OSError, ValueError):
            return []
        if len(names) > _LISTED_MAX:
            raise ValueError(job)
        whole = sorted(name for name in names if not name.endswith(".half"))
        return whole[: 2 * ANSWERS_MAX]

    def used(self, job: str) -> int | None:
        """Processor time of all of it so far; None: not told."""
        try:
            said = int(self._read(job, LIVE, "used")[:_USED_BYTES_MAX])
        except ValueError:
            return None
        return said if said >= 0 else None

    def _read(self, job: str, *names: str) -> bytes:
        with suppress(OSError, ValueError), opened(self._staging.here / job, *names) as file:
            data = file.read(LINE_BYTES_MAX + 1)
            return data if len(data) <= LINE_BYTES_MAX else b""
        return b""
