"""Every error and finding has its sentences, and the two guides say the same things."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from yunhe import custody as package
from yunhe.kernel.language import LANGUAGES, texts

FLOOR = Path(package.__file__).parent
GUIDES = [FLOOR.parents[2] / "docs" / name for name in ("custody.md", "custody.zh.md")]
ERRORS = re.compile(
    r"(?:Invalid|NotAllowed|NotFound|Conflict|Exhausted|Unavailable)\(\s*\"(custody\.\w+)\""
)


def code_in(pattern: re.Pattern[str]) -> set[str]:
    return {
        code for path in FLOOR.glob("*.py") for code in pattern.findall(path.read_text("utf-8"))
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_in_the_source_has_its_sentences(language):
    written = texts("custody", language)
    raised = code_in(ERRORS)
    assert len(raised) > 15
    for code in raised:
        assert written.get(code), code
        assert written.get(f"{code}.do"), code
    for code in code_in(re.compile(r"\"(custody\.\w+)\"")):
        assert code in written


def test_no_sentence_is_left_over_and_both_languages_need_the_same_values():
    english, chinese = (texts("custody", language) for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    used = code_in(re.compile(r"\"(custody\.\w+)\""))
    for key, sentence in english.items():
        assert key.removesuffix(".do") in used
        fields = [
            {field for _, field, _, _ in string.Formatter().parse(each) if field}
            for each in (sentence, chinese[key])
        ]
        assert fields[0] == fields[1], key


def blocks(path: Path) -> list[str]:
    return re.findall(r"```\w*\n(.*?)```", path.read_text("utf-8"), re.DOTALL)


def without_remarks(block: str) -> str:
    return "\n".join(line.split("  #")[0].rstrip() for line in block.splitlines())


def test_both_guides_show_the_same_commands_and_files():
    english, chinese = (
        [without_remarks(block) for block in blocks(path) if "→" not in block] for path in GUIDES
    )
    assert english == chinese
    assert len(english) >= 5


def test_the_guides_name_files_permissions_and_commands_that_exist():
    for path in GUIDES:
        text = path.read_text("utf-8")
        for word in ("keys/log.pem", "0700", "0600", "trust.txt", "yunhe verifier > verifier.py"):
            assert word in text, (path.name, word)
        assert "python verifier.py receipt.json --trust trust.txt" in text
