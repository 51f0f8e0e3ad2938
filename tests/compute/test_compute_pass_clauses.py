"""What the order of a pass promises, seen in placements that the platform itself wrote.

Ageing, use that is forgotten, the project's own level of the fair share, and the site that is
nearest to the data. Jobs wait without an award; giving one makes the platform decide at once.
"""

from __future__ import annotations

import pytest
from dispatch_trial import found_town, queue_up

from yunhe.compute import service as compute
from yunhe.compute.passes import service as passes
from yunhe.compute.passes import weighing, whole
from yunhe.compute.passes.domain import SMALL_MAX, Weight
from yunhe.compute.scheduling.policies import YUNHE
from yunhe.compute.ways import service as ways
from yunhe.identity import service as identity
from yunhe.kernel.clock import SECOND_US

WEEK_SECONDS = YUNHE.ageing_us // SECOND_US
HALF_LIFE_SECONDS = YUNHE.half_life_us // SECOND_US


def states(city, *jobs) -> list[str]:
    return [city.see(job).state for job in jobs]


@pytest.mark.parametrize(
    ("waited", "first"),
    [(3_600, "urgent"), (WEEK_SECONDS - 60, "urgent"), (WEEK_SECONDS + 60, "old")],
    ids=["an_hour", "almost_a_week", "a_week"],
)
def test_what_has_waited_for_a_week_goes_before_a_higher_class(bare_city, waited, first) -> None:
    city = bare_city
    city.pool(devices=40)  # so many that nobody's patience with one device ends within the week
    city.cash()
    city.award(seconds=39, key="filled")
    filler = city.submit("filler", wall=1, devices=39)
    old = city.submit("old", priority="low")
    city.clock.advance(seconds=waited)
    urgent = city.submit("urgent")
    assert states(city, filler, old, urgent) == ["placed", "waiting", "waiting"]
    city.award(seconds=1_000)
    jobs = {"old": old, "urgent": urgent}
    assert [name for name, job in jobs.items() if city.see(job).state == "placed"] == [first]
    city.assert_books_are_right()


@pytest.mark.parametrize(("lives", "shares"), [(0, [4, 8]), (40, [6, 6])], ids=["now", "long_ago"])
def test_a_pass_forgets_what_was_used_long_ago(new_city, lives, shares) -> None:
    city = new_city()
    named = found_town(city.storage, organisations=2, pools=1, devices=12)
    with city.storage.database.begin() as tx:
        now_us = city.clock.now_us()
        weighing.note(tx, named[0], "", device_ms=10 * HALF_LIFE_SECONDS * 1_000, now_us=now_us)
    city.clock.advance(seconds=lives * HALF_LIFE_SECONDS)
    queue_up(city.storage, named, each=SMALL_MAX, most=1)
    whole.run(city.storage)
    with city.storage.database.read() as tx:
        placed = [one.spec.organisation for one in compute.workloads(tx) if one.state == "placed"]
    found = [placed.count(name) for name in named]
    assert sum(found) == sum(shares)
    assert (found[0] < found[1]) == (shares[0] < shares[1])
    assert lives == 0 or found == shares


@pytest.fixture
def projects(bare_city) -> list[str]:
    """Two projects of the university."""
    with bare_city.storage.database.begin() as tx:
        return [
            identity.add_project(
                tx, key=name, organisation=bare_city.university, name=name, at_us=0
            ).id
            for name in ("甲", "乙")
        ]


def of_projects(city, projects) -> list[int]:
    """How many of four devices each project gets, of four jobs each that wait alike."""
    city.pool(devices=4)
    city.cash()
    jobs = [
        (project, city.submit(f"{project}-{number}", wall=60, project=project))
        for number in range(4)
        for project in projects
    ]
    city.award(seconds=10_000)
    placed = [project for project, job in jobs if city.see(job).state == "placed"]
    return [placed.count(project) for project in projects]


def test_projects_of_one_organisation_share_equally(bare_city, projects) -> None:
    assert of_projects(bare_city, projects) == [2, 2]


@pytest.mark.parametrize("much", [0, 1])
def test_the_project_that_used_less_of_late_goes_first_within_its_organisation(
    bare_city, projects, much
) -> None:
    city = bare_city
    with city.storage.database.begin() as tx:
        given = {"device_ms": 10 * HALF_LIFE_SECONDS * 1_000, "now_us": city.clock.now_us()}
        weighing.note(tx, city.university, projects[much], **given)
    assert of_projects(city, projects)[1 - much] == 4


def test_a_project_that_weighs_three_times_as_much_gets_three_times_as_much(
    bare_city, projects
) -> None:
    city = bare_city
    weight = Weight("university", city.university, projects[0], 3)
    with city.storage.database.begin() as tx:
        passes.weigh(tx, weight, said_by=city.operator, at_us=city.clock.now_us())
    assert of_projects(city, projects) == [3, 1]


def at_two_sites(city, **prices: int) -> dict[str, str]:
    """A pool at each site; the sites by the id of their pool."""
    made = {}
    for site, price in prices.items():
        pool = compute.register_pool(
            city.storage,
            key=site,
            provider=city.provider,
            site=site,
            chip="cpu",
            devices=2,
            price_minor_per_device_hour=price,
            currency="CNY",
        )
        made[pool.id] = site
    return made


@pytest.mark.parametrize("near", ["east", "west"])
def test_of_equal_sites_the_one_whose_way_from_the_data_is_shorter_is_taken(
    bare_city, near
) -> None:
    city = bare_city
    sites = at_two_sites(city, east=3_600, west=3_600)
    for site in ("east", "west"):
        speed = 800 if site == near else 8
        ways.say(
            city.storage, start="archive", end=site, megabit_per_second=speed, member=city.operator
        )
    city.award(seconds=10_000)
    city.cash()
    made = city.submit(data_site="archive", egress_bytes=10**9)
    assert (made.state, sites[made.pool]) == ("placed", near)
    assert made.held_device_ms == (100 + 10) * 1_000  # the way is held as well
    city.assert_books_are_right()


def test_data_that_may_not_leave_its_site_keeps_work_there_however_dear_it_is(bare_city) -> None:
    city = bare_city
    sites = at_two_sites(city, east=1, west=3_600)
    city.award(seconds=10_000)
    city.cash()
    kept = city.submit("kept", data_site="west", egress="forbid", egress_bytes=10**9)
    free = city.submit("free")
    assert [sites[each.pool] for each in (kept, free)] == ["west", "east"]
