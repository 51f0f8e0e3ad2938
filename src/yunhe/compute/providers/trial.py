"""The program with which `conformance` tries a provider: it does the one thing it is told to."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

EXIT_STATUS = 3
"""How ``fail`` ends."""
CHATTER_BYTES = 1 << 20
"""How much ``chatter`` prints, on each stream."""
LAST_WORDS = b"the very last words\n"
"""How its output ends."""

Job = dict[str, dict[str, str]]


def copy(job: Job, outputs: Path) -> None:
    """Write every input and the argument ``word`` as outputs, telling how far it is."""
    for done, (name, path) in enumerate(sorted(job["inputs"].items()), start=1):
        (outputs / f"{name}.copy").write_bytes(Path(path).read_bytes())
        print(json.dumps({"done": done, "total": len(job["inputs"]), "what": "copied"}))  # noqa: T201
    (outputs / "word").write_text(job["arguments"]["word"], encoding="utf-8")


def fail(_job: Job, _outputs: Path) -> None:
    """End with a status of its own, after something was written."""
    (_outputs / "half").write_text("half")
    sys.exit(EXIT_STATUS)


def endure(_job: Job, _outputs: Path) -> None:
    """Say that it has begun, then never end."""
    print(json.dumps({"done": 1, "what": "begun"}))  # noqa: T201
    while True:
        time.sleep(3_600)


def burn(_job: Job, _outputs: Path) -> None:
    """Use a processor and never end."""
    while True:
        pass


def hoard(job: Job, outputs: Path) -> None:
    """Ask for more memory than ``bytes``; reaching the end means that nobody objected."""
    held = bytearray(int(job["arguments"]["bytes"]))
    (outputs / "held").write_text(str(len(held)))


def chatter(_job: Job, _outputs: Path) -> None:
    """Print without measure on both streams."""
    for stream in (1, 2):
        os.write(stream, b"\n")
        for _ in range(CHATTER_BYTES // 1_024):
            os.write(stream, b"x" * 1_023 + b"\n")
        os.write(stream, LAST_WORDS)


def link(_job: Job, outputs: Path) -> None:
    """Leave a link to something that is not the job's."""
    (outputs / "link").symlink_to("/etc/passwd")


def environment(_job: Job, outputs: Path) -> None:
    """Write down the environment."""
    (outputs / "environment").write_text(json.dumps(dict(os.environ)))


def confide(job: Job, outputs: Path) -> None:
    """Print the secret that the argument ``variable`` names, write down only its digest."""
    secret = os.environb[job["arguments"]["variable"].encode()]
    print(json.dumps({"done": 1, "what": secret.decode()}))  # noqa: T201
    for stream in (1, 2):
        os.write(stream, b"it is " + secret + b", or " + base64.b64encode(secret) + b"\n")
    (outputs / "digest").write_text(hashlib.sha256(secret).hexdigest())


ACTIONS: dict[str, Callable[[Job, Path], None]] = {
    action.__name__: action
    for action in (copy, fail, endure, burn, hoard, chatter, link, environment, confide)
}
"""What it can be told to do."""


def main() -> None:
    """Read the job file and do what its argument ``action`` names."""
    job = json.loads(Path(sys.argv[1]).read_bytes())
    ACTIONS[job["arguments"]["action"]](job, Path(job["outputs"]))


if __name__ == "__main__":
    main()
