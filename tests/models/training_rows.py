"""Rows to train on, made of words that give their class away."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

WORDS = {
    "道路": ["路灯", "井盖", "坑洼", "积水", "护栏"],
    "环境": ["噪音", "垃圾", "异味", "油烟", "扬尘"],
    "交通": ["公交", "地铁", "红灯", "停车", "堵车"],
}
FILLERS = ["请尽快处理", "已经三天了", "小区门口", "麻烦看一下", "反映多次", "居民很着急"]


def write_train(path: Path, rows: int, seed: int = 1) -> Path:
    """Complaints made of words that give their class away; group = row."""
    chosen = random.Random(seed)
    labels = [chosen.choice(list(WORDS)) for _ in range(rows)]
    texts = [
        "，".join([chosen.choice(FILLERS), chosen.choice(WORDS[label]), chosen.choice(FILLERS)])
        for label in labels
    ]
    ids = [f"d{index}" for index in range(rows)]
    pq.write_table(pa.table({"id": ids, "text": texts, "label": labels, "group": ids}), path)
    return path
