"""Classes of chips: dated data of the platform's and the operator's own, read whole or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from yunhe.compute.accepting import Accepted, accepted_from, accepted_text
from yunhe.compute.service import supply
from yunhe.compute.supply import classes
from yunhe.compute.supply.chips import catalogue
from yunhe.compute.supply.domain import Rate
from yunhe.kernel.errors import Invalid, Unavailable

OWN = {
    "version": "1",
    "as_of": "2026-11-23",
    "classes": [
        {
            "id": "training-large",
            "name": {"en": "Ours", "zh": "我们的"},
            "chips": ["h100", "ascend910b"],
            "source": "the city's order of 2026-11-01",
            "verified": True,
        }
    ],
}


def written(**over: object) -> bytes:
    return yaml.safe_dump({**OWN, **over}, allow_unicode=True).encode()


def test_the_shipped_classes_name_chips_of_the_catalogue_of_several_vendors_and_are_unchecked():
    found = classes.shipped()
    assert "training-large" in found
    vendors = catalogue().vendors()
    for each in found.values():
        assert set(each.chips) <= vendors.keys()
        assert len({vendors[chip] for chip in each.chips}) > 1
        assert (each.verified, each.as_of) == (False, "2026-11-23")
        assert each.source
        assert each.of("zh") != each.of("en")


def test_the_operators_own_class_goes_before_the_shipped_one_of_its_name(bare_city, tmp_path):
    path = tmp_path / "classes.yaml"
    path.write_bytes(written())
    database = bare_city.storage.database
    classes.take(database, path)
    with database.read() as tx:
        assert classes.every(tx)["training-large"].chips == ("ascend910b", "h100")
        assert "inference" in classes.every(tx)
    classes.take(database, None)
    with database.read() as tx:
        assert classes.every(tx) == classes.shipped()


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        b"- a list",
        b"a: [",
        b"",
        written(classes=[]),
        written(classes=OWN["classes"] * 2),
        written(classes=[{**OWN["classes"][0], "chips": ["h100", "h100"]}]),
        written(classes=[{**OWN["classes"][0], "chips": ["a b"]}]),
        written(classes=[{**OWN["classes"][0], "id": "a+b"}]),
        written(classes=[{**OWN["classes"][0], "rate": 2}]),
        written(as_of="soon"),
        b"#" * (1 << 19),
    ],
    ids=[
        "utf16",
        "list",
        "broken",
        "empty",
        "none",
        "twice",
        "chip-twice",
        "chip",
        "id",
        "rate",
        "day",
        "huge",
    ],
)
def test_a_file_that_is_wrong_is_refused_whole_with_its_faults(data, tmp_path: Path, bare_city):
    path = tmp_path / "classes.yaml"
    path.write_bytes(data)
    with pytest.raises(Invalid) as caught:
        classes.take(bare_city.storage.database, path)
    assert caught.value.code == "compute.classes_invalid"
    assert caught.value.findings
    assert "compute." not in caught.value.message("en") + caught.value.message("zh")


def test_a_file_that_is_not_there_is_told(tmp_path: Path, bare_city):
    with pytest.raises(Unavailable):
        classes.take(bare_city.storage.database, tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("word", "kept"),
    [("b+a", "a+b"), ("a+a", "a"), ("a100", "a100"), ("class:b+a", "class:b+a"), ("", "")],
)
def test_a_list_is_written_in_one_way(word, kept):
    assert classes.canonical(word) == kept


def test_what_is_accepted_is_by_the_card_in_force_and_survives_being_kept(bare_city):
    storage = bare_city.storage
    supply.publish(
        storage,
        key="card",
        reference="a100",
        rates=(Rate("h100", "training", 2_500), Rate("k80", "training", 20)),
        provenance="a trial",
        by=bare_city.operator,
    )
    with storage.database.read() as tx:
        now_us = storage.clock.now_us()
        found = classes.accepted(tx, "a100+h100", now_us=now_us)
        assert classes.accepted(tx, "h100", now_us=now_us) is None
        with pytest.raises(Invalid):
            classes.accepted(tx, "a100+h100", now_us=now_us - 1)
    assert isinstance(found, Accepted)
    assert (found.chips, found.rated) == (("a100", "h100"), ("h100",))
    assert found.rates == (("h100", "training", 2_500),)
    assert accepted_from(accepted_text(found)) == found
    assert accepted_from(accepted_text(None)) is None
