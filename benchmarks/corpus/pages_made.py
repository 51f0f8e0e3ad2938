"""Chinese pages whose main text is known: paragraphs of the real corpus in invented surroundings.

Used by `pages.py`. The surroundings are what pages of the kind have: navigation, a trail, lists of
other headlines (clauses of the same corpus, so that they read like text), comments, a foot, scripts
with text in them, styles. Five layouts, drawn with a seed; nothing in their names is made for one
extractor. The text is real and stays where the input may be: do not publish it.
"""

from __future__ import annotations

import gzip
import html
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

RAW = Path("../shared/data/corpora/raw_zh.jsonl.gz")
HEADLINE_CHARACTERS = (8, 26)
_MENU = (
    "首页",
    "新闻",
    "财经",
    "科技",
    "体育",
    "娱乐",
    "汽车",
    "房产",
    "教育",
    "旅游",
    "健康",
    "论坛",
    "博客",
    "视频",
    "专题",
)
_SHARE = (
    "分享到微博",
    "分享到空间",
    "收藏本文",
    "打印本页",
    "我要纠错",
    "点击查看更多",
    "扫码关注公众号",
)
_FOOT = ("关于我们", "联系方式", "招聘信息", "网站地图", "版权声明", "隐私政策", "意见反馈")


@dataclass(frozen=True)
class Page:
    """One page."""

    markup: str
    """Its HTML."""
    main: tuple[str, ...]
    """Its paragraphs."""
    comments: tuple[str, ...]
    """What readers said below; some extractors take that for main text, others not."""
    around: tuple[str, ...]
    """What else it shows, piece by piece."""


def _texts(raw: Path) -> tuple[list[list[str]], list[str]]:
    """Documents as paragraphs, and headlines."""
    documents: list[list[str]] = []
    headlines: list[str] = []
    with gzip.open(raw, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["dup_of"]:
                continue
            cut = [" ".join(part.split()) for part in row["text"].splitlines()]
            paragraphs = [part for part in cut if len(part) >= 20 and "<" not in part]
            if paragraphs:
                documents.append(paragraphs)
                low, high = HEADLINE_CHARACTERS
                head = paragraphs[0].split("。")[0].split("，")[0]
                headlines += [head] if low <= len(head) <= high else []
    return documents, headlines


def pages(count: int, *, seed: int, raw: Path = RAW) -> Iterator[Page]:
    """So many pages; a seed gives the same ones."""
    draw = random.Random(seed)
    documents, headlines = _texts(raw)
    for _ in range(count):
        main: list[str] = []
        while len(main) < draw.randint(4, 25):
            main += draw.choice(documents)[:12]
        lists = [draw.sample(headlines, draw.randint(5, 15)) for _ in range(draw.randint(2, 4))]
        comments = draw.sample(headlines, draw.randint(0, 8))
        markup = _layout(draw, main, lists, comments)
        listed = {piece for each in lists for piece in each} - {*main, *comments}
        said = tuple(each for each in comments if each not in main)
        yield Page(markup, tuple(main), said, tuple(sorted(listed)) + _SHARE + _FOOT)


def _links(items: Sequence[str], draw: random.Random) -> str:
    rows = (
        f'<li><a href="/a/{draw.randrange(10**6)}.html">{html.escape(i)}</a></li>' for i in items
    )
    return f"<ul>{''.join(rows)}</ul>"


def _layout(
    draw: random.Random, main: list[str], lists: list[list[str]], comments: list[str]
) -> str:
    """One of five kinds of page: news, blog, forum, portal of tables, plain."""
    kind = draw.randrange(5)
    tag, name = (("article", "content"), ("div", "post-body"), ("div", "t_f"), ("td", "txt"),
                 ("div", "main"))[kind]  # fmt: skip
    body = "".join(f"<p>{html.escape(each)}</p>\n" for each in main)
    if kind in (2, 3):  # lines with breaks instead of paragraphs
        body = "<br>\n".join(html.escape(each) for each in main)
    script = json.dumps({"title": lists[0][0], "items": lists[0], "id": draw.randrange(10**9)})
    head = (
        f"<head><meta charset=utf-8><title>{html.escape(main[0][:20])}</title>"
        f"<style>.{name}{{font:14px/1.8 serif}} .nav li{{float:left}}</style>"
        f"<script>var page={script};(function(){{window.track=page.id}})();</script></head>"
    )
    menu = f'<div class="nav">{_links(_MENU, draw)}</div>'
    trail = '<div class="crumbs">当前位置：<a href="/">首页</a> &gt; <a href="/n">新闻</a></div>'
    share = "".join(f'<a href="#">{each}</a> ' for each in _SHARE)
    side = "".join(
        f'<div class="box"><h3>相关阅读</h3>{_links(each, draw)}</div>' for each in lists
    )
    said = "".join(
        f'<div class="c"><b>网友</b><p>{html.escape(each)}</p></div>' for each in comments
    )
    foot = " | ".join(f'<a href="/x">{each}</a>' for each in _FOOT)
    block = f'<{tag} class="{name}">{body}</{tag}>'
    if kind == 3:
        block = f'<table><tr><td class="left">{side}</td>{block}</tr></table>'
        side = ""
    after = f'<div class="share">{share}</div>{side}<div class="comments">{said}</div>'
    return (
        f"<!DOCTYPE html><html>{head}<body>{menu}{trail}<h1>{html.escape(main[0][:20])}</h1>{block}"
        f'{after}<div class="footer">{foot}</div><script>track({draw.randrange(99)})</script>'
        "</body></html>"
    )
