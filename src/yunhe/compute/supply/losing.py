"""What a pool or a node that is down loses: every attempt there is over and waits again."""

from __future__ import annotations

from yunhe.compute import store as pools
from yunhe.compute.admission import unplace, work_key, work_kind
from yunhe.compute.domain import Pool
from yunhe.compute.places import lies_on
from yunhe.compute.reasons import Why
from yunhe.storage import leases
from yunhe.storage.database import Transaction


def lose(tx: Transaction, pool: Pool, *, node: int | None = None, now_us: int) -> int:
    """End what is on a pool, or on one node of it; how many workloads that were.

    Whoever runs one loses the claim. What was to be cancelled is; the rest keeps its place in the
    queue. Cost: a few statements for each.
    """
    why, result = Why("compute.pool_lost", (("pool", pool.id),)), "pool lost"
    if node is not None:
        why = Why("compute.node_lost", (("pool", pool.id), ("node", node)))
        result = "node lost"
    count = 0
    for row in pools.occupants(tx, pool.id):
        if node is not None and not lies_on(row["nodes"], node):
            continue
        count += 1
        leases.revoke(tx, kind=work_kind(pool.adapter), key=work_key(row), result=result)
        if row["cancel_asked"]:
            unplace(tx, row, now_us=now_us, state="cancelled", nodes=None, ended_at_us=now_us)
            continue
        back = {"state": "waiting", "pool": None, "voucher": None, "nodes": None, "why": why}
        unplace(tx, row, now_us=now_us, **back)
    return count
