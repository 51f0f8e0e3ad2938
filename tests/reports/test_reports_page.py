"""The page: whole, self-contained, bilingual, honest about gaps, and closed to hostile text."""

from __future__ import annotations

import dataclasses
import itertools
import re
from dataclasses import replace

import pytest
import report_sample as sample
from report_page import taken_apart

from yunhe.kernel.language import LANGUAGES, texts
from yunhe.reports.chain import ROWS_MAX, render_html
from yunhe.reports.domain import STAGES, Both, Chain, Count, GovernanceSection
from yunhe.reports.wording import Wording

SIZE_MAX = 300_000


@pytest.fixture(scope="module")
def html():
    return render_html(sample.full(), language="en")


@pytest.fixture(scope="module")
def page(html):
    return taken_apart(html)


def main(page, language):
    return page.one("main", class_=f"in-{language}")


def reports_texts(language):
    return texts("reports", language)


def shown(chain, language="en"):
    """The text of the page in one language, white space collapsed."""
    page = taken_apart(render_html(chain, language=language))
    return re.sub(r"\s+", " ", main(page, language).text)


def test_the_page_is_well_formed_and_says_what_it_is(page):
    assert page.declared == ["doctype html"]
    assert page.one("html").attributes["lang"] == "en"
    assert page.one("meta", charset="utf-8")
    assert "width=device-width" in page.one("meta", name="viewport").attributes["content"]
    assert "Routing citizens' hotline tickets" in page.all("title")[0].text


def test_the_page_asks_for_nothing_outside_and_runs_nothing(html, page):
    names = {tag.name for tag in page.tags}
    assert not names & {"script", "link", "iframe", "img", "object", "embed", "base", "form"}
    for tag in page.tags:
        for name, value in tag.attributes.items():
            assert not name.startswith("on"), f"<{tag.name} {name}>"
            assert name not in {"src", "srcset", "action", "poster", "data", "xlink:href"}
            if name == "href":
                assert value.startswith("#")
            if name not in {"title", "content"}:
                assert "://" not in (value or "")
    style = page.one("style").text
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in style


def test_every_link_within_the_page_leads_somewhere_and_ids_are_unique(page):
    identifiers = [tag.attributes["id"] for tag in page.tags if "id" in tag.attributes]
    assert len(identifiers) == len(set(identifiers))
    for tag in page.all("a"):
        assert tag.attributes["href"][1:] in identifiers
    for tag in page.all("label"):
        assert tag.attributes["for"] in identifiers


def test_every_picture_has_a_name_and_a_description(page):
    pictures = [tag for tag in page.all("svg") if tag.attributes.get("role") == "img"]
    assert len(pictures) == 2 * 7
    for tag in pictures:
        for identifier in tag.attributes["aria-labelledby"].split():
            assert page.by_id(identifier).text.strip()


