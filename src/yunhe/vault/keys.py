"""Where the vault's key comes from: the environment, a file the operator names, or one made here.

A key is 32 bytes written as 64 hexadecimal digits or as base64. Several, separated by blanks, line
ends or commas, are there while keys are changed: the first is the present one, the others only
open what was sealed before.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from yunhe.kernel.errors import Invalid, NotAllowed, Unavailable
from yunhe.storage.blobs import explain_os_error, sync_folder
from yunhe.vault.sealing import KEY_BYTES

VARIABLE = "YUNHE_SECRETS_KEY"
"""The environment variable that holds the key, or keys."""
_KEYS_MAX = 4
_FILE_BYTES_MAX = 4_096
_HEX = re.compile(r"[0-9A-Fa-f]{64}")


@dataclass(frozen=True, slots=True)
class KeySource:
    """The place of the keys; satisfies `yunhe.vault.sealing.Keys`."""

    path: Path
    """The file, unless the environment has them."""
    own: bool
    """Whether the file is made and changed by the platform."""
    text: str | None = field(default=None, repr=False)
    """What the environment says."""

    @property
    def where(self) -> str:
        """The place in words."""
        return VARIABLE if self.text is not None else str(self.path)

    def load(self) -> Sequence[bytes]:
        """The keys, the present one first; errors as `Keys.load` says."""
        if self.text is not None:
            return parse(self.text, where=VARIABLE)
        return parse(_read(self.path, own=self.own), where=str(self.path))

    def make(self) -> Sequence[bytes]:
        """As `load`; the platform's own file is made, once among all processes, if it is not there.

        Errors: also `Unavailable` when the disk refuses.
        """
        if self.text is None and self.own:
            try:
                _new_file(self.path, [os.urandom(KEY_BYTES)])
            except OSError as error:
                raise explain_os_error(error, self.path) from error
        return self.load()

    def begin_change(self) -> None:
        """Put a new key before the present one in the platform's own file.

        A change that was begun and not ended goes on with its key. Nothing is done to keys that the
        operator keeps: there it is the operator who puts a new one in front. Errors: `Invalid`
        ``vault.rotation_needs_key`` when that has not been done; as `load`.
        """
        keys = self.load()
        if len(keys) > 1:
            return
        if self.text is not None or not self.own:
            raise Invalid("vault.rotation_needs_key", where=self.where)
        self._replace([os.urandom(KEY_BYTES), *keys])

    def end_change(self) -> bool:
        """Destroy every key but the present one; False when that is left to the operator."""
        if self.text is not None or not self.own:
            return False
        self._replace(self.load()[:1])
        return True

    def _replace(self, keys: Sequence[bytes]) -> None:
        try:
            _temporary(self.path, keys).replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise explain_os_error(error, self.path) from error


def source(home: Path, *, file: Path | None, environment: Mapping[str, str]) -> KeySource:
    """The place of the keys: the environment's before the file named, before ``home``'s own."""
    text = environment.get(VARIABLE)
    if text is not None:
        return KeySource(home, own=False, text=text)
    if file is not None:
        return KeySource(file, own=False)
    return KeySource(home / "keys" / "secrets.key", own=True)


def parse(text: str, *, where: str) -> tuple[bytes, ...]:
    """The keys in a text.

    Errors: `Invalid` ``vault.key_invalid``, which says how long a wrong one is and no more of it.
    """
    words = re.split(r"[\s,]+", text.strip())
    if len(words) > _KEYS_MAX:
        raise Invalid("vault.keys_too_many", where=where, most=_KEYS_MAX)
    keys = []
    for number, word in enumerate(words, start=1):
        key = _key(word)
        if len(key) != KEY_BYTES:
            raise Invalid("vault.key_invalid", where=where, number=number, bytes=len(key))
        keys.append(key)
    return tuple(dict.fromkeys(keys))


def _key(word: str) -> bytes:
    if _HEX.fullmatch(word):
        return bytes.fromhex(word)
    try:
        letters = word.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _read(path: Path, *, own: bool) -> str:
    """The file's text; it must be ours alone. A link is followed only where an operator set it."""
    links = os.O_NOFOLLOW if own else 0
    try:
        if own:
            _guard(path.parent.stat(), path.parent, mode=0o700)
        # The file that is opened is the one that is checked.
        with os.fdopen(os.open(path, os.O_RDONLY | links), "rb") as file:
            _guard(os.fstat(file.fileno()), path, mode=0o600)
            return file.read(_FILE_BYTES_MAX).decode("ascii", errors="replace")
    except FileNotFoundError:
        raise Unavailable("vault.key_missing", where=str(path)) from None
    except OSError:
        raise NotAllowed("vault.key_permissions", where=str(path), mode="600") from None


def _guard(found: os.stat_result, path: Path, *, mode: int) -> None:
    if found.st_uid not in {os.geteuid(), 0}:  # root could read and write it anyway
        raise NotAllowed("vault.key_owner", where=str(path), owner=found.st_uid, user=os.geteuid())
    proper = stat.S_ISDIR if mode == 0o700 else stat.S_ISREG
    if not proper(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
        raise NotAllowed("vault.key_permissions", where=str(path), mode=f"{mode:o}")


def _new_file(path: Path, keys: Sequence[bytes]) -> None:
    """Write a file that must not exist; when another process was first, its file stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        return
    temporary = _temporary(path, keys)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    sync_folder(path.parent)


def _temporary(path: Path, keys: Sequence[bytes]) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.writelines(base64.b64encode(key) + b"\n" for key in keys)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        Path(name).unlink()
        raise
    return Path(name)
