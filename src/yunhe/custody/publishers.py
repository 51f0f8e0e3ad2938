"""Outside places for checkpoints: where whoever can rewrite the log cannot rewrite its past.

The log alone only shows that it agrees with itself. A checkpoint that lies somewhere else, under
other people's control, is what a rewritten history contradicts.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from yunhe.custody import verifier
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Unavailable
from yunhe.kernel.redaction import redacted
from yunhe.outbound import git
from yunhe.outbound.guard import Guard
from yunhe.storage.blobs import explain_os_error, sync_folder

_TAIL_BYTES = 4_096  # more than one checkpoint is long
_GIT_SECONDS_MAX = 60
# What would lead git to another repository, e.g. when we run within one of its hooks.
_GIT_PLACES = {
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH"),
}


class Publisher(Protocol):
    """A place that is given checkpoints one after the other."""

    interval_us: int
    """Shortest time between two checkpoints in the background; 0 for every one."""

    def publish(self, note: str) -> None:
        """Put a checkpoint there; the one that was put there last, again, changes nothing.

        Errors: `Unavailable` when the place cannot be reached or written.
        """
        ...

    def read(self) -> str:
        """Every checkpoint there, as one text."""
        ...


class FilePublisher:
    """A text file to which checkpoints are appended, e.g. on another machine's disk."""

    def __init__(self, path: Path, *, interval_seconds: int = 0) -> None:
        """``path`` and its folder are made when the first checkpoint comes."""
        self.interval_us = interval_seconds * SECOND_US
        self._path = path

    def publish(self, note: str) -> None:
        """Append, and wait for the disk; a half-written end, from a power cut, is fenced off."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL_BYTES))
                tail = file.read()
                if not tail.endswith(note.encode()):
                    file.write(b"\n" * (size > 0) + note.encode())
                    file.flush()
                    os.fsync(file.fileno())
            if size == 0:
                sync_folder(self._path.parent)
        except OSError as error:
            raise explain_os_error(error, self._path) from error

    def read(self) -> str:
        """The file; empty when nothing was published yet."""
        try:
            return self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise explain_os_error(error, self._path) from error


class GitPublisher:
    """A branch of a git repository: each checkpoint is a commit on top of the one before.

    The repository is only ever pushed to without force, so one that refuses rewriting
    (``receive.denyNonFastForwards``) keeps every checkpoint it was given.
    """

    def __init__(
        self,
        remote: str | Path,
        *,
        branch: str = "checkpoints",
        interval_seconds: int = 60,
        guard: Guard | None = None,
    ) -> None:
        """``remote``: a bare repository's folder, or any address git can push to.

        ``guard`` decides about http and https; without one only public addresses are let through.
        """
        self.interval_us = interval_seconds * SECOND_US
        self._remote = str(remote)
        self._branch = branch
        self._guard = guard or Guard()

    def publish(self, note: str) -> None:
        """Commit it as the file ``checkpoint`` and push. Cost: about eight git processes."""
        pinned = git.pin(self._guard, self._remote)
        with tempfile.TemporaryDirectory(prefix="yunhe-publish-") as folder:
            self._git(folder, "init", "--bare", "--quiet", ".")
            parent = self._fetch(folder, pinned, "--depth=1")
            if parent and self._git(folder, "show", f"{parent}:checkpoint") == note:
                return
            blob = self._git(folder, "hash-object", "-w", "--stdin", text=note).strip()
            listing = f"100644 blob {blob}\tcheckpoint\n"
            tree = self._git(folder, "mktree", text=listing).strip()
            message = f"Checkpoint {note.splitlines()[1]}.\n"
            parents = ("-p", parent) if parent else ()
            commit = self._git(folder, "commit-tree", tree, *parents, text=message).strip()
            reference = f"{commit}:refs/heads/{self._branch}"
            self._git(folder, "push", "--quiet", pinned.remote, reference, pinned=pinned)

    def read(self) -> str:
        """The checkpoints of every commit on the branch, newest first."""
        pinned = git.pin(self._guard, self._remote)
        with tempfile.TemporaryDirectory(prefix="yunhe-publish-") as folder:
            self._git(folder, "init", "--bare", "--quiet", ".")
            newest = self._fetch(folder, pinned)
            if not newest:
                return ""
            commits = self._git(folder, "rev-list", newest).split()
            wanted = "".join(f"{commit}:checkpoint\n" for commit in commits)
            found = self._git(folder, "cat-file", "--batch", text=wanted)
            return "\n".join(note[0] for note in verifier.NOTE.finditer(found))

    def _fetch(self, folder: str, pinned: git.Pinned, *options: str) -> str:
        """The newest commit of the branch, fetched; empty when there is no such branch yet."""
        reference, remote = f"refs/heads/{self._branch}", pinned.remote
        if not self._git(folder, "ls-remote", remote, reference, pinned=pinned):
            return ""
        self._git(folder, "fetch", "--quiet", *options, remote, reference, pinned=pinned)
        return self._git(folder, "rev-parse", "FETCH_HEAD").strip()

    def _git(
        self, folder: str, *arguments: str, text: str = "", pinned: git.Pinned | None = None
    ) -> str:
        options = () if pinned is None else pinned.options
        environment = {} if pinned is None else dict(pinned.environment)
        try:
            done = subprocess.run(
                ["git", "-c", "core.hooksPath=/dev/null", *options, *arguments],
                cwd=folder,
                env=_environment(os.environ) | environment,
                input=text.encode(),
                capture_output=True,
                check=False,
                timeout=_GIT_SECONDS_MAX,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._failed(str(error)) from error
        if done.returncode:
            raise self._failed(done.stderr.decode(errors="replace").strip()[-300:])
        return done.stdout.decode(errors="replace")

    def _failed(self, why: str) -> Unavailable:
        where, why = redacted(self._remote), redacted(why or "git")
        return Unavailable("custody.publish_failed", where=where, why=why, retryable=True)


def _environment(outer: Mapping[str, str]) -> dict[str, str]:
    """The user's own git settings and credentials, a fixed author, no questions at a terminal."""
    ours = {key for key in outer if key.startswith("YUNHE_")}  # some of them are secrets
    kept = {key: value for key, value in outer.items() if key not in _GIT_PLACES | ours}
    who = {
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (("NAME", "Yunhe custody"), ("EMAIL", "custody@yunhe.invalid"))
    }
    return kept | who | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