def test_headings_do_not_skip_a_level(page):
    levels = [int(tag.name[1]) for tag in page.all("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == len(LANGUAGES)
    for above, below in itertools.pairwise(levels):
        assert below <= above + 1


def test_tables_name_their_columns_and_rows(page):
    for table_index, tag in enumerate(page.tags):
        if tag.name == "table":
            inside = [one for one in page.tags if table_index in one.inside]
            heads = [one for one in inside if one.name == "th" and "scope" not in one.attributes]
            widths = {
                sum(one.name in {"td", "th"} and row in one.inside for one in inside)
                for row in (i for i, one in enumerate(page.tags) if one in inside)
                if page.tags[row].name == "tr"
            }
            assert widths == {len(heads)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_file_holds_both_languages_and_opens_in_the_one_asked_for(language):
    page = taken_apart(render_html(sample.full(), language=language))
    checked = [tag.attributes["id"] for tag in page.all("input") if "checked" in tag.attributes]
    assert checked == [f"show-{language}"]
    assert page.one("html").attributes["lang"].startswith(language)
    assert main(page, "en").attributes["lang"] == "en"
    assert main(page, "zh").attributes["lang"] == "zh-Hans"
    style = page.one("style").text
    assert "#show-en:checked ~ .in-zh, #show-zh:checked ~ .in-en { display: none; }" in style


def test_the_two_languages_say_the_same_things(page):
    blocks = {}
    for index, tag in enumerate(page.tags):
        if tag.name == "main":
            blocks[tag.attributes["class"]] = [one.name for one in page.tags if index in one.inside]
    assert blocks["in-en"] == blocks["in-zh"]


def test_no_english_sentence_is_left_in_the_chinese_page(page):
    english = {
        value for key, value in reports_texts("en").items() if len(value) > 4 and "{" not in value
    }
    chinese = set(reports_texts("zh").values())
    text = main(page, "zh").text
    assert [one for one in english - chinese if one in text] == []


def test_the_same_chain_gives_the_same_bytes(html):
    assert render_html(sample.full(), language="en") == html


def test_the_page_stays_small_for_twelve_classes(html):
    assert len(html.encode()) <= SIZE_MAX


def test_the_headline_gives_the_key_figures_first(page):
    text = re.sub(r"\s+", " ", main(page, "en").text)
    start = text[:1_600]
    for figure in (
        "20,000 → 17,482", "34,085", "97.5 % [97.2, 97.8]", "0.891 [0.879, 0.903]",
        "baseline 0.734", "R2", "2 of 2 approvals", "CNY 1,200.14", "41.250 device-seconds",
        "15 / 15", "8 of 8 one-byte changes noticed",
    ):  # fmt: skip
        assert figure in start, figure


@pytest.mark.parametrize(
    ("language", "synthetic", "not_anonymous", "not_certificate"),
    [
        ("en", "Synthetic data", "de-identified (去标识化), not anonymised (匿名化)",
         "shows evidence and gaps; it is not a certificate of compliance"),
        ("zh", "合成数据", "去标识化，不是匿名化", "展示证据与缺口，不是合规证明"),
    ],
)  # fmt: skip
def test_the_page_says_what_it_is_not(language, synthetic, not_anonymous, not_certificate):
    text = shown(sample.full(), language)
    assert not_anonymous in text
    assert not_certificate in text
    # The banner, the three stages that quote data, and each of the two questions.
    assert text.count(synthetic) == 1 + 3 + 2
    assert synthetic not in shown(replace(sample.full(), synthetic=False), language)


def test_unverified_rules_are_marked_and_verified_ones_are_not():
    text = shown(sample.full())
    assert text.count("⚠ not checked against the official text") == 2
    assert "⚠ 2 rules or measures not checked against the official text" in text
    governance = sample.governance()
    checked = replace(
        governance,
        fired=tuple(replace(rule, verified=True) for rule in governance.fired),
        measures=tuple(replace(measure, verified=True) for measure in governance.measures),
    )
    assert "not checked" not in shown(replace(sample.full(), governance=checked))


def test_the_chain_shows_every_link_with_kind_subject_digest_time_and_what_it_proves(page):
    text = re.sub(r"\s+", " ", page.by_id("en-verification").text)
    titles = {tag.attributes.get("title") for tag in page.all("code")}
    wording = Wording("en")
    for link in sample.links():
        assert link.kind in text
        assert link.reference in titles
        assert link.subject in titles
        assert wording.time(link.at_us) in text
        assert wording.proof(link.kind) in text


def test_a_broken_link_is_told_at_the_top_in_the_picture_and_in_the_list():
    page = taken_apart(render_html(sample.broken(), language="en"))
    text = re.sub(r"\s+", " ", main(page, "en").text)
    assert "✗ The chain does not verify: 1 of 15 links failed." in text[:500]
    assert "✗ 14 / 15" in text
    number = [link.kind for link in sample.links()].index("evaluation.run") + 1
    item = page.by_id(f"en-link-{number}")
    assert item.attributes["class"] == "bad"
    assert "its digest differs from the model's" in item.text
    assert Wording("en").proof("evaluation.run") not in item.text
    assert "7 of 8 one-byte changes noticed" in text
    assert "⚠ not noticed" in text


def test_the_tamper_table_says_which_link_breaks_and_why(page):
    text = re.sub(r"\s+", " ", page.by_id("en-tamper").text)
    for line in sample.tamper():
        assert line.artefact.en in text
        assert line.reason.en in text
        assert Wording("en").named("kind", line.kind) in text


def test_a_waiting_workload_says_why():
    assert "the award has 558.750 left" in shown(sample.full())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("at", range(len(STAGES)))
def test_a_run_that_stopped_shows_what_there_is_and_says_where_and_why(language, at):
    text = shown(sample.stopped(at), language)
    wording = Wording(language)
    stop = sample.stopped(at).stopped
    assert wording.words(stop.why) in text
    assert wording.words(stop.next_step) in text
    headline = wording.say("headline.stopped", number=str(at + 1),
                           stage=wording.named("stage", STAGES[at]))  # fmt: skip
    assert headline in text
    assert text.count(wording.say("say.not_reached")) == len(STAGES) - at


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_run_of_which_nothing_is_known_still_gives_a_page(language):
    empty = Chain(run_id="run_1", plan="plan.yaml", title="t", synthetic=False, started_at_us=0)
    text = shown(empty, language)
    assert Wording(language).say("headline.partial") in text
    assert "None" not in text


SECTIONS = [field.name for field in dataclasses.fields(Chain) if field.name in (*STAGES, "ledger")]


@pytest.mark.parametrize("missing", SECTIONS)
def test_any_section_may_be_missing(missing):
    text = shown(replace(sample.full(), **{missing: None}))
    assert "None" not in text


def without_optional(value):
    """A dataclass with every optional field at its default."""
    changes = {
        field.name: field.default
        for field in dataclasses.fields(value)
        if field.default is not dataclasses.MISSING
    }
    return replace(value, **changes)


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_section_with_only_what_it_must_have_is_shown(section, language):
    bare = without_optional(getattr(sample.full(), section))
    text = shown(replace(sample.full(), **{section: bare}), language)
    assert "None" not in text
    assert text


def test_an_order_without_grant_was_not_paid():
    exchange = replace(sample.exchange(), grant_id=None, order_id=None)
    text = shown(replace(sample.full(), exchange=exchange))
    assert "Nobody has ordered it yet." in text
    assert "Paid CNY 0.14" in text


def test_approvals_of_one_person_count_once():
    governance = sample.governance()
    twice = replace(governance, approvals=(governance.approvals[0],) * 2, release_id=None)
    text = shown(replace(sample.full(), governance=twice))
    assert "1 of 2 approvals" in text
    assert "Not released" in text


def test_a_failed_gate_is_a_failed_stage():
    evaluation = sample.evaluation()
    failed = replace(evaluation, gate=replace(evaluation.gate, passed=False))
    page = taken_apart(render_html(replace(sample.full(), evaluation=failed), language="en"))
    section = page.by_id("en-evaluation")
    assert section.attributes["class"] == "stage failed"
    assert "✗ gate not passed on the lower bound" in section.text


def test_a_checkpoint_nobody_compared_is_a_gap_that_is_named():
    alone = replace(sample.verification(), outside=())
    assert "rewrites and re-signs the whole history" in shown(
        replace(sample.full(), verification=alone)
    )


def test_a_long_table_says_how_much_it_leaves_out():
    many = tuple(Both(f"fact {i}", f"事实 {i}") for i in range(ROWS_MAX + 7))
    governance: GovernanceSection = replace(sample.governance(), missing=many)
    text = shown(replace(sample.full(), governance=governance))
    assert f"fact {ROWS_MAX - 1} " in text
    assert f"fact {ROWS_MAX} " not in text
    assert "7 more are not shown." in text


def test_too_many_classes_are_told_and_not_drawn():
    text = shown(replace(sample.full(), evaluation=sample.evaluation(classes=41)))
    assert "With 41 classes the matrix is too large to draw" in text


def test_reasons_are_ordered_by_how_many_they_dropped():
    drops = (Count("rare", 1), Count("common", 900))
    page = taken_apart(
        render_html(
            replace(sample.full(), corpus=replace(sample.corpus(), drops=drops)), language="en"
        )
    )
    figure = page.by_id("en-figure-corpus-drops-desc").text
    assert figure == "common: 900; rare: 1"
