"""Names in chat services and addresses on the network, behind a word that says so."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from yunhe.corpus.personal.windows import Shadow, Sighting

_SPAN = 60  # characters behind a word that are looked at
_SAYS = r"[ ]?(?:[:=是为叫]|就是|)[ ]?"
_WECHAT = re.compile(
    r"(?:[微薇威徽VvWw卫](?:信|星|[Xx]|e[Cc]hat)|微[心芯])(号码?|[Ii][Dd]|账号|帐号|帐户|账户|)"
    rf"({_SAYS}|\((?=[A-Za-z0-9_\-]+\)))([A-Za-z][A-Za-z0-9_\-]{{5,19}}|[1-9][0-9]{{5,10}})(?![A-Za-z0-9_\-])"
)
_QQ = re.compile(
    r"(?:[Qq扣企][Qq扣鹅]|球球|(?<=加)[Qq]|[Qq](?=号))(号码|号|账号|帐号|群号|群|)"
    rf"({_SAYS})([1-9](?:[0-9]{{4,10}}|[0-9]{{1,3}}(?:[ \-][0-9]{{2,4}}){{1,3}}))(?![0-9A-Za-z.\-])"
)
_SPELT = re.compile(
    r"(?:[Qq扣企][Qq扣鹅]|球球)(?:号码|号|账号|帐号|)"
    rf"{_SAYS}([〇零○一壹幺二贰两三叁四肆五伍六陆七柒八捌九玖0-9]{{5,11}})"
    r"(?![〇零○一壹幺二贰两三叁四肆五伍六陆七柒八捌九玖十百千万0-9])"
)
_MARKED = re.compile("[0-9_]")
_V4 = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3})(?:/[0-9]{1,2}(?![0-9]))?(?![0-9A-Za-z]|\.[0-9])")
_V6 = re.compile(r"[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![0-9A-Za-z:])")
_GROUP = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{1,4}$")
_IP_WORDS = re.compile(
    r"(?:(?i:ip)(?i:v[46])?(?:地址)?|登[录陆錄]|来自|访问"
    r"|(?:登[录陆錄]|网络|公网|外网)地址)[ :=是为(\[]{0,3}$"
)
_LOGIN_WORDS = re.compile(r"登[录陆錄]|来自|访问")


def chats(shadow: Shadow, start: int, end: int) -> Iterator[Sighting]:
    """A WeChat name or QQ number behind the word that ends around the candidate."""
    del start
    before = shadow.before(end, 7)
    text = before + shadow.after(end, _SPAN)
    origin = end - len(before)
    begin = max(0, len(before) - (6 if before[-2:-1] in "aA" else 3))
    found = _WECHAT.search(text, begin, len(text))
    if found and found.start() <= len(before):
        yield from _wechat(found, text, origin)
    for pattern in (_QQ, _SPELT):
        found = pattern.search(text, begin)
        if found and found.start() <= len(before) and not _is_glued(text, found.start()):
            at = found.lastindex or 1
            yield Sighting(origin + found.start(at), origin + found.end(at), "QQ", 88, "context")


def _wechat(found: re.Match[str], text: str, origin: int) -> Iterator[Sighting]:
    noun, says, name = found.groups()
    explicit = bool(noun or says.strip(" ("))
    latin = found.group()[1] not in "信星心芯"  # "vx", "wx" are parts of English words as well
    if latin and _is_glued(text, found.start()):
        return
    # "微信iPhone版" names a product: without "号", ":" or "是" the name needs a digit or an
    # underscore.
    if explicit if latin or name[0].isdigit() else explicit or _MARKED.search(name):
        score = 88 if explicit else 80
        yield Sighting(origin + found.start(3), origin + found.end(3), "WECHAT", score, "context")


def addresses_v4(shadow: Shadow, start: int, end: int) -> Iterator[Sighting]:
    """The IPv4 addresses in a run of digits with dots, behind a word that says so."""
    text = shadow.after(start, min(end - start, 200) + 4)
    found = _V4.match(text)
    before = shadow.before(start, 12)
    if not found or not _IP_WORDS.search(before):
        return
    try:
        address = ipaddress.IPv4Address(found.group(1))
    except ValueError:
        return
    # An address of a private network names nobody, unless somebody logged in from it.
    if address.is_global or (_LOGIN_WORDS.search(before) and not address.is_loopback):
        yield Sighting(start, start + found.end(), "IP", 90, "context")


def addresses_v6(shadow: Shadow, start: int, end: int) -> Iterator[Sighting]:
    """An IPv6 address around its first colon, behind a word that says so."""
    del end
    group = _GROUP.search(shadow.before(start, 5))
    # The colon itself may belong to the word: "IPv6:2408:…".
    for begin in ([start - len(group.group())] if group else []) + [start + 1]:
        found = _V6.match(shadow.after(begin, _SPAN))
        before = shadow.before(begin, 14)
        if not found or not _IP_WORDS.search(before):
            continue
        try:
            address = ipaddress.IPv6Address(found.group())
        except ValueError:
            continue
        if address.is_global or _LOGIN_WORDS.search(before):
            yield Sighting(begin, begin + found.end(), "IP", 90, "context")
        return


def _is_glued(text: str, start: int) -> bool:
    near = text[max(0, start - 1) : start]
    return near.isascii() and near.isalnum()
