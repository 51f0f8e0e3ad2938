"""E-mail addresses around ``@`` and what people write in its place: ``#``, ``(at)``, `` at ``."""

# ruff: noqa: PLR1714, SIM102 - in a kernel each comparison costs
# mypy: disable-error-code="return-value, arg-type, assignment, no-any-return, no-untyped-call"

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yunhe.corpus.kernels import words as w
from yunhe.corpus.kernels.candidates import MAIL
from yunhe.corpus.kernels.hits import HITS, LAYOUT, mark, put
from yunhe.corpus.kernels.words import WORDS, Words, before, begun, said
from yunhe.native.compiled import I8, INT, U1, U2, inner, kernel

_SURE, _LIKELY = mark("EMAIL", 95, LAYOUT), mark("EMAIL", 85, LAYOUT)
_LOCAL_MAX, _DOMAIN_MAX = 64, 120  # RFC 5321, sections 4.5.3.1.1 and (far below) 4.5.3.1.2
_REACH = np.int64(16)  # characters before an address in which words say that it is one
_LEADS = 0x2E, 0x2D, 0x2B, 0x25  # . - + % never begin a local part


@inner
def _is_host(code: int) -> bool:
    """Whether a character can stand in a host's name."""
    return 0x30 <= code <= 0x39 or 65 <= (code & 0xFFDF) <= 90 or code == 0x2D


@inner
def _is_local(code: int) -> bool:
    """Whether a character can stand before the ``@``."""
    return _is_host(code) or code == 0x2E or code == 0x5F or code == 0x25 or code == 0x2B


@inner
def _local_from(codes: NDArray[np.uint16], at: int) -> int:
    """Where the local part that ends before ``at`` begins; ``at`` when there is none."""
    start = at
    while start > 0 and at - start < _LOCAL_MAX and _is_local(codes[start - 1]):
        start -= 1
    while start < at and codes[start] in _LEADS:
        start += 1
    return start


@inner
def _dot(codes: NDArray[np.uint16], at: int) -> int:
    """One past the dot at ``at``, which may be spelt `` dot ``, ``(dot)`` or so; -1 for none."""
    if at >= len(codes):
        return -1
    if codes[at] == 0x2E:
        return at + 1
    opened = codes[at] == 0x20 or codes[at] == 0x28 or codes[at] == 0x5B or codes[at] == 0x7B
    if not opened or at + 4 >= len(codes):
        return -1
    is_dot = (
        codes[at + 1] | 32 == 0x64 and codes[at + 2] | 32 == 0x6F and codes[at + 3] | 32 == 0x74
    )
    last = codes[at + 4]
    closed = last == 0x20 or last == 0x29 or last == 0x5D or last == 0x7D
    return at + 5 if is_dot and closed else -1


@inner
def _ends_domain(codes: NDArray[np.uint16], at: int) -> bool:
    """Whether ``com``, ``cn``, ``net`` or ``org`` stands at ``at``."""
    if at + 1 >= len(codes):
        return False
    one, two = codes[at] | 0x20, codes[at + 1] | 0x20
    three = codes[at + 2] | 0x20 if at + 2 < len(codes) else 0
    end = at + 3
    if one == 0x63 and two == 0x6E:
        end = at + 2
    elif not (
        (one == 0x63 and two == 0x6F and three == 0x6D)
        or (one == 0x6E and two == 0x65 and three == 0x74)
        or (one == 0x6F and two == 0x72 and three == 0x67)
    ):
        return False
    return end >= len(codes) or not _is_host(codes[end])


@inner
def _odd_dot(codes: NDArray[np.uint16], at: int) -> int:
    """One past a dot that was typed as ``。`` or ``点``, or with blanks around it; -1 for none.

    Any of them may as well end a sentence, so the end of a domain must follow.
    """
    place = at + 1 if codes[at] == 0x20 else at
    if place >= len(codes):
        return -1
    code = codes[place]
    if code == 0x2E or code == 0x3002 or code == 0x70B9:
        place += 1
    else:
        place = _dot(codes, place)
        if place < 0:
            return -1
    if place < len(codes) and codes[place] == 0x20:
        place += 1
    return place if _ends_domain(codes, place) else -1


