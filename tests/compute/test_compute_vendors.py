"""How concentrated device time is over those who make the chips."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from yunhe.compute.service import statements, supply


def line(chip: str, device_ms: int) -> statements.UsageLine:
    sums = dict.fromkeys(statements.UsageLine.__dataclass_fields__, 0)
    return statements.UsageLine(**{**sums, "group": chip, "currency": "", "device_ms": device_ms})


def test_chips_of_one_vendor_are_one_and_an_unknown_chip_is_its_own():
    vendors = supply.catalogue().vendors()
    lines = [line("h20", 30), line("a100", 30), line("ascend910b", 30), line("new-chip", 10)]
    found = statements.concentrated(lines, "vendor", names=vendors)
    assert found.by == "vendor"
    assert [(name, share) for name, _, share in found.shares] == [
        ("NVIDIA", 6_000),
        ("Huawei", 3_000),
        ("new-chip", 1_000),
    ]
    assert found.hhi == 3_600 + 900 + 100


@given(
    st.dictionaries(st.sampled_from(["h20", "a100", "ascend910b", "mlu370"]), st.integers(0, 99))
)
def test_vendors_are_never_less_concentrated_than_their_chips(used):
    lines = [line(chip, device_ms) for chip, device_ms in used.items()]
    by_chip = statements.concentrated(lines, "chip")
    by_vendor = statements.concentrated(lines, "vendor", names=supply.catalogue().vendors())
    assert by_vendor.hhi >= by_chip.hhi
    assert by_vendor == statements.concentration_of(
        {name: device_ms for name, device_ms, _ in by_vendor.shares}, "vendor"
    )
