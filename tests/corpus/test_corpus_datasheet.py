"""The datasheet: whole, in both languages, from a folder and from a certificate."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_desk import ANN, BEN, fine, opened, work, wrong

from yunhe.corpus import engine, profiles
from yunhe.corpus.datasheet import facts, page, writing
from yunhe.corpus.domain import Columns
from yunhe.corpus.engine import Job
from yunhe.corpus.inputs import look
from yunhe.kernel.errors import NotFound
from yunhe.kernel.progress import Silent
from yunhe.storage.service import Storage

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
VOID = {"meta", "input", "br", "link", "img"}
RESIDUAL = {
    "PHONE": {"probes": 400, "found": 398, "low_per_thousand": 982, "high_per_thousand": 999},
    "ID": {"probes": 400, "found": 400, "low_per_thousand": 990, "high_per_thousand": 1000},
}


class Balanced(HTMLParser):
    """Notices elements that are not closed, addresses, scripts and doubled identifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.add(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.addresses += [given[name] for name in ("src", "href", "action") if name in given]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(html: str) -> Balanced:
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    """What a cleansing of a few invented texts leaves."""
    folder = tmp_path_factory.mktemp("clean")
    texts = [f"第{n}件：{n % 9}号路口的灯不亮，请打13812345{n:03d}联系。" for n in range(30)]
    rows = [
        {"id": f"r{n}", "text": text, "label": "路"} for n, text in enumerate(texts + texts[:5])
    ]
    path = folder / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    source = {
        "name": "<b>热线</b>",
        "holder": "Our City",
        "licence": "CC-BY-4.0",
        "synthetic": True,
    }
    job = Job(
        tuple(look([str(path)]).files), Columns("text", "label", "id"),
        profiles.built_in("zh-short"), folder / "OUT", source=source,
    )  # fmt: skip
    engine.run(job, progress=Silent())
    return folder / "OUT"


def test_a_folder_gets_its_page_and_says_de_identified_in_both_languages(out):
    before = {each.name for each in out.iterdir()}
    path = writing.write(out, "zh")
    html = path.read_text("utf-8")
    assert {each.name for each in out.iterdir()} - before == {"datasheet.html", "croissant.json"}
    assert "去标识化，而非匿名化" in html
    assert "De-identified, not anonymous." in html
    assert "anonymised" not in html
    assert "corpus." not in re.sub(r"<style>.*</style>", "", html, flags=re.DOTALL)
    found = read(html)
    assert "script" not in found.tags
    assert found.addresses == []
    assert len(found.ids) == len(set(found.ids))
    assert "&lt;b&gt;热线&lt;/b&gt;" in html
    assert "http" not in re.sub(r"<code.*?</code>", "", html)


def test_the_same_folder_gives_the_same_page_and_the_language_decides_which_opens(out):
    first = writing.write(out, "en").read_bytes()
    assert writing.write(out, "en").read_bytes() == first
    assert b'<html lang="en">' in first
    assert b'<html lang="zh-Hans">' in writing.write(out, "zh").read_bytes()


def test_the_page_shows_what_the_statistics_count(out):
    found = facts.of_folder(out)
    assert (found.documents_in, found.documents_out) == (35, 30)
    assert found.dropped == (("duplicates", "duplicate", 5),)
    assert sum(spans for kind, spans, _ in found.details if kind == "PHONE") == 30
    assert [name for name, _, _ in found.outputs] == ["documents/part-00000.parquet"]
    assert found.profile == "zh-short 1"
    html = page.render(found, language="en")
    assert "says exactly what an earlier document says (duplicates)" in html
    assert "35 documents were read, 30 released; " in html


def test_no_text_and_no_value_of_a_detail_is_on_the_page(out):
    html = writing.write(out, "zh").read_text("utf-8")
    assert not re.search(r"13812345\d{3}", html)
    assert "路口的灯不亮" not in html


@pytest.mark.parametrize("content", [None, "", "[]", "{}", "{"])
def test_a_folder_without_a_finished_cleansing_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content, "utf-8")
    with pytest.raises(NotFound) as caught:
        writing.write(tmp_path, "en")
    assert caught.value.code == "corpus.sheet_missing"
    assert {each.name for each in tmp_path.iterdir()} <= {"manifest.json"}


