from __future__ import annotations

import pytest

from yunhe.kernel.errors import (
    Conflict,
    Exhausted,
    Finding,
    Invalid,
    NotAllowed,
    NotFound,
    Unavailable,
)
from yunhe.kernel.language import from_environment, text


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "zh_CN"}, "zh"),
        ({"LANG": "zh_CN", "LC_MESSAGES": "en_US"}, "en"),
        ({"LC_ALL": "", "LANG": "zh"}, "zh"),
        ({"YUNHE_LANG": "zh", "LC_ALL": "en_US"}, "zh"),
        ({"YUNHE_LANG": "en", "LANG": "zh_CN"}, "en"),
        ({"YUNHE_LANG": "fr", "LANG": "zh_CN"}, "zh"),
    ],
)
def test_the_language_follows_the_locale_in_the_order_posix_gives(environment, language):
    assert from_environment(environment) == language


def test_an_error_says_what_where_and_what_to_do_in_both_languages():
    error = Invalid(
        "kernel.amount_invalid",
        findings=[Finding("prices[3]", "kernel.unit_unknown", (("unit", "XXX"),))],
        value="x",
        unit="CNY",
    )
    english, chinese = error.message("en"), error.message("zh")
    assert english.splitlines() == [
        "x is not an amount of CNY.",
        "  - prices[3]: There is no unit of account called XXX.",
        "Write plain digits such as 12.30, without grouping or exponent, no finer than the unit's "
        "smallest part.",
    ]
    assert "prices[3]: 没有名为 XXX 的记账单位" in chinese
    assert str(error) == english


def test_an_error_as_json_carries_code_parameters_and_findings():
    error = Conflict("storage.busy", where="here", retryable=True)
    shape = error.as_json("en")
    assert shape["kind"] == "conflict"
    assert shape["code"] == "storage.busy"
    assert shape["params"] == {"where": "here"}
    assert shape["retryable"] is True
    assert "here" in str(shape["message"])
    assert shape["do"]


def test_each_kind_has_its_own_status_and_exit_code():
    kinds = [Invalid, NotAllowed, NotFound, Conflict, Exhausted, Unavailable]
    assert [kind.status for kind in kinds] == [422, 403, 404, 409, 429, 503]
    assert len({kind.exit_code for kind in kinds}) == len(kinds)
    assert all(64 <= kind.exit_code < 80 for kind in kinds)


def test_a_missing_sentence_or_parameter_still_tells_the_code():
    assert "nowhere.at_all" in text("nowhere.at_all", "en", value="7")
    assert "{where}" in text("storage.busy", "en")
