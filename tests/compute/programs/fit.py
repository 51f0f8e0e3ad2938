"""Imports the numeric libraries and trains something small, as real training does."""

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info

job = json.loads(Path(sys.argv[1]).read_bytes())
texts = ["路灯不亮", "水管漏水", "路灯坏了", "停水三天"] * 20
labels = ["light", "water", "light", "water"] * 20
features = TfidfVectorizer(analyzer="char", ngram_range=(1, 2)).fit_transform(texts)
model = LogisticRegression().fit(features, labels)
result = {
    "score": float(np.mean(model.predict(features) == labels)),
    "threads": sorted({pool["num_threads"] for pool in threadpool_info()}),
    "hash": hash("运河"),
}
(Path(job["outputs"]) / "result.json").write_text(json.dumps(result))
