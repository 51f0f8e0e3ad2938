from __future__ import annotations

from pathlib import Path

import pytest

from yunhe.kernel.errors import Invalid
from yunhe.kernel.language import text
from yunhe.settings import PREFIX, Settings, from_environment

DOCUMENT = (Path(__file__).parents[2] / "docs" / "settings.md").read_text("utf-8")


def test_without_variables_every_setting_has_its_documented_default():
    assert from_environment({}) == Settings()
    for name, field in Settings.model_fields.items():
        row = next(line for line in DOCUMENT.splitlines() if f"`{PREFIX}{name.upper()}`" in line)
        assert str(field.default) in row
        assert text(f"settings.{name}", "en") in row
        assert text(f"settings.{name}", "zh") in row


def test_the_document_lists_no_setting_that_is_not_there():
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("| `YUNHE_")]
    assert len(rows) == len(Settings.model_fields)


def test_variables_are_read_and_options_win_over_them(tmp_path):
    variables = {"YUNHE_HOME": "elsewhere", "YUNHE_THREADS": "3", "PATH": "/bin"}
    assert from_environment(variables).home == Path("elsewhere")
    assert from_environment(variables).threads == 3
    assert from_environment(variables, home=str(tmp_path)).home == tmp_path
    assert from_environment(variables, home=None).home == Path("elsewhere")


def test_every_wrong_or_unknown_variable_is_named_at_once():
    variables = {"YUNHE_THREADS": "many", "YUNHE_ISOLATION": "jail", "YUNHE_HOEM": "x"}
    with pytest.raises(Invalid) as caught:
        from_environment(variables)
    assert {f.where for f in caught.value.findings} == set(variables)
    assert "there is no such setting" in caught.value.message("en")
