"""Both languages are complete: every text used is written, every text written is used."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from importlib.resources import files
from string import Formatter

import pytest
import report_sample as sample
import rich.console

from yunhe.kernel.language import LANGUAGES, texts
from yunhe.reports.chain import render_html, render_terminal
from yunhe.reports.domain import STAGES, Chain
from yunhe.reports.wording import Wording

SOURCE = files("yunhe.reports")
GROUPS = ("stage", "state", "workload", "purpose", "kind", "proves")


def sources():
    templates = SOURCE / "templates"
    for folder in (SOURCE, templates):
        for path in folder.iterdir():
            if path.name.endswith((".py", ".j2")):
                source = path.read_text(encoding="utf-8")
                if path.name.startswith("invoice"):  # its `say` begins every text in that way
                    source = re.sub(r'"([a-z]+)"', r'"invoice.\1"', source)
                yield path.name, source


def written(language):
    path = files("yunhe") / "locale" / language / "reports.json"
    return json.loads(path.read_text(encoding="utf-8"))


def names(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_texts_with_the_same_values():
    english, chinese = written("en"), written("zh")
    assert english.keys() == chinese.keys()
    for key in english:
        assert names(english[key]) == names(chinese[key]), key


def test_texts_are_not_empty_and_chinese_ones_are_chinese():
    for key, value in written("en").items():
        assert value.strip(), key
    same = {key for key, value in written("zh").items() if not re.search(r"[一-鿿]", value)}
    assert same == {"reports.colon", "reports.unit.money", "reports.unit.epsilon"}


def test_every_text_named_in_the_source_is_written_in_both_languages():
    asked = set()
    for _, source in sources():
        asked |= set(re.findall(r'\b(?:say|pieces)\(\s*"([a-z_.]+)"', source))
        asked |= set(re.findall(r'part\.fact\(w, "([a-z_.]+)"', source))
    assert len(asked) > 150
    for language in LANGUAGES:
        missing = {key for key in asked if f"reports.{key}" not in texts("reports", language)}
        assert missing == set()


def test_every_text_written_is_used(monkeypatch):
    used = set()
    plain = Wording.pieces

    def spied(self, key, **params):
        used.add(key)
        return plain(self, key, **params)

    monkeypatch.setattr(Wording, "pieces", spied)
    full = sample.full()
    bare = Chain(run_id="r", plan="p", title="t", synthetic=False, started_at_us=0)
    chains = [full, bare, sample.broken(), *(sample.stopped(at) for at in range(len(STAGES)))]
    unticked = replace(sample.ledger(), balanced=False)
    for chain in (*chains, replace(full, ledger=unticked)):
        render_html(chain, language="en")
        rich.console.Console(file=io.StringIO()).print(render_terminal(chain, language="en"))
    everything = "\n".join(source for _, source in sources())
    used |= {key.removeprefix("reports.") for key in re.findall(r'"([a-z_.]+)"', everything)}
    used |= {f"invoice.{kind}" for kind in ("invoice", "payable")}
    unused = {
        key
        for key in written("en")
        if key.removeprefix("reports.") not in used and key.split(".")[1] not in GROUPS
    }
    assert sorted(unused) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_exist_for_every_stage_state_and_record_kind(language):
    wording = Wording(language)
    for stage in STAGES:
        assert wording.named("stage", stage) != stage
    for state in ("done", "reused", "failed", "stopped", "not_reached"):
        assert f"reports.state.{state}" in texts("reports", language)
    for state in ("waiting", "placed", "running", "settled", "failed"):
        assert f"reports.workload.{state}" in texts("reports", language)
    for _, kind, _ in sample.GRAPH:
        assert wording.named("kind", kind) != kind
        assert wording.proof(kind)
