"""What FOCUS 1.2 asks of a cost and usage table, as data, and the checking of it: pure.

The official validator (focus-validator 1.0.0) reads up to 1.0; these rules are read from the text
of 1.2 itself. Each names its column's section under ``specification/columns/`` of the release v1.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import numpy as np

from yunhe.compute.statements.charges import Flags
from yunhe.kernel.errors import Finding
from yunhe.kernel.units import CURRENCIES

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal[
    "present", "decimal", "time", "text", "filled", "allowed", "null_with", "filled_when",
    "null_when", "product", "equals_billed", "not_below_zero", "after", "currency",
]  # fmt: skip
"""How a rule is checked; the functions of this module say what each means."""
FINDINGS_MAX = 100
"""Findings told one by one."""
TOLERANCE = Decimal(1)
"""Minor units by which price times quantity may fall short of a cost, which is rounded up."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One requirement."""

    column: str
    """The column it is about; its section is the file of that name in lower case."""
    kind: Kind
    """How it is checked."""
    values: tuple[str, ...] = ()
    """Allowed values, another column, or the values of ``ChargeCategory`` it holds for."""

    @property
    def section(self) -> str:
        """Where the specification says so."""
        name = _FILES.get(self.column, self.column.lower())
        return f"specification/columns/{name}.md"


_FILES = {
    "InvoiceIssuerName": "invoiceissuer",
    "ProviderName": "provider",
    "PublisherName": "publisher",
}
_DECIMALS = (
    "BilledCost",
    "ContractedCost",
    "EffectiveCost",
    "ListCost",
    "ContractedUnitPrice",
    "ListUnitPrice",
    "ConsumedQuantity",
    "PricingQuantity",
)
_TIMES = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
MANDATORY = (
    *_DECIMALS[:4],
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    *_TIMES,
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "InvoiceIssuerName",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
)
"""Columns of feature level Mandatory."""
_NULLABLE = {"BillingAccountName", "ChargeClass", "ChargeDescription"} | {
    "PricingQuantity",
    "PricingUnit",
}
CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
"""Values of ChargeCategory."""
_PRICED = ("PricingQuantity", "ContractedUnitPrice", "ListUnitPrice")
_BOUGHT = ("Usage", "Purchase")
_SUBCATEGORIES = (
    "Containers",
    "End User Computing",
    "Quantum Compute",
    "Serverless Compute",
    "Virtual Machines",
    "Other (Compute)",
)

RULES: tuple[Rule, ...] = (
    *(Rule(name, "present") for name in MANDATORY),
    *(Rule(name, "decimal") for name in _DECIMALS),
    *(Rule(name, "time") for name in _TIMES),
    *(Rule(name, "text") for name in MANDATORY if name not in (*_DECIMALS, *_TIMES)),
    *(Rule(name, "filled") for name in MANDATORY if name not in _NULLABLE),
    Rule("ServiceSubcategory", "filled"),
    Rule("PricingCurrency", "filled"),
    Rule("ChargeCategory", "allowed", CATEGORIES),
    Rule("ChargeClass", "allowed", ("Correction",)),
    Rule("ChargeFrequency", "allowed", ("One-Time", "Recurring", "Usage-Based")),
    Rule("PricingCategory", "allowed", ("Standard", "Dynamic", "Committed", "Other")),
    Rule("ServiceCategory", "allowed", ("Compute", "AI and Machine Learning")),
    Rule("ServiceSubcategory", "allowed", _SUBCATEGORIES),
    Rule("BillingCurrency", "currency"),
    Rule("PricingCurrency", "currency"),
    *(
        Rule(name, "filled_when", _BOUGHT)
        for name in (*_PRICED, "PricingCategory", "SkuId", "SkuPriceId")
    ),
    Rule("ConsumedQuantity", "filled_when", ("Usage",)),
    Rule("ConsumedQuantity", "null_when", CATEGORIES[1:]),
    *(
        Rule(name, "null_when", ("Tax",))
        for name in ("PricingQuantity", "ContractedUnitPrice", "ListUnitPrice", "SkuId")
    ),
    Rule("ConsumedUnit", "null_with", ("ConsumedQuantity",)),
    Rule("PricingUnit", "null_with", ("PricingQuantity",)),
    Rule("SubAccountType", "null_with", ("SubAccountId",)),
    Rule("ResourceType", "null_with", ("ResourceId",)),
    Rule("SkuMeter", "null_with", ("SkuId",)),
    Rule("ContractedUnitPrice", "not_below_zero"),
    Rule("ListUnitPrice", "not_below_zero"),
    Rule("ContractedCost", "product", ("ContractedUnitPrice", "PricingQuantity")),
    Rule("ListCost", "product", ("ListUnitPrice", "PricingQuantity")),
    *(Rule(name, "equals_billed", ("Credit",)) for name in _DECIMALS[1:4]),
    Rule("BillingPeriodEnd", "after", ("BillingPeriodStart",)),
    Rule("ChargePeriodEnd", "after", ("ChargePeriodStart",)),
)
"""Every requirement that a table of ours can break."""


