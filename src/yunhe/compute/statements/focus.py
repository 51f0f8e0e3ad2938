"""Charges as rows of FOCUS 1.2, the open format of cost and usage data: pure.

A workload gives one row of category Usage, and one of category Credit, below zero, for what a
voucher paid. What a correction gives back is a Usage row (and a Credit row) of its own, with class
Correction when the period it corrects is an earlier one. So the sum of BilledCost of an invoice is
the cash it asks for (specification/columns/billedcost.md).

*Source*: FinOps Open Cost and Usage Specification, v1.2 (2025-05-29).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from yunhe.compute.statements.charges import Flags, numbers
from yunhe.compute.statements.domain import Period
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.units import minor_digits

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = "1.2"
"""Of the specification."""
SERVICE = ("Compute", "Other (Compute)", "Yunhe accelerated compute")
"""ServiceCategory, ServiceSubcategory and ServiceName of every row."""
CATEGORY: Mapping[str, str] = {
    "on_demand": "Standard",
    "reserved": "Standard",
    "spot": "Dynamic",
}
"""PricingCategory by the term whose price a charge is at (columns/pricingcategory.md). Reserved is
a flat rate too: nobody bought a commitment discount, which Committed would have to name."""
_HOUR_MS = Decimal(3_600_000)
_HOURS_DIGITS = 9


def rows(
    charges: pa.Table,
    *,
    period: Period,
    names: Mapping[str, str],
    invoices: Mapping[tuple[str, str], str],
) -> pa.Table:
    """The charges of a period as FOCUS rows, usage first, then credits.

    ``names``: of organisations by id; ``invoices``: number of the invoice by organisation and
    currency; without one the charge is not invoiced yet. Decimals are exact: unit prices and costs
    to the minor unit, quantities of hours to `_HOURS_DIGITS` places.
    """
    import pyarrow as pa  # noqa: PLC0415

    usage = _Rows(charges, period=period, names=names, invoices=invoices)
    paid = charges.filter(pa.array(numbers(charges, "voucher_minor") != 0))
    credit = _Rows(paid, period=period, names=names, invoices=invoices)
    return pa.concat_tables([usage.usage(), credit.credit()])


class _Rows:
    def __init__(
        self,
        charges: pa.Table,
        *,
        period: Period,
        names: Mapping[str, str],
        invoices: Mapping[tuple[str, str], str],
    ) -> None:
        self.charges = charges
        self.period = period
        self.names = names
        self.invoices = invoices
        self.size = charges.num_rows
        self.currency = self.text("currency")
        self.corrects = np.asarray(
            [bool(name) and name != period.name for name in self.text("corrects")], np.bool_
        )

    def text(self, name: str) -> list[str]:
        return [str(value) for value in self.charges.column(name).to_pylist()]

    def usage(self) -> pa.Table:
        cost, price = (self.money(name) for name in ("cost_minor", "price_minor_per_device_hour"))
        hours = [_hours(ms) for ms in numbers(self.charges, "device_ms").tolist()]
        unit = ["Hours"] * self.size
        chips = self.text("chip")
        what = [f"{devices} x {chip}" for devices, chip in zip(self.devices(), chips, strict=True)]
        sku = self.text("pool")
        each = zip(sku, self.number("price_minor_per_device_hour"), self.text("term"), strict=True)
        priced = [
            f"{pool}/{one}" if term == "on_demand" else f"{pool}/{term}/{one}"
            for pool, one, term in each
        ]
        return self.table(
            cost,
            {
                "ChargeCategory": ["Usage"] * self.size,
                "ChargeDescription": [f"Device time, {each}" for each in what],
                "ChargeFrequency": ["Usage-Based"] * self.size,
                "ConsumedQuantity": hours,
                "ConsumedUnit": unit,
                "ContractedUnitPrice": price,
                "ListUnitPrice": price,
                "PricingCategory": [CATEGORY[term] for term in self.text("term")],
                "PricingQuantity": hours,
                "PricingUnit": unit,
                "SkuId": sku,
                "SkuMeter": ["Device time"] * self.size,
                "SkuPriceId": priced,
                **self.compared(),
            },
        )

    def compared(self) -> dict[str, Iterable[object]]:
        """Normalised time, whose rate it is by, and real utilisation; null where nobody knows."""
        disputed = self.charges.column("rate_disputed").to_pylist()
        return {
            "x_NormalisedHours": [
                None if ms is None else _hours(ms) for ms in self.said("normalised_ms")
            ],
            "x_NormalisedReferenceChip": [
                chip or None for chip in self.charges.column("rate_reference").to_pylist()
            ],
            "x_RateCardVersion": self.said("rate_version"),
            "x_RatePerThousand": self.said("rate_per_thousand"),
            "x_RateStanding": [
                None if each is None else "disputed" if each else "undisputed" for each in disputed
            ],
            "x_UtilisationPerThousand": self.said("utilisation_per_thousand"),
            "x_UtilisationSamples": self.said("samples"),
            "x_WorkloadClass": self.text("workload_class"),
        }

    def said(self, name: str) -> list[int | None]:
        return list(self.charges.column(name).to_pylist())

    def credit(self) -> pa.Table:
        """What vouchers paid; a correction gives it back, so there it is above zero."""
        return self.table(
            [-amount for amount in self.money("voucher_minor")],
            {
                "ChargeCategory": ["Credit"] * self.size,
                "ChargeDescription": ["Compute voucher (算力券)"] * self.size,
                "ChargeFrequency": ["One-Time"] * self.size,
            },
        )

    def table(self, amount: list[Decimal], own: Mapping[str, Iterable[object]]) -> pa.Table:
        """A table with every column of `COLUMNS`; those not given are null."""
        import pyarrow as pa  # noqa: PLC0415

        given = {**self.shared(amount), **own}
        arrays = []
        for name, kind in COLUMNS.items():
            values = given.get(name)
            arrays.append(pa.array(list(values) if values else [None] * self.size, _type(kind)))
        return pa.Table.from_arrays(arrays, names=list(COLUMNS))

    def shared(self, amount: list[Decimal]) -> dict[str, Iterable[object]]:
        organisation, project = self.text("organisation"), self.text("project")
        ended = numbers(self.charges, "ended_us")
        wall_us = np.where(_usage(self.charges), numbers(self.charges, "wall_ms") * 1_000, 0)
        # To the whole second, as the format has it: outwards, so that nothing lasts no time.
        started = (ended - wall_us) // SECOND_US * SECOND_US
        over = np.maximum(-(-ended // SECOND_US) * SECOND_US, started + SECOND_US)
        keys = zip(organisation, self.currency, strict=True)
        return {
            **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), amount),
            "BillingAccountId": organisation,
            "BillingAccountName": self.named(organisation),
            "BillingAccountType": self.every("Organisation"),
            "BillingCurrency": self.currency,
            "BillingPeriodEnd": self.every(self.period.until_us),
            "BillingPeriodStart": self.every(self.period.since_us),
            "ChargeClass": ["Correction" if late else None for late in self.corrects.tolist()],
            "ChargePeriodEnd": over.tolist(),
            "ChargePeriodStart": started.tolist(),
            "InvoiceId": [self.invoices.get(key) for key in keys],
            "InvoiceIssuerName": self.every("Yunhe"),
            "PricingCurrency": self.currency,
            "ProviderName": self.named(self.text("provider")),
            "PublisherName": self.named(self.text("provider")),
            "RegionId": self.text("site"),
            "RegionName": self.text("site"),
            "ResourceId": self.text("workload"),
            "ResourceType": self.every("Workload"),
            "ServiceCategory": self.every(SERVICE[0]),
            "ServiceSubcategory": self.every(SERVICE[1]),
            "ServiceName": self.every(SERVICE[2]),
            "SubAccountId": [name or None for name in project],
            "SubAccountName": [name or None for name in project],
            "SubAccountType": ["Project" if name else None for name in project],
            "x_ChargeId": self.text("id"),
            "x_Chip": self.text("chip"),
            "x_CustodyReference": self.text("reference"),
            "x_Devices": self.devices(),
            "x_DeviceMilliseconds": self.number("device_ms"),
            "x_IdleMilliseconds": self.idle(),
            "x_Outcome": self.text("outcome"),
            "x_PricingTerm": self.text("term"),
            "x_VoucherPercent": self.number("voucher_percent"),
        }

    def every(self, value: object) -> list[object]:
        return [value] * self.size

    def named(self, ids: list[str]) -> list[str]:
        return [self.names.get(each, each) for each in ids]

    def number(self, name: str) -> list[int]:
        return [int(value) for value in numbers(self.charges, name)]

    def idle(self) -> list[int | None]:
        """Empty where nobody knows."""
        pairs = zip(self.number("idle_ms"), self.number("unwatched_ms"), strict=True)
        return [None if unknown else idle for idle, unknown in pairs]

    def devices(self) -> list[int]:
        return self.number("devices")

    def money(self, name: str) -> list[Decimal]:
        pairs = zip(self.number(name), self.currency, strict=True)
        return [Decimal(amount).scaleb(-minor_digits(unit)) for amount, unit in pairs]


def _hours(ms: int) -> Decimal:
    return (Decimal(ms) / _HOUR_MS).quantize(Decimal(1).scaleb(-_HOURS_DIGITS))


def _usage(charges: pa.Table) -> Flags:
    return np.asarray([kind == "usage" for kind in charges.column("kind").to_pylist()], np.bool_)


def _type(kind: str) -> pa.DataType:
    import pyarrow as pa  # noqa: PLC0415

    makers: dict[str, Callable[[], pa.DataType]] = {
        "text": pa.string,
        "decimal": lambda: pa.decimal128(30, 12),
        "time": lambda: pa.timestamp("us", tz="UTC"),
        "whole": pa.int64,
    }
    return makers[kind]()


COLUMNS: Mapping[str, str] = {
    "BilledCost": "decimal",
    "BillingAccountId": "text",
    "BillingAccountName": "text",
    "BillingAccountType": "text",
    "BillingCurrency": "text",
    "BillingPeriodEnd": "time",
    "BillingPeriodStart": "time",
    "ChargeCategory": "text",
    "ChargeClass": "text",
    "ChargeDescription": "text",
    "ChargeFrequency": "text",
    "ChargePeriodEnd": "time",
    "ChargePeriodStart": "time",
    "ConsumedQuantity": "decimal",
    "ConsumedUnit": "text",
    "ContractedCost": "decimal",
    "ContractedUnitPrice": "decimal",
    "EffectiveCost": "decimal",
    "InvoiceId": "text",
    "InvoiceIssuerName": "text",
    "ListCost": "decimal",
    "ListUnitPrice": "decimal",
    "PricingCategory": "text",
    "PricingCurrency": "text",
    "PricingQuantity": "decimal",
    "PricingUnit": "text",
    "ProviderName": "text",
    "PublisherName": "text",
    "RegionId": "text",
    "RegionName": "text",
    "ResourceId": "text",
    "ResourceType": "text",
    "ServiceCategory": "text",
    "ServiceName": "text",
    "ServiceSubcategory": "text",
    "SkuId": "text",
    "SkuMeter": "text",
    "SkuPriceId": "text",
    "SubAccountId": "text",
    "SubAccountName": "text",
    "SubAccountType": "text",
    "x_ChargeId": "text",
    "x_Chip": "text",
    "x_CustodyReference": "text",
    "x_Devices": "whole",
    "x_DeviceMilliseconds": "whole",
    "x_IdleMilliseconds": "whole",
    "x_NormalisedHours": "decimal",
    "x_NormalisedReferenceChip": "text",
    "x_Outcome": "text",
    "x_PricingTerm": "text",
    "x_RateCardVersion": "whole",
    "x_RatePerThousand": "whole",
    "x_RateStanding": "text",
    "x_UtilisationPerThousand": "whole",
    "x_UtilisationSamples": "whole",
    "x_VoucherPercent": "whole",
    "x_WorkloadClass": "text",
}
"""Columns of the export and what their values are: the mandatory ones, those that apply, ours."""
