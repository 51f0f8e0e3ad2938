"""Azure LLM inference: requests of two services as a real-time load.

*Source*: Azure/AzurePublicDataset, AzureLLMInferenceTrace 2023 (CC BY); Patel et al., ISCA 2024.
"""

from __future__ import annotations

import numpy as np

from yunhe.compute.simulation.domain import Note
from yunhe.compute.simulation.traces.building import About, Draft, Loaded, Wanted, build
from yunhe.compute.simulation.traces.fleets import one_site
from yunhe.compute.simulation.traces.table import Problems, read_csv

COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
"""What the reader needs."""
CONTEXT_US_PER_TOKEN = 100
"""Reading one token of the question. Assumed, not measured, and said in a note."""
GENERATED_US_PER_TOKEN = 25_000
"""Writing one token of the answer. Assumed likewise."""
TOKENS_MAX = 1_000_000_000
"""Most tokens of one request."""
SHARE_MILLI = 62
"""Of one device, so that sixteen requests share it. Assumed likewise."""


def read(name: str, content: str, wanted: Wanted, problems: Problems) -> Loaded:
    """Each request holds a share of a device for as long as its tokens take."""
    rows = read_csv(name, content, problems, needed=COLUMNS)
    arrive = rows.times("TIMESTAMP")
    context = rows.whole("ContextTokens", least=0, most=TOKENS_MAX)
    generated = rows.whole("GeneratedTokens", least=0, most=TOKENS_MAX)
    draft = Draft(
        id=[f"row-{line}" for line in rows.lines.tolist()],
        arrive_us=arrive,
        service_us=context * CONTEXT_US_PER_TOKEN + generated * GENERATED_US_PER_TOKEN,
        devices=np.zeros(len(rows), np.int64),
        good=rows.good,
        lines=rows.lines,
        milli=np.full(len(rows), SHARE_MILLI, np.int64),
        preemptible=np.zeros(len(rows), np.bool_),
    )
    note = Note(
        "azure",
        {
            "context_us": CONTEXT_US_PER_TOKEN,
            "generated_us": GENERATED_US_PER_TOKEN,
            "share": SHARE_MILLI,
        },
    )
    supply = wanted.supply or one_site("gpu", nodes=1, devices=8, note="fleet_azure")
    about = About("azure", name, ("requests",), calendar=True, notes=(note,))
    return build(draft, about, supply=supply, wanted=wanted, problems=problems)
