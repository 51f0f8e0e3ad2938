"""Every class that comes with the platform can be awarded and used before anybody sets rates."""

from __future__ import annotations

from importlib.resources import files

import pytest
import yaml
from applications_desk import Desk
from test_compute_applications_classes import apply
from test_compute_class_awards import RATES, Vendors
from test_compute_supply_classes import written

from yunhe.compute.service import supply
from yunhe.compute.supply import __name__ as package
from yunhe.compute.supply import classes
from yunhe.compute.supply.domain import Rate
from yunhe.compute.wanted import KINDS
from yunhe.kernel.errors import Invalid

CLASSES = tuple(sorted(classes.shipped()))


@pytest.fixture
def vendors(bare_city) -> Vendors:
    bare_city.cash(10**9)
    bare_city.approve_trial()
    return Vendors(bare_city)


def test_every_chip_of_the_catalogue_is_in_a_class_and_every_class_has_all_its_rates() -> None:
    card = classes.default_card()
    known = {(rate.chip, rate.workload_class) for rate in card.rates}
    in_a_class = {chip for name in CLASSES for chip in classes.shipped()[name].chips}
    assert in_a_class == {chip.id for chip in supply.catalogue().chips}
    assert known == {(chip, kind) for chip in in_a_class for kind in KINDS}
    assert len(known) == len(card.rates)


def test_what_ships_says_where_it_is_from_and_claims_neither_measurement_nor_speed() -> None:
    card = classes.default_card()
    assert {rate.per_thousand for rate in card.rates} == {1_000}
    assert not any(rate.verified for rate in card.rates)
    assert "nothing was measured" in card.provenance
    assert card.reference not in {rate.chip for rate in card.rates}


@pytest.mark.parametrize("name", CLASSES)
def test_an_award_for_a_class_pays_on_every_one_of_its_chips_without_a_published_card(
    vendors, name
) -> None:
    award = vendors.award(f"class:{name}", seconds=100_000)
    chips = classes.shipped()[name].chips
    assert (award.accepts.rated, award.accepts.version) == (chips, 0)
    assert award.accepts.card == classes.DEFAULT_CARD
    for chip in chips:
        vendors.pool(chip)
        done = vendors.ran(f"on-{chip}", chip, wall_ms=30_000)
        assert done.state == "settled", done.why
        assert (done.usage.device_ms, done.usage.drawn_ms) == (30_000, 30_000)  # an hour is an hour
    [status] = vendors.status("every")
    assert status.used_ms == 30_000 * len(chips)


@pytest.mark.parametrize("kind", KINDS)
def test_work_of_every_kind_is_paid_so(vendors, kind) -> None:
    vendors.pool("ascend910b")
    vendors.award()
    made = vendors.city.submit("a", chip="ascend910b", kind=kind)
    assert made.state == "placed"
    assert vendors.status().held_ms == 100_000


def test_one_applies_for_a_class_before_anybody_published_a_card(desk: Desk) -> None:
    made = apply(desk, hours=100)
    assert made.state == "awarded"
    (status,) = desk.awards()
    assert status.award.accepts.card == classes.DEFAULT_CARD
    desk.assert_sound()


def test_a_published_card_takes_its_place_altogether_and_leaves_awards_as_they_are(vendors) -> None:
    first = vendors.award()
    vendors.publish()
    later = vendors.award(key="later")
    assert (later.accepts.version, later.accepts.rated) == (1, ("a100", "ascend910b", "h100"))
    assert later.accepts.rates == tuple(
        sorted((rate.chip, rate.workload_class, rate.per_thousand) for rate in RATES)
    )
    assert vendors.award() == first
    with pytest.raises(Invalid) as caught:  # nothing is filled up from what ships
        vendors.award("class:inference", key="other")
    assert [each.code for each in caught.value.findings] == ["compute.class_unrated"]


def test_it_counts_neither_for_a_list_nor_for_a_class_of_the_operators_own(
    vendors, tmp_path
) -> None:
    file = tmp_path / "classes.yaml"
    file.write_bytes(written())
    database = vendors.storage.database
    for word in ("k80+a100", "class:training-large"):
        with pytest.raises(Invalid) as caught:
            vendors.award(word)
        assert [each.code for each in caught.value.findings] == ["compute.class_unrated"]
        classes.take(database, file)
    classes.take(database, None)


def test_it_is_no_rate_for_normalised_hours(vendors) -> None:
    with vendors.storage.database.read() as tx:
        now_us = vendors.clock.now_us()
        assert supply.normalised(tx, "h100", "training", 1_000, now_us) is None


def test_it_is_written_as_a_card_that_can_be_changed_and_published(vendors) -> None:
    said = yaml.safe_load(files(package).joinpath("class_rates.yaml").read_bytes())
    made = supply.publish(
        vendors.storage,
        key="own",
        reference=said["reference"],
        rates=[Rate(**each) for each in said["rates"]],
        provenance=said["provenance"],
        by=vendors.city.operator,
    )
    assert vendors.award().accepts.card == made.id