@inner
def _domain(codes: NDArray[np.uint16], at: int, words: Words) -> int:
    """One past the domain that begins at ``at``; -1 unless it ends like one."""
    start, ended_at, label, letters = at, -1, at, True
    while at < len(codes) and at - start < _DOMAIN_MAX:
        while at < len(codes) and _is_host(codes[at]) and at - label < 63:
            letters &= codes[at] > 0x39
            at += 1
        if at == label or codes[label] == 0x2D:
            break
        length = at - label
        if label > start and letters and 2 <= length <= 24:
            known_file = begun(codes, label, words, w.FILES) == at
            ended_at = -1 if known_file else at
        elif label > start:
            ended_at = -1
        dot = _dot(codes, at)
        if dot < 0 or dot >= len(codes) or not _is_host(codes[dot]):
            dot = _odd_dot(codes, at) if ended_at < 0 and at < len(codes) else -1
            if dot < 0:
                break
        at = label = dot
        letters = True
    return ended_at


@inner
def _sign(codes: NDArray[np.uint16], at: int) -> tuple[int, int]:
    """(end of the local part, start of the domain) around the sign at ``at``."""
    code = codes[at]
    if code == 0x40 or code == 0x23:
        local, host = at, at + 1
        # "name @ qq.com"
        if code == 0x40 and local > 0 and codes[local - 1] == 0x20:
            local -= 1
        if code == 0x40 and host < len(codes) and codes[host] == 0x20:
            host += 1
        return local, host
    # The last letter of "(at)", "[at]" or " at "
    local, host = at - 2, at + 2
    if local > 0 and codes[local] != 0x20 and codes[local - 1] == 0x20:
        local -= 1
    if host < len(codes) and codes[host - 1] != 0x20 and codes[host] == 0x20:
        host += 1
    return local, host


@inner
def _mail(
    codes: NDArray[np.uint16], at: int, words: Words, hits: NDArray[np.int64], used: int
) -> int:
    local, host = _sign(codes, at)
    if host >= len(codes) or not _is_host(codes[host]) or local < 1:
        return used
    start = _local_from(codes, local)
    end = _domain(codes, host, words) if start < local else -1
    if end < 0:
        return used
    low = before(codes, start, _REACH)
    provider = begun(codes, host, words, w.HASHED) == end
    plain = codes[at] == 0x40 and local == at and host == at + 1
    bracketed = codes[at] | 0x20 == 0x74 and codes[at + 1] != 0x20
    for place in range(host, end):  # "name at host dot com" says by itself that it is an address
        bracketed |= codes[at] | 0x20 == 0x74 and not (
            _is_host(codes[place]) or codes[place] == 0x2E
        )
    if plain:
        return (
            used
            if begun(codes, start, words, w.SERVICE) == local
            else put(hits, used, start, end, _SURE)
        )
    if provider or bracketed or said(codes, low, start, words) & w.MAIL:
        if codes[at] | 0x20 == 0x74 or local - start >= 3:
            return put(hits, used, start, end, _LIKELY)
    return used


@kernel(U2, I8, U1, INT, WORDS, HITS)
def mails(
    codes: NDArray[np.uint16],
    starts: NDArray[np.int64],
    what: NDArray[np.uint8],
    total: int,
    words: Words,
    hits: NDArray[np.int64],
) -> int:
    """Write the addresses around the candidates; returns how many. Shapes: as in `numbers`."""
    used = reached = np.int64(0)
    for candidate in range(total):
        if what[candidate] == MAIL and starts[candidate] >= reached:
            was = used
            used = _mail(codes, starts[candidate], words, hits, used)
            if used > was:
                reached = hits[was, 1]
    return used
