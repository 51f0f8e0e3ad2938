"""Pools that keep to what their site has: closed when it is gone, opened again, a hand wins."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paper_site import PaperSite

from yunhe.compute import service as compute
from yunhe.compute.providers import sites
from yunhe.compute.providers.remote import Capacity, Node
from yunhe.compute.remote import following
from yunhe.compute.remote.driver import CAPACITY_SECONDS, Driver
from yunhe.compute.remote.following import SILENT_SECONDS, STEP_SECONDS
from yunhe.compute.scheduling.fitting import DEVICES_MAX
from yunhe.compute.supply import service as supply
from yunhe.kernel.errors import Invalid, Unavailable


class Place:
    """A city with a pool at a site on paper, whose driver keeps the pool to what the site has."""

    def __init__(self, city, *, follows: bool = True, devices: int = 4) -> None:
        self.city, self.storage = city, city.storage
        self.site = PaperSite(city.clock)
        self.nodes = (Node("n1", "cpu", 4, 4, "up"),)
        self.site.capacity = lambda: Capacity(self.nodes)
        self.driver = Driver(city.storage, self.site, follows=follows)
        self.pool = self.add("paper", devices=devices)

    def add(self, key: str, *, devices: int = 4, **over) -> str:
        asked = {
            "key": key,
            "provider": self.city.provider,
            "site": "远方",
            "chip": "cpu",
            "devices": devices,
            "price_minor_per_device_hour": 3_600,
            "currency": "CNY",
            "adapter": "paper",
            **over,
        }
        return compute.register_pool(self.storage, **asked).id

    def look(self, *, seconds: int = CAPACITY_SECONDS) -> None:
        self.city.clock.advance(seconds=seconds)
        try:
            self.driver.once()
        except Unavailable:
            return

    def gone(self, seconds: int) -> None:
        """The site can't be reached for so long; somebody tries once a minute."""

        def away(_: str) -> None:
            raise Unavailable("compute.remote_unreachable", site="paper", reason="away")

        def nobody():
            away("capacity")

        self.site.before, before = away, self.site.before
        self.site.capacity, capacity = nobody, self.site.capacity
        for _ in range(-(-seconds // CAPACITY_SECONDS)):
            self.look()
        self.site.before, self.site.capacity = before, capacity

    def say(self, state: str) -> None:
        supply.change(self.storage, self.pool, state=state, reason="by hand", by=self.city.operator)

    @property
    def stands(self) -> tuple[str, int]:
        """Its state and how many devices it has."""
        with self.storage.database.read() as tx:
            [offer] = supply.offers(
                tx,
                [each for each in compute.pools(tx) if each.pool.id == self.pool],
                now_us=self.city.clock.now_us(),
            )
        return offer.standing.state, offer.status.pool.devices

    @property
    def steps(self):
        with self.storage.database.read() as tx:
            return supply.steps(tx, self.pool, limit=500)


@pytest.fixture
def place(bare_city) -> Place:
    made = Place(bare_city)
    made.look()
    return made


def test_a_pool_has_as_many_devices_as_its_site_says(place) -> None:
    assert place.stands == ("open", 4)
    place.nodes = (Node("n1", "cpu", 4, 0, "up"), Node("n2", "cpu", 2, 0, "up"))
    place.look()
    assert place.stands == ("open", 6)
    [step] = place.steps
    assert (step.what, step.detail, step.by) == ("devices", "6", "")
    assert "paper" in step.reason


def test_only_nodes_that_are_up_and_of_the_pools_chip_count(place) -> None:
    place.nodes = (
        Node("n1", "cpu", 3, 3, "up"),
        Node("n2", "cpu", 8, 0, "down"),
        Node("n3", "cpu", 8, 0, "drained"),
        Node("n4", "h20", 16, 16, "up"),
    )
    place.look()
    assert place.stands == ("open", 3)


def test_where_nobody_switched_it_on_a_pool_stays_as_it_was_registered(bare_city) -> None:
    place = Place(bare_city, follows=False, devices=9)
    place.look()
    place.gone(SILENT_SECONDS * 2)
    assert place.stands == ("open", 9)
    assert place.steps == []


def test_a_site_that_is_gone_for_long_closes_its_pools_and_opens_them_when_it_answers(
    place,
) -> None:
    place.gone(SILENT_SECONDS - CAPACITY_SECONDS)
    assert place.stands == ("open", 4)
    place.gone(CAPACITY_SECONDS)
    assert place.stands == ("down", 4)
    assert f"{SILENT_SECONDS // 60} minutes" in place.steps[0].reason
    place.look(seconds=STEP_SECONDS)
    assert place.stands == ("open", 4)
    assert [step.detail for step in place.steps] == ["open", "down"]


def test_work_is_not_placed_at_a_site_that_is_gone_and_is_when_it_is_back(place) -> None:
    place.city.award(seconds=100_000)
    place.city.cash()
    place.gone(SILENT_SECONDS)
    asked = place.city.submit()
    assert place.city.see(asked).state == "waiting"
    place.look(seconds=STEP_SECONDS)
    assert place.city.see(asked).state in ("placed", "running")
    place.city.assert_books_are_right()


def test_a_site_without_a_device_in_order_is_down_though_it_answers(place) -> None:
    place.nodes = (Node("n1", "cpu", 4, 0, "down"),)
    place.look()
    assert place.stands == ("down", 4)
    place.nodes = ()
    place.look(seconds=STEP_SECONDS)
    assert place.stands == ("down", 4)
    place.nodes = (Node("n1", "cpu", 4, 4, "up"),)
    place.look(seconds=STEP_SECONDS)
    assert place.stands == ("open", 4)


@pytest.mark.parametrize("state", ["draining", "down"])
def test_what_somebody_closed_by_hand_stays_closed(place, state) -> None:
    place.say(state)
    place.look(seconds=STEP_SECONDS)
    assert place.stands[0] == state
    place.gone(SILENT_SECONDS)
    assert place.stands[0] == state
    place.look(seconds=STEP_SECONDS)
    assert place.stands[0] == state


def test_what_somebody_drained_after_the_site_was_lost_does_not_open_by_itself(place) -> None:
    place.gone(SILENT_SECONDS)
    place.say("draining")
    place.look(seconds=STEP_SECONDS)
    assert place.stands == ("draining", 4)


def test_what_somebody_opened_during_an_outage_stays_open_until_the_next_one(place) -> None:
    place.gone(SILENT_SECONDS)
    place.say("open")
    place.gone(SILENT_SECONDS * 2)
    assert place.stands == ("open", 4)
    place.look()
    place.gone(SILENT_SECONDS)
    assert place.stands == ("down", 4)


def test_a_pool_is_never_made_smaller_than_what_runs_in_it(place) -> None:
    place.city.award(seconds=100_000)
    place.city.cash()
    place.city.submit(devices=3)
    place.look()
    place.nodes = (Node("n1", "cpu", 1, 0, "up"),)
    place.look()
    assert place.stands == ("open", 3)
    place.city.assert_books_are_right()


def test_a_site_that_boasts_gets_no_more_than_the_largest_pool(place) -> None:
    place.nodes = (Node("n1", "cpu", 10**12, 10**12, "up"),)
    place.look()
    assert place.stands == ("open", DEVICES_MAX)


def test_nonsense_about_devices_closes_and_never_makes_a_pool_negative(place) -> None:
    place.nodes = (Node("n1", "cpu", -5, 0, "up"),)
    place.look()
    assert place.stands == ("down", 4)


def test_of_two_pools_of_one_chip_neither_is_resized_but_both_close(place) -> None:
    other = place.add("second", devices=2)
    place.nodes = (Node("n1", "cpu", 40, 40, "up"),)
    place.look()
    assert place.stands == ("open", 4)
    place.gone(SILENT_SECONDS)
    assert place.stands == ("down", 4)
    place.pool = other
    assert place.stands == ("down", 2)


def test_a_pool_with_nodes_of_its_own_keeps_its_devices(bare_city) -> None:
    place = Place(bare_city)
    place.pool = place.add(
        "racks", chip="h20", devices=8, nodes=(supply.NodeRow(count=2, devices=4),)
    )
    place.nodes = (Node("n1", "cpu", 4, 4, "up"), Node("n2", "h20", 3, 3, "up"))
    place.look()
    assert place.stands == ("open", 8)


def test_a_pool_of_another_site_is_left_alone(place) -> None:
    elsewhere = place.add("elsewhere", adapter="other", devices=7)
    place.nodes = ()
    place.look()
    assert place.stands[0] == "down"
    place.pool = elsewhere
    assert place.stands == ("open", 7)


def test_a_site_that_flickers_fills_no_history(place) -> None:
    for number in range(60):
        place.nodes = (Node("n1", "cpu", 4 + number % 2, 0, "up" if number % 3 else "down"),)
        place.look()
    hour_us = 60 * CAPACITY_SECONDS * 1_000_000
    by_kind = [step.what for step in place.steps]
    most = hour_us // (STEP_SECONDS * 1_000_000) + 1
    assert 0 < by_kind.count("state") <= most
    assert 0 < by_kind.count("devices") <= most


def test_a_site_nobody_has_ever_heard_of_is_not_closed(bare_city) -> None:
    place = Place(bare_city)
    with place.storage.database.begin() as tx:
        following.missed(tx, "paper", now_us=place.city.clock.now_us())
    assert place.stands == ("open", 4)


def test_a_clock_that_was_set_back_closes_nothing(place) -> None:
    with place.storage.database.begin() as tx:
        following.missed(tx, "paper", now_us=place.city.clock.now_us() - 3_600_000_000)
    assert place.stands == ("open", 4)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    said=st.lists(
        st.one_of(
            st.tuples(st.just("site"), st.integers(-2, 9)),
            st.tuples(st.just("gone"), st.integers(1, 8)),
            st.tuples(st.sampled_from(["open", "draining", "down"]), st.just(0)),
            st.tuples(st.just("submit"), st.integers(1, 3)),
        ),
        max_size=10,
    )
)
def test_whatever_a_site_and_people_say_a_hand_wins_and_books_are_right(new_city, said) -> None:
    place = Place(new_city())
    place.city.award(seconds=100_000)
    place.city.cash()
    hand = ""
    for number, (what, amount) in enumerate(said):
        if what == "site":
            place.nodes = (Node("n1", "cpu", amount, 0, "up"),)
            place.look()
        elif what == "gone":
            place.gone(amount * CAPACITY_SECONDS)
        elif what == "submit":
            if amount <= place.stands[1]:
                place.city.submit(f"job-{number}", devices=amount)
            else:
                with suppress(Invalid):  # the site may have no more, not even out of order
                    place.city.submit(f"job-{number}", devices=amount)
        else:
            before = place.stands[0]
            place.say(what)
            hand = what if what != before else hand if hand == what else ""
        if hand in ("draining", "down"):
            assert place.stands[0] == hand
        assert 0 < place.stands[1] <= DEVICES_MAX
    place.city.assert_books_are_right()


def test_the_sites_file_switches_it_on_for_one_site_and_knows_no_third_word(tmp_path) -> None:
    key = 'kind = "agent"\norganisation = "org_a"\n'
    file = tmp_path / "sites.toml"
    file.write_text(
        f'[one]\n{key}capacity = "follow"\n[two]\n{key}[three]\n{key}capacity = "fixed"'
    )
    assert sites.followed(file) == {"one"}
    assert sites.followed(None) == frozenset()
    file.write_text(f'[one]\n{key}capacity = "sometimes"\n')
    with pytest.raises(Invalid) as caught:
        sites.followed(file)
    assert [finding.where for finding in caught.value.findings] == ["one.capacity"]
