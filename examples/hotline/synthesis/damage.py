"""What goes wrong with text on its way: slips, habits of punctuation, dialect, wrong decoding.

Personal details pass unchanged, so that their spans stay true; only the words around them suffer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from synthesis.grammar import Draw, Segment, Weighted

_WIDE_DIGITS = str.maketrans("0123456789", "０１２３４５６７８９")
_HALF = str.maketrans("，。！？：；（）", ",.!?:;()")
_PUNCTUATION = "，。！？、；：,.!?;: ~…\n"
STYLES = Weighted.of(
    [
        ("plain", 60),
        ("spaces", 10),
        ("none", 6),
        ("half", 10),
        ("loud", 6),
        ("dots", 4),
        ("lines", 4),
    ]
)
"""How a writer punctuates, and how common that is."""
_STYLES: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "spaces": lambda text: text.replace("，", " ").replace("。", "  "),
    "none": lambda text: text.replace("，", "").replace("。", ""),
    "half": lambda text: text.translate(_HALF),
    "loud": lambda text: text.replace("。", "！！！"),
    "dots": lambda text: text.replace("，", "。。").replace("。", "…", 1),
    "lines": lambda text: text.replace("。", "。\n"),
}


def on_words(segments: Sequence[Segment], change: Callable[[str], str]) -> list[Segment]:
    """Apply ``change`` to every segment that is no personal detail."""
    return [(text if kind else change(text), kind) for text, kind in segments]


def punctuate(segments: Sequence[Segment], draw: Draw, style: str) -> list[Segment]:
    """Write the text with one writer's punctuation, now and then with full-width digits."""
    segments = on_words(segments, _STYLES[style])
    if draw.chance(0.05):
        segments = on_words(segments, lambda text: text.translate(_WIDE_DIGITS))
    return segments


def speak(
    segments: Sequence[Segment], draw: Draw, dialect: Sequence[tuple[str, ...]]
) -> list[Segment]:
    """Put regional words for standard ones, one region for the ticket."""
    region = draw.below(3)
    out = list(segments)
    for standard, *forms in dialect:
        form = forms[region % len(forms)]
        out = on_words(out, lambda text, a=standard, b=form: text.replace(a, b))  # type: ignore[misc]
    return out


def misspell(
    segments: Sequence[Segment], draw: Draw, *, typos: Sequence[tuple[str, ...]], count: int
) -> list[Segment]:
    """Up to ``count`` slips: a homophone, or a character doubled, lost or swapped."""
    out = list(segments)
    wordy = [i for i, (text, kind) in enumerate(out) if not kind and len(text) > 3]
    for _ in range(count if wordy else 0):
        index = draw.pick(wordy)
        text = out[index][0]
        possible = [pair for pair in typos if pair[0] in text]
        if possible and draw.chance(0.6):
            right, wrong = draw.pick(possible)
            text = text.replace(right, wrong, 1)
        elif len(text) > 3:
            at = draw.below(len(text) - 1)
            pair = text[at : at + 2]
            if any(character.isdigit() for character in pair):
                continue  # a number stays the hard negative that it was made to be
            text = text[:at] + draw.pick((pair[0] + pair, pair[1], pair[::-1])) + text[at + 2 :]
        out[index] = (text, "")
    return out


def separate(segments: Sequence[Segment]) -> list[Segment]:
    """Put a space where digits or letters of a detail would run into those beside it."""
    out: list[Segment] = []
    for text, kind in segments:
        if not text:
            continue
        if out and (kind or out[-1][1]) and _sticky(out[-1][0][-1]) and _sticky(text[0]):
            out.append((" ", ""))
        out.append((text, kind))
    return out


def _sticky(character: str) -> bool:
    return character.isdigit() or (
        character.isascii() and (character.isalnum() or character in "_-+")
    )


def mojibake(text: str, draw: Draw, share: float) -> str:
    """In a ``share`` of cases the text as seen by a reader who took its UTF-8 for something else.

    Always reversible: GBK (as extended by GB 18030) only where it round-trips, which few texts do;
    else Latin-1 or Windows-1252, whose five open bytes become C1 controls, as in browsers.
    """
    data = text.encode()
    form = draw.random()
    if form < 0.2:
        try:
            seen = data.decode("gb18030")
        except UnicodeDecodeError:
            return text
        return seen if seen.encode("gb18030") == data else text
    if form > 1 - share * 0.45:
        return data.decode("latin-1")
    if form > 1 - share * 0.85:
        return "".join(_WINDOWS_1252[byte] for byte in data)
    return text


def _windows_1252() -> list[str]:
    table = []
    for byte in range(256):
        try:
            table.append(bytes([byte]).decode("cp1252"))
        except UnicodeDecodeError:
            table.append(chr(byte))
    return table


_WINDOWS_1252 = _windows_1252()
