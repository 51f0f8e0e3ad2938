"""The screen of `yunhe review`: one item at a time, one key for each answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, Self

import click

from yunhe.cli.remote import plain
from yunhe.cli.session import Session

if TYPE_CHECKING:
    from types import TracebackType

    from yunhe.client.client import Client
    from yunhe.client.wire.reviews import Item, ReviewInFull

Answer = Literal["pass", "fail", "later", "quit"]
_KEYS: dict[str, Answer] = {"1": "pass", "2": "fail", "3": "later", "q": "quit", "": "quit"}
_RULE = "─" * 60


class Screen:
    """Takes items of one review, shows them, sends what the person says of them."""

    def __init__(self, session: Session, client: Client, review: ReviewInFull) -> None:
        """Nothing is asked for yet."""
        self._session, self._client, self._review = session, client, review
        self._keyboard = _Keyboard()
        self._after = 0
        self.judged = 0
        """Judgements sent."""

    def run(self) -> None:
        """Go on until nothing is left or the person stops; what is held is then given back."""
        with self._keyboard:
            self._work()

    def _work(self) -> None:
        held: Item | None = None
        try:
            while (held := self._next()) is not None:
                self._show(held)
                answer = self._ask()
                if answer == "quit":
                    return
                if answer == "later":
                    self._give_back(held)
                    self._after, held = held.item, None
                    continue
                reasons = self._reasons() if answer == "fail" else []
                if reasons is not None:
                    self._send(held, answer, reasons)
                    held = None
            self._say("cli.review.nothing")
        finally:
            if held is not None:
                self._give_back(held)

    def _next(self) -> Item | None:
        from yunhe.client.wire.reviews import NewClaim  # noqa: PLC0415

        found = self._client.reviews.claim(self._review.id, NewClaim(after=self._after)).items
        if not found and self._after:
            self._after = 0  # once more from the start: what was put off comes last
            found = self._client.reviews.claim(self._review.id, NewClaim()).items
        return found[0] if found else None

    def _show(self, item: Item) -> None:
        review, there = self._review, self._review.progress
        self._echo(f"\n{_RULE}")
        self._say(
            "cli.review.item", item=item.item, items=review.items, settled=there.settled,
            label=plain(item.label) or "–",
        )  # fmt: skip
        self._echo()
        for line in item.text.split("\n"):
            self._echo(f"  {plain(line)}")
        self._echo()
        if item.characters > len(item.text):
            self._say("cli.review.cut", shown=len(item.text), characters=item.characters)
        if item.disputed:
            self._say("cli.review.disputed")
            for each in item.earlier:
                verdict = self._session.say(f"cli.review.{each.verdict}")
                self._echo(f"  – {verdict} {', '.join(map(self._named, each.reasons))}".rstrip())

    def _ask(self) -> Answer:
        while True:
            self._say("cli.review.keys")
            answer = _KEYS.get(self._keyboard.key().lower())
            if answer is not None:
                return answer

    def _reasons(self) -> list[str] | None:
        """The reasons chosen by number; None to look at the item again."""
        with self._keyboard.lines():
            return self._typed_reasons()

    def _typed_reasons(self) -> list[str] | None:
        known = self._review.reasons
        for number, each in enumerate(known, 1):
            self._echo(f"  {number:>2}  {plain(each.text)}")
        while True:
            self._say("cli.review.which")
            typed = sys.stdin.readline()
            words = typed.replace(",", " ").replace("，", " ").split()
            if not words:
                return None
            numbers = [int(word) for word in words if word.isascii() and word.isdigit()]
            if len(numbers) == len(words) and all(1 <= n <= len(known) for n in numbers):
                return [known[n - 1].reason for n in dict.fromkeys(numbers)]

    def _send(self, item: Item, verdict: Literal["pass", "fail"], reasons: Sequence[str]) -> None:
        from yunhe.client.wire.reviews import Judgement, NewJudgements  # noqa: PLC0415

        said = Judgement(item=item.item, verdict=verdict, reasons=list(reasons))
        sent = NewJudgements(judgements=[said])
        self._review = self._client.reviews.judge(self._review.id, sent)
        self.judged += 1

    def _give_back(self, item: Item) -> None:
        from yunhe.client.wire.reviews import GivenBack  # noqa: PLC0415

        self._client.reviews.give_back(self._review.id, GivenBack(items=[item.item]))

    def _named(self, reason: str) -> str:
        texts = {each.reason: each.text for each in self._review.reasons}
        return plain(texts.get(reason, reason))

    def _say(self, code: str, **params: str | int) -> None:
        self._echo(self._session.say(code, **params))

    def _echo(self, line: str = "") -> None:
        click.echo(line, err=self._session.as_json)  # a program reads the other stream


class _Keyboard:
    """Single keys of a terminal, or the first letters of lines that are piped in.

    The terminal stays in one mode from the start, so that what is typed ahead is not lost.
    """

    def __init__(self) -> None:
        self._kept: list[Any] | None = None

    def __enter__(self) -> Self:
        if sys.stdin.isatty():
            with suppress(ImportError):  # not on every system
                import termios  # noqa: PLC0415

                self._kept = termios.tcgetattr(sys.stdin.fileno())
                self._by_key()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._by_line()

    def key(self) -> str:
        """One key; empty at the end of what is piped in."""
        if self._kept is not None:
            return os.read(sys.stdin.fileno(), 1).decode(errors="replace")
        if sys.stdin.isatty():
            return click.getchar()
        line = sys.stdin.readline()
        return (line.strip() or "?")[:1] if line else ""

    @contextmanager
    def lines(self) -> Iterator[None]:
        """Whole lines, as they are typed and seen."""
        self._by_line()
        yield
        self._by_key()

    def _by_key(self) -> None:
        if self._kept is not None:
            import termios  # noqa: PLC0415
            import tty  # noqa: PLC0415

            tty.setcbreak(sys.stdin.fileno(), termios.TCSADRAIN)

    def _by_line(self) -> None:
        if self._kept is not None:
            import termios  # noqa: PLC0415

            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._kept)
