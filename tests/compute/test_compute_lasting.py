"""Work that fits once a repair is over waits for it: it is not refused at submission."""

from __future__ import annotations

import pytest
from test_compute_following import Place

from yunhe.compute import service as compute
from yunhe.compute.lasting import lasting
from yunhe.compute.providers.remote import Node
from yunhe.compute.remote.following import SILENT_SECONDS, STEP_SECONDS
from yunhe.compute.supply import service as supply
from yunhe.kernel.errors import Invalid


@pytest.fixture
def place(bare_city) -> Place:
    """A pool of twelve devices at a site that the platform follows; nothing else."""
    bare_city.award()
    bare_city.voucher()
    bare_city.cash()
    bare_city.approve_trial()
    made = Place(bare_city, devices=12)
    made.nodes = tuple(Node(f"n{number}", "cpu", 4, 4, "up") for number in range(3))
    made.look()
    assert made.stands == ("open", 12)
    return made


def drained(place: Place, state: str = "drained") -> None:
    first, *rest = place.nodes
    place.nodes = (Node(first.name, "cpu", 4, 0, state), *rest)
    place.look(seconds=STEP_SECONDS)
    assert place.stands == ("open", 8)


@pytest.mark.parametrize("state", ["drained", "down"])
def test_work_for_the_whole_of_a_site_waits_while_one_node_is_repaired(place, state) -> None:
    drained(place, state)
    made = place.city.submit("whole", devices=12, wall=10)
    assert (made.state, made.pool) == ("waiting", None)
    said = compute.preview(place.storage, place.city.spec("p", devices=12, wall=10))
    assert (said.workload.state, [home.pool.id for home in said.homes]) == ("waiting", [place.pool])
    with pytest.raises(Invalid):
        place.city.submit("more than there is", devices=13)
    place.nodes = tuple(Node(node.name, "cpu", 4, 4, "up") for node in place.nodes)
    place.look(seconds=STEP_SECONDS)
    assert place.stands == ("open", 12)
    assert place.city.see(made).state == "placed"


def test_a_node_that_the_site_no_longer_names_is_no_longer_counted(place) -> None:
    place.nodes = place.nodes[1:]
    place.look(seconds=STEP_SECONDS)
    with pytest.raises(Invalid) as refused:
        place.city.submit("whole", devices=12)
    assert [each.where for each in refused.value.findings] == ["devices"]


@pytest.mark.parametrize("seconds", [0, SILENT_SECONDS])
def test_work_waits_for_a_site_that_is_closed_or_gone(place, seconds) -> None:
    if seconds:
        place.gone(2 * seconds)
    else:
        place.say("down")
    assert place.stands == ("down", 12)
    assert place.city.submit("whole", devices=12, wall=10).state == "waiting"


def test_work_waits_for_a_node_that_is_drained_by_hand(bare_city) -> None:
    for each in (bare_city.award, bare_city.voucher, bare_city.cash, bare_city.approve_trial):
        each()
    pool = compute.register_pool(
        bare_city.storage,
        key="noded",
        provider=bare_city.provider,
        site="机房一",
        chip="cpu",
        devices=4,
        price_minor_per_device_hour=3_600,
        currency="CNY",
        nodes=(supply.NodeRow(1, 4, 4_000, 8_192),),
    ).id
    for state in ("draining", "down"):
        supply.change_node(
            bare_city.storage, pool, 0, state=state, reason="repair", by=bare_city.operator
        )
        assert bare_city.submit(state, devices=4, fabric="node", wall=10).state == "waiting"


def test_the_operators_number_holds_where_nobody_follows_and_before_a_site_was_heard(
    bare_city,
) -> None:
    place = Place(bare_city, follows=False, devices=2)
    place.look()
    with bare_city.storage.database.read() as tx:
        pools = [each.pool for each in compute.pools(tx)]
        assert lasting(tx, pools) == pools
        assert lasting(tx, []) == []
