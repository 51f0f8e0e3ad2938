"""Keys in a backup: sealed with a passphrase, so that the backup alone opens nothing.

Source: RFC 7914 (scrypt) with the work factors OWASP names as the least for passwords at rest;
AES-256-GCM (NIST SP 800-38D) over everything, with the header as associated data.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Invalid, NotAllowed

FORMAT = "yunhe-keys/1"
"""First thing in the file."""
PASSPHRASE_MIN = 12
"""Characters of the shortest passphrase that is taken."""
_N, _R, _P = 1 << 17, 8, 1  # 128 MiB and about half a second
_N_MAX = 1 << 20


def seal(files: Mapping[str, bytes], passphrase: bytes, *, of: str) -> bytes:
    """The files, readable only with the passphrase and only as part of the snapshot ``of``.

    Errors: `Invalid` ``operations.passphrase_short``.
    """
    check_passphrase(passphrase)
    salt, nonce = os.urandom(16), os.urandom(12)
    header: dict[str, str | int] = {
        "format": FORMAT,
        "n": _N,
        "nonce": nonce.hex(),
        "of": of,
        "p": _P,
        "r": _R,
        "salt": salt.hex(),
    }
    plain = canonical_bytes({k: base64.b64encode(v).decode() for k, v in files.items()})
    key = Scrypt(salt=salt, length=32, n=_N, r=_R, p=_P).derive(passphrase)
    box = AESGCM(key).encrypt(nonce, plain, canonical_bytes(header))
    return canonical_bytes({**header, "box": base64.b64encode(box).decode()})


def unseal(sealed: bytes, passphrase: bytes, *, of: str) -> dict[str, bytes]:
    """What was sealed.

    Errors: `NotAllowed` ``operations.passphrase_wrong``; `Invalid` ``operations.keys_unreadable``
    when it is no sealed file of the snapshot ``of``.
    """
    try:
        header = json.loads(sealed)
        box = base64.b64decode(header.pop("box"), validate=True)
        n, r, p = (int(header[name]) for name in ("n", "r", "p"))
        salt, nonce = bytes.fromhex(header["salt"]), bytes.fromhex(header["nonce"])
        if header["format"] != FORMAT or header["of"] != of or not 2 <= n <= _N_MAX or r * p > 64:
            raise ValueError
        key = Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase)
        plain = AESGCM(key).decrypt(nonce, box, canonical_bytes(header))
    except InvalidTag:
        raise NotAllowed("operations.passphrase_wrong") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Invalid("operations.keys_unreadable") from None
    return {name: base64.b64decode(value) for name, value in json.loads(plain).items()}


def check_passphrase(passphrase: bytes) -> None:
    """Refuse one that is soon guessed; error as `seal`."""
    if len(passphrase.decode(errors="replace")) < PASSPHRASE_MIN:
        raise Invalid("operations.passphrase_short", least=PASSPHRASE_MIN)
