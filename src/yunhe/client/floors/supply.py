"""Offers, prices by period, maintenance, chips, rate cards, disputes."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import planning, rating, supply
from yunhe.client.wire.limits import Limit, NewLimit
from yunhe.client.wire.ways import NewWay, Way


class Supply(Floor):
    """What providers offer, when and at which price; and how chips compare."""

    def offers(self, *, pool: str = "") -> Iterator[supply.Offer]:
        """Pools as they are offered now, by id; with ``pool`` that one with its steps."""
        return self._http.pages("/v1/offers", supply.Offer, {"pool": pool} if pool else None)

    def change(self, pool: str, sent: supply.PoolChange) -> supply.PoolStanding:
        """Open, drain or close a pool; by its provider or the operator."""
        path = at("/v1/pools/{pool}/change", pool=pool)
        return self._http.post(path, supply.PoolStanding, sent)

    def set_price(self, pool: str, sent: supply.NewPrice, *, key: str = "") -> supply.Price:
        """Set a price for a period from now on; likewise."""
        path = at("/v1/pools/{pool}/prices", pool=pool)
        return self._http.post(path, supply.Price, sent, key=key)

    def end_price(self, pool: str, price: str, sent: supply.PriceEnd) -> supply.Price:
        """Let a price end sooner; likewise."""
        path = at("/v1/pools/{pool}/prices/{price}/end", pool=pool, price=price)
        return self._http.post(path, supply.Price, sent)

    def come(self, pool: str, sent: supply.NewNodes, *, key: str = "") -> supply.Nodes:
        """Add nodes to a pool that has some; likewise."""
        path = at("/v1/pools/{pool}/nodes", pool=pool)
        return self._http.post(path, supply.Nodes, sent, key=key)

    def change_node(self, pool: str, node: int, sent: supply.NodeChange) -> supply.Node:
        """Open, drain or give up a node; likewise."""
        path = at("/v1/pools/{pool}/nodes/{node}/change", pool=pool, node=str(node))
        return self._http.post(path, supply.Node, sent)

    def plan(self, pool: str, sent: supply.NewMaintenance, *, key: str = "") -> supply.Maintenance:
        """Announce a maintenance; likewise."""
        path = at("/v1/pools/{pool}/maintenance", pool=pool)
        return self._http.post(path, supply.Maintenance, sent, key=key)

    def call_off(self, pool: str, maintenance: str, sent: supply.Because) -> supply.Maintenance:
        """Call a maintenance off; likewise."""
        path = at(
            "/v1/pools/{pool}/maintenance/{maintenance}/cancel",
            pool=pool,
            maintenance=maintenance,
        )
        return self._http.post(path, supply.Maintenance, sent)

    def ways(self) -> Iterator[Way]:
        """How fast data moves between sites, as far as the operator said."""
        return self._http.pages("/v1/ways", Way)

    def say_way(self, sent: NewWay) -> Way:
        """Say how fast data moves from one site to another; by the operator."""
        return self._http.put("/v1/ways", Way, sent)

    def limits(self) -> Iterator[Limit]:
        """What the operator said of places, the last first."""
        return self._http.pages("/v1/limits", Limit)

    def say_limit(self, sent: NewLimit) -> Limit:
        """Say where data, an award, an organisation or a pool is bound to; by the operator."""
        return self._http.put("/v1/limits", Limit, sent)

    def allocation(self) -> planning.Plan:
        """The slow plan: demand and supply by chip, scarcity, what nothing can exceed."""
        return self._http.get("/v1/plan", planning.Plan)

    def chips(self) -> rating.Catalogue:
        """The catalogue of chips."""
        return self._http.get("/v1/chips", rating.Catalogue)

    def cards(self) -> Iterator[rating.RateCard]:
        """Versions of the rate card, the last first."""
        return self._http.pages("/v1/rate-cards", rating.RateCard)

    def publish(self, sent: rating.NewRateCard, *, key: str = "") -> rating.RateCard:
        """Publish the next version; by the operator."""
        return self._http.post("/v1/rate-cards", rating.RateCard, sent, key=key)

    def disputes(self) -> Iterator[rating.Dispute]:
        """Objections to rates, by id."""
        return self._http.pages("/v1/disputes", rating.Dispute)

    def dispute(self, sent: rating.NewDispute, *, key: str = "") -> rating.Dispute:
        """Object to a rate."""
        return self._http.post("/v1/disputes", rating.Dispute, sent, key=key)

    def decide(self, dispute: str, sent: rating.DisputeDecision) -> rating.Dispute:
        """Decide an objection; by the operator."""
        path = at("/v1/disputes/{dispute}/decide", dispute=dispute)
        return self._http.post(path, rating.Dispute, sent)

    def normalised(self, chip: str, workload_class: str, device_ms: int) -> rating.Normalised:
        """Device time as time of the reference chip."""
        query = {"chip": chip, "workload_class": workload_class, "device_ms": str(device_ms)}
        return self._http.get("/v1/normalised", rating.Normalised, query)