_TYPES = frozenset({"compute.focus_decimal", "compute.focus_time", "compute.focus_text"})


def check(rows: pa.Table) -> list[Finding]:
    """Where the table breaks a rule: column, first row and section; nothing when it keeps all.

    Columns of one's own begin with ``x_`` (specification/attributes: Column Naming and Ordering).
    Cost: a scan of each column a rule names.
    """
    found = [
        _finding(name, "compute.focus_name", "specification/attributes", 0)
        for name in rows.column_names
        if not name.startswith("x_") and not name[:1].isupper()
    ]
    for rule in RULES:
        if rule.kind == "filled" and any(each.code in _TYPES for each in found):
            break  # values of a wrong type cannot be compared
        if rule.column not in rows.column_names:
            if rule.kind == "present":
                found.append(_finding(rule.column, "compute.focus_present", rule.section, 0))
            continue
        if any(name not in rows.column_names for name in _others(rule)):
            continue
        wrong = np.flatnonzero(_CHECKS[rule.kind](_Sight(rows, rule)))
        if len(wrong):
            code = f"compute.focus_{rule.kind}"
            found.append(_finding(rule.column, code, rule.section, int(wrong[0]) + 1))
    return found[:FINDINGS_MAX]


def _finding(column: str, code: str, section: str, row: int) -> Finding:
    params = (("column", column), ("row", row), ("section", section))
    return Finding(column, code, params)


def _others(rule: Rule) -> tuple[str, ...]:
    if rule.kind in ("null_with", "after", "product"):
        return rule.values
    return ("ChargeCategory", "ChargeClass", "BilledCost", "BillingCurrency")


class _Sight:
    """A table beside the rule it is held to."""

    def __init__(self, rows: pa.Table, rule: Rule) -> None:
        self.rows = rows
        self.rule = rule
        self.column = rows.column(rule.column)

    def every(self, wrong: object) -> Flags:
        return np.full(self.rows.num_rows, bool(wrong))

    def filled(self) -> Flags:
        import pyarrow.compute as pc  # noqa: PLC0415

        return _flags(pc.is_valid(self.column))

    def among(self, values: tuple[str, ...]) -> Flags:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.compute as pc  # noqa: PLC0415

        return _flags(pc.is_in(self.column, value_set=pa.array(values, pa.string())))

    def other(self) -> pa.ChunkedArray:
        return self.rows.column(self.rule.values[0])


def _present(_: _Sight) -> Flags:
    return np.zeros(_.rows.num_rows, np.bool_)


def _decimal(at: _Sight) -> Flags:
    import pyarrow as pa  # noqa: PLC0415

    return at.every(not pa.types.is_decimal(at.column.type))


def _time(at: _Sight) -> Flags:
    import pyarrow as pa  # noqa: PLC0415

    kind = at.column.type
    return at.every(not (pa.types.is_timestamp(kind) and kind.tz == "UTC"))


