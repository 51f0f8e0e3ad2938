"""The screen of `yunhe review`: every key, piped in and on a terminal of this process."""

from __future__ import annotations

import io
import os
import pty
import sys
import termios
from collections.abc import Iterator
from typing import Any

import pytest

from yunhe.api import document
from yunhe.cli.review_screen import Screen
from yunhe.cli.session import Session
from yunhe.client.wire.reviews import (
    Claimed,
    GivenBack,
    Item,
    NewClaim,
    NewJudgements,
    ReasonText,
    ReviewInFull,
)
from yunhe.kernel.errors import Conflict, Unavailable
from yunhe.kernel.language import Language

REASONS = ["A.1.1", "A.1.2", "quality.garbled"]


def item(number: int, text: str = "路灯不亮。", **changed: object) -> Item:
    given = {
        "item": number, "text": text, "characters": len(text), "label": "道路",
        "held_until": "2026-11-22T09:30:00.000000Z", "disputed": False, "earlier": [],
    }  # fmt: skip
    return Item.model_validate(given | changed)


class Reviews:
    """A review whose items are held, judged and given back in memory."""

    def __init__(self, *items: Item) -> None:
        self.left = {each.item: each for each in items}
        self.held: set[int] = set()
        self.said: list[tuple[int, str, list[str]]] = []
        self.claims: list[NewClaim] = []
        self.refuses: Exception | None = None
        given = document.example(ReviewInFull)
        assert isinstance(given, dict)
        reasons = [ReasonText(reason=each, text=f"because of {each}") for each in REASONS]
        self.full = ReviewInFull.model_validate(
            {**given, "items": len(items), "reasons": reasons, "result": None}
        )

    def claim(self, review: str, wish: NewClaim) -> Claimed:
        assert review == self.full.id
        self.claims.append(wish)
        found = [self.left[n] for n in sorted(self.left) if n > wish.after][: wish.items]
        self.held |= {each.item for each in found}
        return Claimed(items=found)

    def judge(self, review: str, sent: NewJudgements) -> ReviewInFull:
        assert review == self.full.id
        if self.refuses is not None:
            raise self.refuses
        for each in sent.judgements:
            assert each.item in self.held
            self.said.append((each.item, each.verdict, each.reasons))
            self.held.discard(each.item)
            del self.left[each.item]
        progress = self.full.progress.model_copy(update={"settled": len(self.said)})
        self.full = self.full.model_copy(update={"progress": progress})
        return self.full

    def give_back(self, review: str, back: GivenBack) -> ReviewInFull:
        assert review == self.full.id
        self.held -= set(back.items)
        return self.full


class Client:
    def __init__(self, reviews: Reviews) -> None:
        self.reviews = reviews


def screen(reviews: Reviews, *, lang: Language = "en", as_json: bool = False) -> Screen:
    client: Any = Client(reviews)
    return Screen(Session(lang, None, as_json), client, reviews.full)


