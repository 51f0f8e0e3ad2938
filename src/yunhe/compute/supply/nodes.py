"""Commands about the nodes of a pool: they come, drain, break, return and go.

A pool without nodes counts as one node with all its devices. Nodes keep their numbers for ever; one
that is gone may come back under its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from yunhe.compute import store as pools
from yunhe.compute.admission import admit
from yunhe.compute.errors import refuse
from yunhe.compute.scheduling.fitting import DEVICES_MAX
from yunhe.compute.specs import amount_faults, key_faults, text_faults
from yunhe.compute.supply import store
from yunhe.compute.supply.changing import reached
from yunhe.compute.supply.domain import NODE_STATES, Node, NodeRow, NodeState
from yunhe.compute.supply.losing import lose
from yunhe.compute.supply.own import Stock, held_to_stock
from yunhe.kernel.errors import Conflict, Finding, NotFound
from yunhe.kernel.ids import derived_id
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

NODES_MAX = 10_000
"""Most nodes of one pool."""
CPU_MILLI_MAX = 10_000_000
"""Largest node: ten thousand CPUs."""
MEMORY_MIB_MAX = 1 << 30
"""Largest node: a pebibyte."""
DOMAIN_MAX = 1_000_000
"""Highest number of a fabric domain."""


def node_faults(rows: Sequence[NodeRow], *, there: int = 0) -> Iterator[Finding]:
    """What is wrong with nodes that are to come to a pool that has some."""
    for number, row in enumerate(rows):
        for name, least, most in (
            ("count", 1, NODES_MAX),
            ("devices", 1, DEVICES_MAX),
            ("cpu_milli", 0, CPU_MILLI_MAX),
            ("memory_mib", 0, MEMORY_MIB_MAX),
            ("domain", 0, DOMAIN_MAX),
        ):
            where = f"nodes.{number}.{name}"
            yield from amount_faults(where, getattr(row, name), least=least, most=most)
    if sum(row.count for row in rows if type(row.count) is int) + there > NODES_MAX:
        yield Finding("nodes", "compute.nodes_many", (("most", NODES_MAX),))


def set_up(tx: Transaction, pool_id: str, rows: Sequence[NodeRow], *, at_us: int | None) -> bool:
    """Give a pool that is being registered its nodes; the same again changes nothing.

    ``at_us`` None: it was registered before. Returns whether it has any: then the devices that it
    has may no longer be those it was registered with.

    Errors: `Conflict` ``compute.pool_differs`` where it has others.
    """
    there = store.nodes(tx, pool_id)
    if at_us is not None:
        start = Node(pool_id, 0, 0, 0, 0, 0, "open", "", "", at_us)
        store.add_nodes(tx, _numbered(start, rows))
    elif [_kind(node) for node in there if not node.batch] != _kinds(rows):
        raise Conflict("compute.pool_differs", key=pool_id)
    return bool(rows or there)


def _kind(node: Node | NodeRow) -> tuple[int, int, int, int]:
    return node.devices, node.cpu_milli, node.memory_mib, node.domain


def _kinds(rows: Iterable[NodeRow]) -> list[tuple[int, int, int, int]]:
    return [_kind(row) for row in rows for _ in range(row.count)]


def _numbered(first: Node, rows: Iterable[NodeRow]) -> list[Node]:
    """The rows one by one, numbered from the first on and otherwise said as it is."""
    return [
        replace(
            first,
            position=first.position + at,
            devices=devices,
            cpu_milli=cpu_milli,
            memory_mib=memory_mib,
            domain=domain,
        )
        for at, (devices, cpu_milli, memory_mib, domain) in enumerate(_kinds(rows))
    ]


def come(
    storage: Storage, pool_id: str, rows: Sequence[NodeRow], *, key: str, reason: str, by: str
) -> list[Node]:
    """Add nodes to a pool that has some; what waits may run there at once.

    The same key again returns the nodes of the first time. A pool of this machine grows by no more
    than is in it. Errors: `Invalid` ``compute.offer_invalid`` with every finding; `NotFound`
    ``compute.pool_unknown``; `Conflict` ``compute.pool_flat`` for a pool without nodes,
    ``compute.nodes_differ``.
    """
    return held_to_stock(
        lambda stock: _come(storage, pool_id, rows, stock, key=key, reason=reason, by=by)
    )


def _come(
    storage: Storage,
    pool_id: str,
    rows: Sequence[NodeRow],
    stock: Stock,
    *,
    key: str,
    reason: str,
    by: str,
) -> list[Node]:
    batch = derived_id("nodes", pool_id, key)
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        pool = reached(tx, pool_id)
        there = store.nodes(tx, pool_id)
        before = [node for node in there if node.batch == batch]
        if before:
            if [_kind(node) for node in before] != _kinds(rows):
                raise Conflict("compute.nodes_differ", key=key)
            return before
        findings = [*key_faults(key), *text_faults("reason", reason)]
        findings += list(node_faults(rows, there=len(there))) or stock.lacks(
            tx,
            pool.chip,
            sum(row.count * row.devices for row in rows),
            adapter=pool.adapter,
            where="nodes",
        )
        if not rows:
            findings.append(Finding("nodes", "compute.nodes_none"))
        refuse("compute.offer_invalid", findings)
        if not there:
            raise Conflict("compute.pool_flat", pool=pool_id)
        start = Node(pool_id, len(there), 0, 0, 0, 0, "open", reason, by, now_us, batch)
        made = _numbered(start, rows)
        store.add_nodes(tx, made)
        _counted(tx, pool_id)
        detail = f"{made[0].position}-{made[-1].position}"
        store.add_step(tx, pool_id, "nodes_came", detail, reason=reason, by=by, at_us=now_us)
        admit(tx, now_us=now_us)
    return made


def change_node(
    storage: Storage, pool_id: str, position: int, *, state: str, reason: str, by: str
) -> Node:
    """Say how a node stands; saying what is so already changes nothing.

    ``draining``: nothing new goes there and what runs goes on. ``down`` and ``gone``: what is there
    is ended unpaid and waits again, with the place in the queue that it had; what it held is given
    back. ``open``: as before. Errors: `Invalid` ``compute.offer_invalid``; `NotFound`
    ``compute.pool_unknown``, ``compute.node_unknown``.
    """
    findings = list(text_faults("reason", reason))
    wanted = next((known for known in NODE_STATES if known == state), None)
    if wanted is None:
        params = (("value", state[:40]), ("known", ", ".join(NODE_STATES)))
        findings.append(Finding("state", "compute.pool_state_unknown", params))
    refuse("compute.offer_invalid", findings)
    assert wanted is not None  # noqa: S101 - refused above
    return held_to_stock(
        lambda stock: _change_node(storage, pool_id, position, wanted, stock, reason=reason, by=by)
    )


def _change_node(
    storage: Storage,
    pool_id: str,
    position: int,
    wanted: NodeState,
    stock: Stock,
    *,
    reason: str,
    by: str,
) -> Node:
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        pool = reached(tx, pool_id)
        before = store.node(tx, pool_id, position)
        if before is None:
            raise NotFound("compute.node_unknown", pool=pool_id, node=str(position))
        if before.state == wanted:
            return before
        if before.state == "gone":
            lacking = stock.lacks(
                tx, pool.chip, before.devices, adapter=pool.adapter, where="state"
            )
            refuse("compute.offer_invalid", lacking)
        said = replace(before, state=wanted, reason=reason, by=by, at_us=now_us)
        store.set_node(tx, said)
        _counted(tx, pool_id)
        detail = f"{position} {wanted}"
        store.add_step(tx, pool_id, "node", detail, reason=reason, by=by, at_us=now_us)
        if wanted in {"down", "gone"}:
            lose(tx, pool, node=position, now_us=now_us)
        admit(tx, now_us=now_us)
    return said


def _counted(tx: Transaction, pool_id: str) -> None:
    """The pool has as many devices as its nodes that are not gone."""
    kept = [node.devices for node in store.nodes(tx, pool_id) if node.state != "gone"]
    pools.set_devices(tx, pool_id, devices=sum(kept))
