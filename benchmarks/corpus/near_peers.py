"""The peers' side of `near.py`: each reads JSON lines and writes the ids it keeps.

Run by the interpreter of the peer's own environment:

    python near_peers.py datatrove|rensa|data-juicer INPUT.jsonl KEPT.txt FOLDER
"""

# ruff: noqa: PLC0415  a peer's environment lacks the other peers

from __future__ import annotations

import json
import subprocess
import sys
from collections import deque
from pathlib import Path

RUN = 5  # characters in a run, as ours


def datatrove(source: Path, kept: Path, folder: Path) -> None:
    """Its four stages, 25 buckets of 5 hashes; its word tokeniser for Chinese."""
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.typeshelper import Languages

    def run(*steps: object, rank: int = 0, ranks: int = 1) -> None:
        data = None
        for step in steps:
            data = step(data, rank, ranks)  # type: ignore[operator]
        deque(data or (), maxlen=0)

    signatures, buckets, clusters, out = (
        str(folder / name) for name in ("signatures", "buckets", "clusters", "out")
    )
    shape = MinhashConfig(n_grams=RUN, num_buckets=25, hashes_per_bucket=5)
    zh = Languages.mandarin_chinese

    def reader() -> object:
        return JsonlReader(str(source.parent), glob_pattern=source.name)

    run(reader(), MinhashDedupSignature(signatures, config=shape, language=zh))
    for bucket in range(shape.num_buckets):
        run(MinhashDedupBuckets(signatures, buckets, config=shape), rank=bucket, ranks=25)
    run(MinhashDedupCluster(buckets, clusters, config=shape))
    writer = JsonlWriter(out, output_filename="kept.jsonl", compression=None)
    run(reader(), MinhashDedupFilter(clusters), writer)
    writer.close()
    copy_ids(Path(out) / "kept.jsonl", kept)


def rensa(source: Path, kept: Path, folder: Path) -> None:
    """R-MinHash of 128 hashes over character runs, its LSH of 32 bands, estimate of .5."""
    from rensa import RMinHash, RMinHashLSH

    del folder
    lsh = RMinHashLSH(threshold=0.5, num_perm=128, num_bands=32)
    seen: dict[int, object] = {}
    with source.open(encoding="utf-8") as lines, kept.open("w", encoding="utf-8") as out:
        for number, line in enumerate(lines):
            row = json.loads(line)
            text = row["text"]
            made = RMinHash(num_perm=128, seed=42)
            made.update([text[at : at + RUN] for at in range(max(1, len(text) - RUN + 1))])
            if any(made.jaccard(seen[other]) >= 0.5 for other in lsh.query(made)):
                continue
            lsh.insert(number, made)
            seen[number] = made
            out.write(f"{row['id']}\n")


def data_juicer(source: Path, kept: Path, folder: Path) -> None:
    """Its document_minhash_deduplicator: characters, 256 hashes, similarity of .5."""
    out = folder / "out.jsonl"
    operator = {
        "tokenization": "character",
        "window_size": RUN,
        "num_permutations": 256,
        "jaccard_threshold": 0.5,
        "lowercase": True,
        "ignore_pattern": r"\p{P}",
    }
    recipe = {
        "project_name": "near",
        "dataset_path": str(source),
        "export_path": str(out),
        "np": 1,
        "use_cache": False,
        "open_tracer": False,
        "process": [{"document_minhash_deduplicator": operator}],
    }
    (folder / "recipe.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    command = Path(sys.executable).with_name("dj-process")
    subprocess.run([command, "--config", folder / "recipe.yaml"], check=True)
    copy_ids(out, kept)


def copy_ids(rows: Path, kept: Path) -> None:
    """One id a line."""
    with rows.open(encoding="utf-8") as lines, kept.open("w", encoding="utf-8") as out:
        for line in lines:
            out.write(f"{json.loads(line)['id']}\n")


if __name__ == "__main__":
    made = {"datatrove": datatrove, "rensa": rensa, "data-juicer": data_juicer}[sys.argv[1]]
    made(*map(Path, sys.argv[2:5]))