OLD = {
    "id": "certificate_old",
    "issued_at": "2026-01-01T00:00:00Z",
    "body": {
        "format": "yunhe-dataset-certificate/1",
        "source": {"name": "old", "holder": "org_a", "licence": "MIT", "synthetic": False},
        "input": {"digest": "sha256:00", "bytes": 9, "encoding": "utf-8", "documents": 7},
        "pipeline": {
            "digest": "sha256:11",
            "profile": {"name": "zh-short", "version": 1, "steps": [{"name": "spam"}]},
            "steps": [{"name": "spam", "version": 1, "data": {}}],
        },
        "output": {"digest": "sha256:22", "documents": 5},
        "decisions": {"dropped": {"spam": 2}, "repaired": {}, "documents_dropped": 2},
        "personal_details": {"by_type": {"PHONE": {"spans": 3, "documents": 2}}},
        "labels": [{"label": None, "documents": 5}],
        "truth": "none given",
        "de_identification": {"claim": "de-identified", "limits": ["corpus.limit.rules"]},
    },
}


def test_a_certificate_of_the_first_format_still_has_a_page():
    found = facts.of_certificate(OLD)
    assert (found.documents_in, found.documents_out) == (7, 5)
    assert found.dropped == (("", "spam", 2),)
    assert found.limits == ("corpus.limit.rules",)
    html = writing.of_certificate(OLD, [], language="en").decode()
    assert "certificate_old" in html
    assert "Nobody has checked this dataset yet." in html
    read(html)


def test_residual_risk_is_drawn_with_its_intervals():
    body = {**OLD["body"], "residual_risk": RESIDUAL}  # type: ignore[dict-item]
    found = facts.of_certificate({**OLD, "body": body})
    assert [(each.name, each.found, each.low) for each in found.residual] == [
        ("ID", 400, 0.99), ("PHONE", 398, 0.982),
    ]  # fmt: skip
    html = page.render(found, language="zh")
    assert "0.995 [0.982, 0.999]" in html
    assert "未植入探针" not in html


def test_checks_stand_on_the_page_with_both_verdicts(storage: Storage):
    review = opened(storage, 5)
    work(storage, review.id, ANN)
    going_on = writing.of_certificate(OLD, [review], language="en").decode()
    assert "open" in going_on
    done = work(storage, review.id, BEN, lambda item: wrong(item) if item == 9 else fine(item))
    html = writing.of_certificate(OLD, [done], language="en").decode()
    assert "Meets it with 95 % confidence" in html
    assert "(not compared with the official text)" in html
    assert str(done.reference) in html
    assert "5 / 5 = 1.000000" in html
    read(html)


@given(name=st.text(max_size=30), holder=st.text(max_size=30))
def test_whatever_people_call_things_the_page_stays_a_page(name, holder):
    source = {"name": name, "holder": holder, "licence": name, "terms": {name: [holder, True]}}
    body = {**OLD["body"], "source": source}  # type: ignore[dict-item]
    found = read(page.render(facts.of_certificate({**OLD, "body": body}), language="en"))
    assert "script" not in found.tags
    assert "img" not in found.tags


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed on this machine")
@pytest.mark.parametrize(("language", "shown"), [("en", "De-identified"), ("zh", "去标识化")])
def test_a_browser_shows_one_language_and_nothing_runs_over(out, tmp_path, language, shown):
    path = writing.write(out, language)
    probe = (
        "<script>addEventListener('load',()=>{const main=[...document.querySelectorAll('main')]"
        ".filter(m=>m.offsetParent!==null);document.body.setAttribute('data-seen',"
        "main.length+' '+main[0].lang+' '+(document.documentElement.scrollWidth<=innerWidth)+' '"
        "+main[0].querySelectorAll('svg.drawing').length)})</script>"
    )
    holder = tmp_path / "page.html"
    holder.write_text(path.read_text("utf-8").replace("</body>", probe + "</body>"), "utf-8")
    done = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,900",
         f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", holder.as_uri()],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    seen = re.search(r'data-seen="([^"]*)"', done.stdout.decode())
    assert seen is not None
    assert seen[1] == f"1 {'zh-Hans' if language == 'zh' else 'en'} true 5"
    assert shown in done.stdout.decode()
