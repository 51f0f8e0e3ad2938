"""Environments of the peers, each of its own, made once and kept in a folder.

    python benchmarks/corpus/peers.py --peers DIR

Nothing of ours is in them and nothing of theirs in ours. They are made before any timed run,
because some peers install what they miss while they run.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = {
    # What Data-Juicer asks for while it runs is given to it beforehand.
    "data-juicer": ("py-data-juicer==1.6.1", "aiohttp", "ftfy", "opencc", "emoji", "nltk",
                    "sentencepiece", "regex", "scipy"),
    "datatrove": ("datatrove[io,processing]==0.10.1", "jieba", "spacy"),
    "rensa": ("rensa==0.5.0",),
    "names": ("jieba==0.42.1",),
    "keywords": ("ahocorasick_rs",),
    "html": ("trafilatura==2.3.1", "justext==3.0.2", "lxml_html_clean"),
}  # fmt: skip
"""What each environment holds."""


def environment(name: str, folder: Path) -> Path:
    """The interpreter of a peer's environment, which is made if it is not there."""
    home = folder / name
    python = home / "bin" / "python"
    if (home / "ready").exists():
        return python
    print(f"Setting up {name} in {home} …", file=sys.stderr, flush=True)
    uv = shutil.which("uv")
    if uv:
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, home], check=True)
        install = [uv, "pip", "install", "-q", "--python", str(python)]
    else:
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        install = [str(python), "-m", "pip", "install", "-q"]
    subprocess.run([*install, *PACKAGES[name]], check=True)
    (home / "ready").touch()
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, required=True)
    asked = parser.parse_args()
    for name in PACKAGES:
        print(environment(name, asked.peers.absolute()))


if __name__ == "__main__":
    main()
