"""The log's signing key: one file that only its owner can read, read anew for every signature.

``<home>/keys`` (0700) holds ``log.pem`` (0600, PKCS #8), and ``next.pem`` while a rotation is under
way. ``<home>/trust.txt`` holds the public keys, one line each, in the C2SP form
``name+hash+base64``; it is what verifiers are given.
"""

from __future__ import annotations

import base64
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from yunhe.custody import verifier
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, Unavailable
from yunhe.storage.blobs import explain_os_error, sync_folder

_ORIGIN = re.compile(r"[!\"$-*,-~]{1,200}")  # no space, no plus, no # (it starts a remark)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A loaded key, fit to sign one checkpoint."""

    name: str
    """The log's name."""
    id: str
    """``name+hash``."""
    private: Ed25519PrivateKey
    """The secret half."""

    def sign(self, body: str) -> str:
        """``body`` as a signed note."""
        signature = bytes.fromhex(self.id.rpartition("+")[2]) + self.private.sign(body.encode())
        return f"{body}\n— {self.name} {base64.b64encode(signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Signer:
    """Knows where the key lies; holds no secret itself."""

    home: Path
    """The platform's home folder."""

    def load(self) -> SigningKey:
        """Read the key, refusing one that others could have read or put there.

        Errors: `Unavailable` ``custody.keys_missing``, ``custody.key_damaged`` or
        ``custody.trust_damaged``; `NotAllowed` ``custody.key_owner`` or
        ``custody.key_permissions``.
        """
        private = _read_key(self.home / "keys" / "log.pem")
        public = private.public_key().public_bytes_raw()
        for key, trusted in read_trust(self.home).items():
            if trusted == public:
                return SigningKey(key.rpartition("+")[0], key, private)
        raise Unavailable("custody.trust_damaged", where=str(self.home / "trust.txt"))


def create_log(home: Path, origin: str) -> Signer:
    """Make the signing key and the trust file of a new log; calling again changes nothing.

    Errors: `Invalid` ``custody.origin_invalid``, `Conflict` ``custody.origin_differs`` when the
    home already holds the key of another log, `Unavailable` when the disk refuses, errors of
    `Signer.load`.
    """
    if _ORIGIN.fullmatch(origin) is None:
        raise Invalid("custody.origin_invalid", origin=origin[:80])
    if (home / "trust.txt").exists() and not (home / "keys" / "log.pem").exists():
        # A lost key is missed, never quietly replaced: nobody would trust the new one.
        raise Unavailable("custody.keys_missing", where=str(home / "keys" / "log.pem"))
    public = make_key(home, "log.pem")
    if not (home / "trust.txt").exists():
        add_trust(home, verifier.key_text(origin, public))
    key = Signer(home).load()
    if key.name != origin:
        raise Conflict("custody.origin_differs", origin=origin, present=key.name)
    return Signer(home)


def open_signer(home: Path) -> Signer:
    """The signer of a log that exists; a key that cannot be used shows now, not at first use."""
    signer = Signer(home)
    signer.load()
    return signer


def trust(home: Path) -> str:
    """The text of the trust file, to hand to verifiers."""
    try:
        return (home / "trust.txt").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Unavailable("custody.keys_missing", where=str(home / "trust.txt")) from None
    except (OSError, UnicodeDecodeError):
        raise Unavailable("custody.trust_damaged", where=str(home / "trust.txt")) from None


def read_trust(home: Path) -> dict[str, bytes]:
    """Key id → public key of every line of the trust file."""
    try:
        return verifier.read_trust(trust(home))
    except verifier.Rejected:
        raise Unavailable("custody.trust_damaged", where=str(home / "trust.txt")) from None


def make_key(home: Path, name: str) -> bytes:
    """The public half of ``keys/<name>``, which is made if it is not there."""
    folder = home / "keys"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _guard(folder.lstat(), folder, mode=0o700)
        if not (folder / name).exists():
            _write_new(folder / name, _fresh_key())
    except OSError as error:
        raise explain_os_error(error, folder) from error
    return _read_key(folder / name).public_key().public_bytes_raw()


def add_trust(home: Path, line: str) -> None:
    """Add a key to the trust file, which is replaced as a whole; adding again changes nothing."""
    path = home / "trust.txt"
    lines = trust(home).splitlines() if path.exists() else []
    if line in lines:
        return
    text = "".join(f"{each}\n" for each in [*lines, line])
    try:
        _write(path, text.encode(), mode=0o644)
    except OSError as error:
        raise explain_os_error(error, path) from error


def install_next(home: Path) -> None:
    """Put ``next.pem`` in the place of ``log.pem`` in one step, which destroys the old secret."""
    folder = home / "keys"
    try:
        (folder / "next.pem").replace(folder / "log.pem")
        sync_folder(folder)
    except OSError as error:
        raise explain_os_error(error, folder) from error


def _fresh_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist; when another process was first, its file stays."""
    temporary = _temporary(path, data, mode=0o600)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    sync_folder(path.parent)


def _write(path: Path, data: bytes, *, mode: int) -> None:
    _temporary(path, data, mode=mode).replace(path)
    sync_folder(path.parent)


def _temporary(path: Path, data: bytes, *, mode: int) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        Path(name).unlink()
        raise
    return Path(name)


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        _guard(path.parent.lstat(), path.parent, mode=0o700)
        # The file that is opened is the one that is checked, and a link is not followed.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            _guard(os.fstat(file.fileno()), path, mode=0o600)
            pem = file.read(1 << 16)
    except FileNotFoundError:
        raise Unavailable("custody.keys_missing", where=str(path)) from None
    except OSError:
        raise NotAllowed("custody.key_permissions", where=str(path), mode="600") from None
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unavailable("custody.key_damaged", where=str(path)) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Unavailable("custody.key_damaged", where=str(path))
    return key


def _guard(found: os.stat_result, path: Path, *, mode: int) -> None:
    if found.st_uid != os.geteuid():
        raise NotAllowed(
            "custody.key_owner", where=str(path), owner=found.st_uid, user=os.geteuid()
        )
    proper = stat.S_ISDIR if mode == 0o700 else stat.S_ISREG
    if not proper(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
        raise NotAllowed("custody.key_permissions", where=str(path), mode=f"{mode:o}")
