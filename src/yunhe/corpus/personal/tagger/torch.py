"""An operator's own token classifier as a finder of names: local files only, safetensors only.

Needs ``yunhe[torch]`` (torch and transformers). Nothing is downloaded and no code of a model is
run: a folder with anything but safetensors as weights, or with code of its own, is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from yunhe.corpus.domain import PERSONAL_TYPES
from yunhe.corpus.kernels.utf8 import Utf8
from yunhe.corpus.personal.found import REASONS, Found
from yunhe.corpus.personal.tagger.rows import LABELS
from yunhe.kernel.canonical import JsonObject, sha256
from yunhe.kernel.errors import Invalid, Unavailable

PACKAGES = ("torch", "transformers")
"""What ``yunhe[torch]`` brings."""
WINDOW_CHARACTERS, OVERLAP_CHARACTERS = 400, 50
"""Of a text longer than a model takes: read in windows that overlap."""
_FILES = ("config.json", "model.safetensors")
_READ = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
         "special_tokens_map.json", "vocab.txt", "added_tokens.json")  # fmt: skip
_CODE = (".py", ".bin", ".pt", ".pth", ".pkl", ".ckpt", ".h5", ".msgpack")


class Offsets(Protocol):
    """One window's tokens as a model gives them back."""

    def __call__(self, text: str) -> Sequence[tuple[int, int, str, float]]:
        """Start and end character, label and chance of each token of a text."""
        ...


def load(folder: Path) -> tuple[Callable[[Utf8], Found], JsonObject]:
    """A finder for the token classifier in a folder, and what names it in a pipeline's digest.

    Errors: `Invalid` ``corpus.torch_folder`` for a folder that is not of that kind;
    `Unavailable` ``corpus.torch_missing`` without the packages.
    """
    check(folder)
    for package in PACKAGES:
        if find_spec(package) is None:
            raise Unavailable("corpus.torch_missing", where=folder.name, package=package)
    digests: JsonObject = {
        name: sha256((folder / name).read_bytes()) for name in _READ if (folder / name).is_file()
    }
    return finder(_model(folder)), {"by": "token_classifier", "files": digests}


def check(folder: Path) -> None:
    """Refuse a folder that lacks a file, carries code or names no person among its labels.

    Errors: `Invalid` ``corpus.torch_folder``.
    """
    there = sorted(path.name for path in folder.iterdir())
    faults = [f"no {name}" for name in _FILES if name not in there]
    faults += [name for name in there if name.endswith(_CODE)]
    if not faults:
        try:
            config = json.loads((folder / "config.json").read_bytes())
            labels = config["id2label"].values()
            if "auto_map" in config:
                faults.append("auto_map")
            elif not any(_kind(str(label)) == "PER" for label in labels):
                faults.append("id2label")
        except (ValueError, KeyError, AttributeError, TypeError):
            faults.append("config.json")
    if faults:
        raise Invalid("corpus.torch_folder", where=folder.name, fault=", ".join(faults[:5]))


def _kind(label: str) -> str | None:
    """PER, ORG or ADDR for a label such as B-PER, I-PERSON or S-NAME."""
    return LABELS.get(label.rpartition("-")[2])


def finder(tokens: Offsets) -> Callable[[Utf8], Found]:
    """Names by whatever gives tokens with labels: B and S begin a name, I, M and E go on with it.

    Works on one text after the other; a name cut by a window's end is found in the next, whole.
    """

    def find(texts: Utf8) -> Found:
        starts: list[int] = []
        ends: list[int] = []
        scores: list[int] = []
        bounds = texts.offsets.tolist()
        for low, high in pairwise(bounds):
            text = texts.data[low:high].tobytes().decode()
            for start, end, chance in _persons(text, tokens):
                starts.append(low + len(text[:start].encode()))
                ends.append(low + len(text[:end].encode()))
                scores.append(min(99, round(100 * chance)))
        return Found(
            np.array(starts, np.int64),
            np.array(ends, np.int64),
            np.full(len(starts), PERSONAL_TYPES.index("NAME"), np.uint8),
            np.array(scores, np.uint8),
            np.full(len(starts), REASONS.index("model"), np.uint8),
        )

    return find


def _persons(text: str, tokens: Offsets) -> Iterator[tuple[int, int, float]]:
    reached, step = 0, WINDOW_CHARACTERS - OVERLAP_CHARACTERS
    for base in range(0, max(1, len(text) - OVERLAP_CHARACTERS), step):
        window = text[base : base + WINDOW_CHARACTERS]
        last = base + WINDOW_CHARACTERS >= len(text)
        for start, end, chance in _merged(tokens(window)):
            cut = not last and start >= step
            if base + start >= reached and not cut:
                reached = base + end
                yield base + start, base + end, chance


def _merged(tokens: Sequence[tuple[int, int, str, float]]) -> Iterator[tuple[int, int, float]]:
    start, end, chance = 0, 0, 0.0
    for begin, stop, label, sure in tokens:
        if begin == stop:
            continue
        person = _kind(label) == "PER"
        goes_on = person and start < end and label[0] not in "BS" and begin - end <= 1
        if start < end and not goes_on:
            yield start, end, chance
            start = end
        if goes_on:
            end, chance = stop, min(chance, sure)
        elif person:
            start, end, chance = begin, stop, sure
    if start < end:
        yield start, end, chance


def _model(folder: Path) -> Offsets:
    """The model, read from its folder alone."""
    torch, transformers = (import_module(name) for name in PACKAGES)
    settings = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(folder), use_fast=True, **settings
        )
        model = transformers.AutoModelForTokenClassification.from_pretrained(
            str(folder), use_safetensors=True, **settings
        ).eval()
    except (OSError, ValueError, KeyError) as error:
        fault = type(error).__name__
        raise Invalid("corpus.torch_folder", where=folder.name, fault=fault) from None
    names = {int(number): str(label) for number, label in model.config.id2label.items()}

    def tokens(text: str) -> list[tuple[int, int, str, float]]:
        read = tokenizer(
            text, return_offsets_mapping=True, return_tensors="pt", truncation=True,
            max_length=min(512, tokenizer.model_max_length),
        )  # fmt: skip
        places = read.pop("offset_mapping")[0].tolist()
        with torch.inference_mode():
            chances = torch.softmax(model(**read).logits[0].float(), dim=-1)
        best, which = chances.max(dim=-1)
        rows = zip(places, which.tolist(), best.tolist(), strict=True)
        return [(begin, stop, names[label], sure) for (begin, stop), label, sure in rows]

    return cast("Offsets", tokens)
