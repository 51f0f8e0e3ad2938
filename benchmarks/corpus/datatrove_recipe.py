"""The peer's side of `recipe.py`: datatrove's Chinese filters and its MinHash, on one core.

Run by the interpreter of the peer's own environment:

    python datatrove_recipe.py INPUT.jsonl.gz FOLDER

Thresholds are FineWeb-2's for cmn_Hani, because with datatrove's own every Chinese document goes.
"""

import sys
from collections import deque
from pathlib import Path

from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import (
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.formatters import PIIFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.typeshelper import Languages

ZH = Languages.mandarin_chinese
TOP = ((2, 0.256), (3, 0.201), (4, 0.171))
AGAIN = ((5, 0.198), (6, 0.182), (7, 0.167), (8, 0.154), (9, 0.14), (10, 0.127))


def run(*steps: object, rank: int = 0, ranks: int = 1) -> None:
    """One task in this process; the peer's executor fails to copy its own MinHash step."""
    data = None
    for step in steps:
        data = step(data, rank, ranks)
    deque(data or (), maxlen=0)


def main(source: Path, folder: Path) -> None:
    kept, signatures, buckets, clusters = (
        str(folder / name) for name in ("kept", "signatures", "buckets", "clusters")
    )
    run(
        JsonlReader(str(source.parent), glob_pattern=source.name),
        GopherRepetitionFilter(
            language=ZH, dup_line_frac=0.287, top_n_grams=TOP, dup_n_grams=AGAIN
        ),
        FineWebQualityFilter(language=ZH, line_punct_thr=0.106, new_line_ratio=0.178),
        GopherQualityFilter(
            language=ZH,
            min_doc_words=5,
            min_avg_word_length=1,
            max_avg_word_length=5,
            max_non_alpha_words_ratio=0.735,
            min_stop_words=0,
        ),
        PIIFormatter(),
        JsonlWriter(kept),
    )
    shape = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    run(JsonlReader(kept), MinhashDedupSignature(signatures, config=shape, language=ZH))
    for bucket in range(shape.num_buckets):
        run(MinhashDedupBuckets(signatures, buckets, config=shape), rank=bucket, ranks=14)
    run(MinhashDedupCluster(buckets, clusters, config=shape))
    run(JsonlReader(kept), MinhashDedupFilter(clusters), JsonlWriter(str(folder / "out")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
