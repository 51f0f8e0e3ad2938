"""The catalogue of chips: complete, honest about what was checked, and refused whole when wrong."""

from __future__ import annotations

import json
import statistics
from ast import literal_eval
from datetime import date
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from yunhe.compute import supply as package
from yunhe.compute.supply.chips import Catalogue, catalogue, read
from yunhe.kernel.errors import Invalid
from yunhe.storage.schema import Code

SHIPPED = files(package).joinpath("chips.yaml").read_bytes()
GAVEL = Path(__file__).parents[3] / "shared/data/traces/gavel/simulation_throughputs.json"
WANTED = {"a100", "h100", "h20", "ascend910b", "ascend910c", "br100", "mlu370", "mlu590"}


def changed(**over: object) -> bytes:
    """The shipped catalogue with its first chip changed; None takes a field away."""
    said = yaml.safe_load(SHIPPED)
    for name, value in over.items():
        if value is None:
            del said["chips"][0][name]
        else:
            said["chips"][0][name] = value
    return yaml.safe_dump(said, allow_unicode=True).encode()


def faults(data: bytes) -> list[str]:
    with pytest.raises(Invalid) as caught:
        read(data)
    assert caught.value.code == "compute.chips_invalid"
    assert all("compute." not in caught.value.message(language) for language in ("en", "zh"))
    return [found.where for found in caught.value.findings]


def test_the_catalogue_knows_the_chips_of_the_issue_and_their_vendors() -> None:
    found = catalogue()
    assert {chip.id for chip in found.chips} >= WANTED
    vendors = {chip.vendor for chip in found.chips}
    assert vendors >= {"NVIDIA", "Huawei", "Biren", "Cambricon", "Hygon"}
    assert found.as_of == "2026-11-22"
    assert catalogue() is found


def test_no_row_claims_to_be_checked_and_each_names_what_it_rests_on() -> None:
    for chip in catalogue().chips:
        assert chip.verified is False
        assert chip.source
        assert chip.export
        for note in chip.export:
            assert note.verified is False
            assert note.source
            assert note.of("en") == note.en != note.zh == note.of("zh")


def test_ids_are_words_that_pools_can_name_and_fields_carry_no_speed() -> None:
    for chip in catalogue().chips:
        assert len(chip.id) <= Code.length
        assert all(1 <= size <= 288 for size in chip.memory_gib)
        assert list(chip.memory_gib) == sorted(set(chip.memory_gib))
        assert not any("flops" in name for name in chip.__dataclass_fields__)
    assert b"tflops" not in SHIPPED.lower()


def test_notes_on_export_stand_from_their_first_day_to_their_last() -> None:
    found = catalogue().chip("ascend910b")
    assert found is not None
    assert found.export_at(date(2019, 5, 15)) == ()
    assert len(found.export_at(date(2025, 5, 12))) == 1
    assert len(found.export_at(date(2025, 5, 13))) == 2
    ended = [{**_note(), "valid_to": "2020-12-31"}]
    first = read(changed(export=ended)).chips[0]
    assert len(first.export_at(date(2020, 12, 31))) == 1
    assert first.export_at(date(2021, 1, 1)) == ()


def _note() -> dict[str, object]:
    return {
        "valid_from": "2020-01-01",
        "note": {"en": "one", "zh": "一"},
        "source": "somewhere",
        "verified": False,
    }


def test_a_chip_that_nobody_wrote_down_is_not_known() -> None:
    assert catalogue().chip("tpu9") is None
    assert Catalogue("1", "2026-01-01", ()).chip("a100") is None


@pytest.mark.parametrize(
    ("over", "where"),
    [
        ({"memory_gib": [0]}, "chips.0.memory_gib.0"),
        ({"memory_gib": []}, "chips.0.memory_gib"),
        ({"memory_gib": ["80"]}, "chips.0.memory_gib.0"),
        ({"introduced": "spring"}, "chips.0.introduced"),
        ({"kind": "abacus"}, "chips.0.kind"),
        ({"id": "A 100"}, "chips.0.id"),
        ({"verified": "no"}, "chips.0.verified"),
        ({"verified": None}, "chips.0.verified"),
        ({"source": None}, "chips.0.source"),
        ({"export": []}, "chips.0.export"),
        ({"export": [{}]}, "chips.0.export.0.valid_from"),
        ({"tflops": 312}, "chips.0.tflops"),
        ({"id": "p100"}, ""),
    ],
)
def test_a_wrong_row_is_named(over, where) -> None:
    assert where in faults(changed(**over))


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"chips: {", b"\xff\xfe", b"a: &a [*a, *a]", b"x" * (1 << 20) + b"y", b"- " * 9],
)
def test_what_is_no_catalogue_is_refused(data) -> None:
    assert faults(data)


def test_every_fault_of_a_file_is_told_at_once() -> None:
    assert len(faults(changed(memory_gib=[0], kind="abacus", introduced="spring"))) == 3


@pytest.mark.skipif(not GAVEL.exists(), reason="the traces are not on this machine")
def test_the_example_rates_are_the_medians_of_the_published_throughputs() -> None:
    table = json.loads(GAVEL.read_bytes())
    named = {"ResNet-50": "resnet50", "Transformer": "transformer", "LM": "language"}
    ratios: dict[tuple[str, str], list[float]] = {}
    for key, reference in table["v100"].items():
        model, scale = literal_eval(key)
        word = named.get(model.split(" (")[0])
        if scale != 1 or word is None:
            continue
        for chip in ("v100", "p100", "k80"):
            ratio = table[chip][key]["null"] / reference["null"]
            ratios.setdefault((chip, f"training.{word}"), []).append(ratio)
    said = yaml.safe_load(files(package).joinpath("gavel_rates.yaml").read_bytes())
    kept = {(each["chip"], each["workload_class"]): each["per_thousand"] for each in said["rates"]}
    assert kept == {pair: round(1_000 * statistics.median(of)) for pair, of in ratios.items()}
