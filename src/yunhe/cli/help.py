"""Help that wraps Chinese by its width on a terminal, with headings in the right language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

import click

from yunhe.kernel.language import Language, text

_PIECES = re.compile(
    r"[\u2e80-\u9fff\uff00-\uffef][，。；：、）！？」]*|[^\s\u2e80-\u9fff]+\s*|\s+"
)
_FIRST_COLUMN_MAX = 26


def width(line: str) -> int:
    """Terminal cells that ``line`` takes: two for a full-width character."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


def wrap(paragraph: str, cells: int) -> list[str]:
    """``paragraph`` in lines of at most ``cells``, broken at blanks or between 汉字."""
    lines, line = [], ""
    for piece in _PIECES.findall(paragraph):
        if line and width((line + piece).rstrip()) > cells:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    return [*lines, line.rstrip()] if line.strip() else lines


class Formatter(click.HelpFormatter):
    """The library's layout in our two languages."""

    def _language(self) -> Language:
        root = click.get_current_context(silent=True)
        language = getattr(root.find_root().command, "language", "en") if root else "en"
        return "zh" if language == "zh" else "en"

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The usage line."""
        super().write_usage(prog, args, prefix or text("cli.usage_line", self._language()) + " ")

    def write_heading(self, heading: str) -> None:
        """A section's heading; the library's own two are translated."""
        code = {"Options": "cli.options", "Commands": "cli.commands"}.get(heading)
        super().write_heading(text(code, self._language()) if code else heading)

    def write_text(self, text: str) -> None:
        """Paragraphs; one that starts with a backspace character keeps its lines."""
        indent = " " * self.current_indent
        for number, paragraph in enumerate(text.split("\n\n")):
            if number:
                self.write("\n")
            if paragraph.startswith("\b"):
                lines = paragraph.removeprefix("\b").strip("\n").split("\n")
            else:
                lines = wrap(" ".join(paragraph.split("\n")), self.width - self.current_indent)
            self.write("".join(f"{indent}{line}\n" for line in lines))

    def write_dl(
        self,
        rows: Iterable[tuple[str, str]],
        col_max: int = _FIRST_COLUMN_MAX,
        col_spacing: int = 2,
    ) -> None:
        """Two columns: what to type, what it does."""
        lines_of = list(rows)
        first = min(max(width(term) for term, _ in lines_of), col_max) + col_spacing
        indent = " " * self.current_indent
        for term, said in lines_of:
            meaning = text("cli.help", self._language()) if term.endswith("--help") else said
            lines = wrap(meaning, max(self.width - self.current_indent - first, 20))
            if too_wide := width(term) + col_spacing > first:
                self.write(f"{indent}{term}\n")
            for number, line in enumerate(lines or [""]):
                lead = term if number == 0 and not too_wide else ""
                self.write(f"{indent}{lead}{' ' * (first - width(lead))}{line}".rstrip() + "\n")


click.Context.formatter_class = Formatter
