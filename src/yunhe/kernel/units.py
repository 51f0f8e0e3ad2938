"""Units of account and whole-number amounts in their minor unit: no float near a balance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from yunhe.kernel.errors import Invalid

CURRENCIES = {"CNY": 2, "EUR": 2, "GBP": 2, "INR": 2, "JPY": 0, "KRW": 0, "SGD": 2, "USD": 2}
"""ISO 4217 codes with their number of minor digits."""

MINOR_LIMIT = 2**53
"""Amounts lie below this, so that every JSON reader takes them exactly."""
_PLAIN = re.compile(r"[+-]?([0-9]{1,20})(?:\.([0-9]{1,20}))?", re.ASCII)


def device_unit(chip: str) -> str:
    """Unit of device time on one kind of chip; its minor unit is the device-millisecond."""
    return f"device:{chip}"


def voucher_unit(currency: str) -> str:
    """Unit of compute vouchers (算力券) denominated in a currency."""
    return f"voucher:{currency}"


def privacy_unit(dataset: str) -> str:
    """Unit of privacy budget over one dataset; its minor unit is a millionth of epsilon."""
    return f"epsilon:{dataset}"


def minor_digits(unit: str) -> int:
    """Decimal digits between the major and the minor unit.

    Errors: `Invalid` ``kernel.unit_unknown`` for a unit nobody defined.
    """
    family, _, rest = unit.partition(":")
    if not rest and family in CURRENCIES:
        return CURRENCIES[family]
    if family == "voucher" and rest in CURRENCIES:
        return CURRENCIES[rest]
    if rest and family in ("device", "epsilon"):
        return 3 if family == "device" else 6
    raise Invalid("kernel.unit_unknown", unit=unit)


def to_minor(value: str | int, unit: str) -> int:
    """``"12.30"`` CNY → 1230.

    Plain digits only: no exponent, no grouping, digits of ASCII. Errors: `Invalid`
    ``kernel.amount_invalid`` when it is not so written, finer than the minor unit, or not below
    `MINOR_LIMIT`.
    """
    digits = minor_digits(unit)
    said = str(value).strip()
    found = _PLAIN.fullmatch(said)
    whole, fine = (found[1], (found[2] or "").rstrip("0")) if found else ("", "")
    if not found or len(fine) > digits:
        raise Invalid("kernel.amount_invalid", value=said[:80], unit=unit)
    minor = int(whole + fine.ljust(digits, "0"))
    if minor >= MINOR_LIMIT:
        raise Invalid("kernel.amount_invalid", value=said[:80], unit=unit)
    return -minor if said.startswith("-") else minor


def format_minor(minor: int, unit: str) -> str:
    """1230 CNY → ``"12.30"``; the unit is not part of the text."""
    digits = minor_digits(unit)
    return f"{Decimal(minor).scaleb(-digits):,.{digits}f}"


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Divide ``total`` in proportion to ``weights`` with the parts summing to it exactly.

    Source: largest-remainder method; ties go to the earlier part. Errors: ``ValueError`` when the
    weights are negative or all zero.
    """
    whole = sum(weights)
    if whole <= 0 or min(weights) < 0:
        raise ValueError("weights must be non-negative and not all zero")
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts
