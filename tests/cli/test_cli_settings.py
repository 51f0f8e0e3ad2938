from __future__ import annotations

from pathlib import Path

import pytest

from yunhe.kernel.errors import Invalid
from yunhe.kernel.language import text
from yunhe.settings import EXAMPLES, PREFIX, Settings, from_environment

DOCUMENT = (Path(__file__).parents[2] / "docs" / "settings.md").read_text("utf-8")


def test_without_variables_every_setting_has_its_documented_default():
    assert from_environment({}) == Settings()
    for name, field in Settings.model_fields.items():
        row = next(line for line in DOCUMENT.splitlines() if f"`{PREFIX}{name.upper()}`" in line)
        assert ("" if field.default is None else str(field.default)) in row
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


WRONG = {
    "YUNHE_PORT": ("many", "whole number", "整数"),
    "YUNHE_THREADS": ("-1", "at least 0", "不能小于 0"),
    "YUNHE_WORKER_SLOTS": ("65", "at most 64", "不能大于 64"),
    "YUNHE_PUBLIC_URL": ("yunhe", "https://yunhe.example.org", "https://yunhe.example.org"),
    "YUNHE_ISOLATION": ("jail", "auto | bubblewrap | approved", "auto | bubblewrap | approved"),
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_wrong_value_is_explained_in_the_readers_language_without_patterns(language):
    with pytest.raises(Invalid) as caught:
        from_environment({name: said[0] for name, said in WRONG.items()})
    shown = {each["where"]: each["message"] for each in caught.value.as_json(language)["findings"]}
    assert set(shown) == set(WRONG)
    for name, (_, english, chinese) in WRONG.items():
        assert (english if language == "en" else chinese) in shown[name]
        assert "[A-Z" not in shown[name]
        assert "^" not in shown[name]
        assert "should" not in shown[name]


def test_every_setting_of_a_certain_form_has_an_example_of_that_form():
    formed = {
        name
        for name, field in Settings.model_fields.items()
        if any(getattr(each, "pattern", None) for each in field.metadata)
    }
    assert set(EXAMPLES) == formed
    for name, example in EXAMPLES.items():
        for one in example.split(" | "):
            assert getattr(from_environment({}, **{name: one}), name) == one