def worked(monkeypatch: pytest.MonkeyPatch, reviews: Reviews, typed: str, **given: Any) -> Screen:
    """The screen after somebody typed this."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode()), "utf-8"))
    made = screen(reviews, **given)
    made.run()
    return made


FAIL_1 = [(1, "fail", ["A.1.1"])]
TYPED = [
    ("1\n", [(1, "pass", [])]),
    ("  1  \n", [(1, "pass", [])]),
    ("1 and more of the line\n", [(1, "pass", [])]),
    ("2\n1\n", FAIL_1),
    ("2\n1 1 1\n", FAIL_1),
    ("2\n1,3\n", [(1, "fail", ["A.1.1", "quality.garbled"])]),
    ("2\n3，1\n", [(1, "fail", ["quality.garbled", "A.1.1"])]),
    ("2\n0\n4\n-1\nx\n1x\n１\n²\n1\n", FAIL_1),
    ("2\n\n1\n", [(1, "pass", [])]),
    ("2\n   \n2\n1\n", FAIL_1),
    ("9\nx\n\n1\n", [(1, "pass", [])]),
    ("3\n1\n", [(1, "pass", [])]),
    ("q\n1\n", []),
    ("Q\n1\n", []),
    ("", []),
    ("2\n", []),
    ("2\n9\n", []),
    ("3\n3\n3\nq\n", []),
]


@pytest.mark.parametrize(("typed", "said"), TYPED, ids=range(len(TYPED)))
def test_keys_that_are_piped_in_judge_and_nothing_stays_held(monkeypatch, typed, said):
    reviews = Reviews(item(1))
    done = worked(monkeypatch, reviews, typed)
    assert reviews.said == said
    assert done.judged == len(said)
    assert reviews.held == set()


def test_items_come_one_at_a_time_in_order_and_those_put_off_come_last(monkeypatch, capsys):
    reviews = Reviews(*(item(n) for n in (2, 5, 9)))
    worked(monkeypatch, reviews, "3\n1\n1\n1\n")
    assert [number for number, _, _ in reviews.said] == [5, 9, 2]
    assert all(wish.items == 1 and not wish.away for wish in reviews.claims)
    shown = [line.split()[1] for line in capsys.readouterr().out.split("\n") if "Item" in line]
    assert shown == ["2", "5", "9", "2"]


def test_the_end_is_said_once_nothing_is_left(monkeypatch, capsys):
    worked(monkeypatch, Reviews(item(1)), "1\n")
    assert "Nothing is left for you in this review now." in capsys.readouterr().out
    worked(monkeypatch, Reviews(item(1)), "q\n")
    assert "Nothing is left" not in capsys.readouterr().out


def test_how_many_are_settled_is_told_anew_after_each_verdict(monkeypatch, capsys):
    worked(monkeypatch, Reviews(item(1), item(2)), "1\nq\n")
    out = capsys.readouterr().out
    before, after = (line for line in out.split("\n") if line.startswith("Item"))
    assert "of 2 · settled 58" in before
    assert "of 2 · settled 1 ·" in after


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("one\x1b[2Jtwo", "\x1b"),
        ("one\x9b2Jtwo", "\x9b"),
        ("one\rtwo", "\r"),
        ("one\x08two", "\x08"),
        ("one\x00two", "\0"),
    ],
)
def test_no_document_label_or_reason_steers_the_terminal(monkeypatch, capsys, text, absent):
    earlier = [{"verdict": "fail", "reasons": [text]}]
    reviews = Reviews(item(1, text, label=text, disputed=True, earlier=earlier))
    worked(monkeypatch, reviews, "q\n")
    out = capsys.readouterr().out
    assert absent not in out
    assert out.count("two") == 3


def test_lines_of_a_document_stay_lines_and_are_set_in(monkeypatch, capsys):
    worked(monkeypatch, Reviews(item(1, "一\n\n二")), "q\n")
    assert "\n  一\n  \n  二\n" in capsys.readouterr().out


@pytest.mark.parametrize(("lang", "cut"), [("en", "first 3 of 99"), ("zh", "99")])
def test_a_text_that_was_cut_is_said_to_be(monkeypatch, capsys, lang, cut):
    worked(monkeypatch, Reviews(item(1, "一二三", characters=99)), "q\n", lang=lang)
    assert cut in capsys.readouterr().out
    worked(monkeypatch, Reviews(item(1, "一二三")), "q\n", lang=lang)
    assert "99" not in capsys.readouterr().out


def test_a_disagreement_shows_both_verdicts_and_reasons_in_words(monkeypatch, capsys):
    earlier = [
        {"verdict": "pass", "reasons": []},
        {"verdict": "fail", "reasons": ["A.1.2", "from.a.newer.version"]},
    ]
    reviews = Reviews(item(1, disputed=True, earlier=earlier))
    worked(monkeypatch, reviews, "q\n")
    out = capsys.readouterr().out
    assert "  – pass\n" in out
    assert "  – fail because of A.1.2, from.a.newer.version\n" in out
    worked(monkeypatch, Reviews(item(1)), "q\n")
    assert "differ" not in capsys.readouterr().out


def test_a_document_without_a_label_is_said_to_have_none(monkeypatch, capsys):
    worked(monkeypatch, Reviews(item(1, label="")), "q\n")
    assert "label –" in capsys.readouterr().out


def test_a_program_that_reads_the_answer_finds_nothing_of_the_screen_in_it(monkeypatch, capsys):
    worked(monkeypatch, Reviews(item(1)), "1\n", as_json=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "路灯不亮。" in err


def test_the_reasons_are_numbered_as_they_are_chosen(monkeypatch, capsys):
    worked(monkeypatch, Reviews(item(1)), "2\n3\n")
    out = capsys.readouterr().out
    for number, reason in enumerate(REASONS, 1):
        assert f"   {number}  because of {reason}\n" in out


@pytest.mark.parametrize("error", [Conflict("x.y"), Unavailable("x.y"), KeyboardInterrupt()])
def test_what_is_held_is_given_back_when_something_fails(monkeypatch, error):
    reviews = Reviews(item(1), item(2))
    reviews.refuses = error
    with pytest.raises(type(error)):
        worked(monkeypatch, reviews, "1\n")
    assert (reviews.held, reviews.said) == (set(), [])


class Terminal:
    """A terminal whose other side is this test."""

    def __init__(self) -> None:
        self.ours, theirs = pty.openpty()
        self.stream = os.fdopen(theirs, "r", encoding="utf-8", buffering=1)

    def type(self, *keys: str | bytes) -> None:
        for key in keys:
            os.write(self.ours, key if isinstance(key, bytes) else key.encode())

    @property
    def by_line(self) -> bool:
        return bool(termios.tcgetattr(self.stream.fileno())[3] & termios.ICANON)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    made = Terminal()
    monkeypatch.setattr(sys, "stdin", made.stream)
    yield made
    made.stream.close()
    os.close(made.ours)


def cbreak_before(terminal: Terminal) -> None:
    """So that what this test types ahead is read as it would be in the midst of a review."""
    state = termios.tcgetattr(terminal.stream.fileno())
    state[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(terminal.stream.fileno(), termios.TCSANOW, state)


def test_on_a_terminal_one_key_is_enough_and_the_terminal_is_left_as_it_was(terminal):
    reviews = Reviews(item(1), item(2), item(3))
    cbreak_before(terminal)
    terminal.type("1", "3", "q")
    kept = termios.tcgetattr(terminal.stream.fileno())
    screen(reviews).run()
    assert termios.tcgetattr(terminal.stream.fileno()) == kept
    assert reviews.said == [(1, "pass", [])]
    assert reviews.held == set()


@pytest.mark.parametrize("key", ["x", "\x04", "\x1b", " ", "路".encode(), b"\xff"])
def test_a_key_that_means_nothing_asks_again(terminal, key):
    reviews = Reviews(item(1))
    cbreak_before(terminal)
    terminal.type(key, "1")
    screen(reviews).run()
    assert reviews.said == [(1, "pass", [])]


def test_reasons_are_typed_as_a_line_and_keys_go_on_after_it(terminal, monkeypatch):
    reviews = Reviews(item(1), item(2))
    made, by_line = screen(reviews), dict[str, bool]()
    typed, shown = made._typed_reasons, made._show

    def reasons() -> list[str] | None:
        by_line["reasons"] = terminal.by_line
        terminal.type("1 2\n")
        return typed()

    def show(each: Item) -> None:
        by_line[f"item {each.item}"] = terminal.by_line
        terminal.type("2" if each.item == 1 else "q")
        shown(each)

    monkeypatch.setattr(made, "_typed_reasons", reasons)
    monkeypatch.setattr(made, "_show", show)
    made.run()
    assert reviews.said == [(1, "fail", ["A.1.1", "A.1.2"])]
    assert by_line == {"item 1": False, "reasons": True, "item 2": False}
    assert terminal.by_line


def test_a_terminal_is_put_right_when_the_person_interrupts(terminal, monkeypatch):
    reviews = Reviews(item(1))
    made = screen(reviews)

    def interrupted() -> str:
        assert not terminal.by_line
        raise KeyboardInterrupt

    monkeypatch.setattr(made._keyboard, "key", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made.run()
    assert terminal.by_line
    assert reviews.held == set()


def test_a_terminal_that_goes_away_ends_the_review(terminal, monkeypatch):
    reviews = Reviews(item(1))
    monkeypatch.setattr(os, "read", lambda _fd, _n: b"")
    screen(reviews).run()
    assert (reviews.said, reviews.held) == ([], set())
