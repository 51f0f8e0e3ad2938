"""Which server a command talks to and with which key; keys are kept in files nobody else reads."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from yunhe.kernel.errors import Invalid, NotAllowed, NotFound
from yunhe.kernel.ids import new_id

FILE = "logins.json"
"""Name in the folder of this user's settings."""
SERVER, KEY = "YUNHE_SERVER", "YUNHE_KEY"
"""Environment variables: the server's address, and the key itself."""
_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Logins:
    """What `yunhe login` kept."""

    current: str = ""
    """The server that was signed in to last."""
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    """Key by server: a key goes to its own server alone."""


def folder() -> Path:
    """This user's settings of yunhe, where the operating system wants them."""
    return Path(click.get_app_dir("yunhe"))


def load() -> Logins:
    """What was kept; nothing when nobody signed in yet.

    Errors: those of `private`; `Invalid` ``cli.logins_damaged``.
    """
    path = folder() / FILE
    if not path.exists():
        return Logins()
    try:
        kept = json.loads(private(path))
        return Logins(str(kept["current"]), {str(k): str(v) for k, v in kept["keys"].items()})
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Invalid("cli.logins_damaged", path=str(path)) from None


def keep(logins: Logins) -> Path:
    """Write it anew, whole or not at all; where."""
    place = folder()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = place / FILE
    write_private(path, json.dumps({"current": logins.current, "keys": logins.keys}, indent=1))
    return path


def with_key(logins: Logins, server: str, key: str) -> Logins:
    """The same with a key for ``server``, which is the current one from now on."""
    return Logins(server, {**logins.keys, server: key})


def without(logins: Logins, server: str) -> Logins:
    """The same without the key for ``server``."""
    keys = {name: key for name, key in logins.keys.items() if name != server}
    return replace(logins, keys=keys, current="" if logins.current == server else logins.current)


def server_of(given: str | None, logins: Logins) -> str:
    """The option, the variable, or the server signed in to last.

    Errors: `Invalid` ``cli.no_server``.
    """
    found = given or os.environ.get(SERVER, "") or logins.current
    if not found:
        raise Invalid("cli.no_server")
    return found.rstrip("/")


def key_of(file: Path | None, server: str, logins: Logins) -> str:
    """The key in the file, in the variable, or kept for this very server.

    Errors: those of `private`; `NotAllowed` ``cli.no_key``.
    """
    found = private(file).strip() if file is not None else os.environ.get(KEY, "").strip()
    found = found or logins.keys.get(server, "")
    if not found:
        raise NotAllowed("cli.no_key", server=server)
    return found


def private(path: Path) -> str:
    """The text of a file that only its owner can read.

    Errors: `NotFound` ``cli.no_file``; `NotAllowed` ``cli.key_file_open`` when others could read
    it; `Invalid` ``cli.key_file_strange`` for what is no text.
    """
    try:
        return _private(path, "cli.key_file_open")[:_BYTES_MAX].decode()
    except UnicodeDecodeError:
        raise Invalid("cli.key_file_strange", path=str(path)) from None


def passphrase(path: Path) -> bytes:
    """The passphrase in a file that only its owner can read, without the end of its line.

    Errors: `NotFound` ``cli.no_file``; `NotAllowed` ``cli.passphrase_open`` when others could read
    it; `Invalid` ``cli.key_file_strange`` for what is no file.
    """
    return _private(path, "cli.passphrase_open").rstrip(b"\r\n")


def _private(path: Path, refusal: str) -> bytes:
    try:
        with path.open("rb") as source:
            state = os.fstat(source.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise Invalid("cli.key_file_strange", path=str(path))
            if state.st_mode & 0o077:
                raise NotAllowed(refusal, path=str(path))
            return source.read()
    except (FileNotFoundError, IsADirectoryError):
        raise NotFound("cli.no_file", path=str(path)) from None


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all; an earlier one is replaced.

    Errors: ``OSError`` of the disk.
    """
    part = path.with_name(f".{path.name}.{new_id('part')}")
    try:
        sink = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(sink, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