def _text(at: _Sight) -> Flags:
    import pyarrow as pa  # noqa: PLC0415

    return at.every(not pa.types.is_string(at.column.type))


def _filled(at: _Sight) -> Flags:
    import pyarrow as pa  # noqa: PLC0415

    missing = np.asarray(~at.filled(), np.bool_)
    return missing | at.among(("",)) if pa.types.is_string(at.column.type) else missing


def _allowed(at: _Sight) -> Flags:
    return np.asarray(at.filled() & ~at.among(at.rule.values), np.bool_)


def _currency(at: _Sight) -> Flags:
    return np.asarray(at.filled() & ~at.among(tuple(CURRENCIES)), np.bool_)


def _filled_when(at: _Sight) -> Flags:
    chosen = _category(at.rows, at.rule.values) & ~_corrects(at.rows)
    return np.asarray(chosen & ~at.filled(), np.bool_)


def _null_when(at: _Sight) -> Flags:
    return np.asarray(_category(at.rows, at.rule.values) & at.filled(), np.bool_)


def _null_with(at: _Sight) -> Flags:
    import pyarrow.compute as pc  # noqa: PLC0415

    return np.asarray(at.filled() != _flags(pc.is_valid(at.other())), np.bool_)


def _not_below_zero(at: _Sight) -> Flags:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    return _flags(pc.less(at.column, pa.scalar(Decimal(0), at.column.type)))


def _after(at: _Sight) -> Flags:
    import pyarrow.compute as pc  # noqa: PLC0415

    return np.asarray(~_flags(pc.greater(at.column, at.other())), np.bool_)


def _equals_billed(at: _Sight) -> Flags:
    import pyarrow.compute as pc  # noqa: PLC0415

    same = _flags(pc.equal(at.column, at.rows.column("BilledCost")))
    return np.asarray(_category(at.rows, at.rule.values) & ~same, np.bool_)


def _product(at_: _Sight) -> Flags:
    """Whether cost is not unit price times quantity, rounded up to the minor unit."""
    rows, rule = at_.rows, at_.rule
    price, quantity = (rows.column(name).to_pylist() for name in rule.values)
    cost, late = rows.column(rule.column).to_pylist(), _corrects(rows)
    currencies = rows.column("BillingCurrency").to_pylist()
    small = {name: TOLERANCE.scaleb(-digits) for name, digits in CURRENCIES.items()}
    wrong = np.zeros(rows.num_rows, np.bool_)
    for at, (one, many, sum_, unit) in enumerate(
        zip(price, quantity, cost, currencies, strict=True)
    ):
        if one is not None and many is not None and sum_ is not None and not late[at]:
            wrong[at] = abs(one * many - sum_) > small.get(unit, TOLERANCE)
    return wrong


def _category(rows: pa.Table, among: tuple[str, ...]) -> Flags:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    return _flags(pc.is_in(rows.column("ChargeCategory"), value_set=pa.array(among)))


def _corrects(rows: pa.Table) -> Flags:
    import pyarrow.compute as pc  # noqa: PLC0415

    return _flags(pc.equal(rows.column("ChargeClass"), "Correction"))


def _flags(found: pa.ChunkedArray) -> Flags:
    """As numpy sees it; null is no."""
    import pyarrow.compute as pc  # noqa: PLC0415

    said = pc.fill_null(found, False).to_numpy(zero_copy_only=False)
    return np.asarray(said, dtype=np.bool_)


_CHECKS: Mapping[Kind, Callable[[_Sight], Flags]] = {
    "present": _present,
    "decimal": _decimal,
    "time": _time,
    "text": _text,
    "filled": _filled,
    "allowed": _allowed,
    "currency": _currency,
    "filled_when": _filled_when,
    "null_when": _null_when,
    "null_with": _null_with,
    "not_below_zero": _not_below_zero,
    "after": _after,
    "equals_billed": _equals_billed,
    "product": _product,
}
