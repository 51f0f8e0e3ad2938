"""Addresses on the network: e-mail, WeChat, QQ, IP."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from yunhe.corpus.personal.hits import Buffer, Hit

_LOCAL_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+-"
_LOCAL_MAX = 64  # RFC 5321, section 4.5.3.1.1
_DOMAIN = re.compile(r"@(?:[A-Za-z0-9][A-Za-z0-9\-]{0,62}\.){1,6}([A-Za-z]{2,24})(?![A-Za-z0-9])")
_HASHED = re.compile(
    r"#(?:qq|163|126|139|189|gmail|sina|sohu|foxmail|outlook|hotmail|live|yeah|aliyun|vip\.qq|vip\.163)"
    r"\.(?:com\.cn|com|cn|net)(?![A-Za-z0-9])"
)
_NO_DOMAIN = re.compile(
    "(?i:png|jpe?g|gif|svg|webp|[jt]s|css|html?|json|md|py|rb|go|service|target|socket|slice)"
)
"""Endings of files and system units such as ``icon@2x.png`` and ``getty@tty1.service``."""
_SERVICES = frozenset({"git", "noreply", "no-reply"})
"""Names before an @ that belong to a service, not to a person."""

_WECHAT = re.compile(
    r"[微薇威徽VvWw](?:信|[Xx]|e[Cc]hat)(号码?|[Ii][Dd]|账号|帐号|)"
    r" ?([:是为]|就是|) ?([A-Za-z][A-Za-z0-9_\-]{5,19}|[1-9][0-9]{5,10})(?![A-Za-z0-9_\-])"
)
_QQ = re.compile(
    r"[Qq扣企](?:[Qq]|扣|鹅)(?:号码?|账号|帐号)? ?[:是为]? ?([1-9][0-9]{4,10})(?![0-9A-Za-z.\-])"
)
_MARKED = re.compile("[0-9_]")

_IP = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z]|\.[0-9])")
_IP_WORDS = re.compile(
    r"(?:(?i:ip)(?:v4)?(?:地址)?|登录|登陆|来自|访问|(?:登[录陆]|网络)地址)[ :是为]{0,3}$"
)
_LOGIN_WORDS = re.compile(r"登录|登陆|来自|访问")


def find(buffer: Buffer) -> Iterator[Hit]:
    """E-mail by its layout; WeChat and QQ names and IP addresses after a word that says so."""
    yield from _mails(buffer)
    yield from _chats(buffer)
    for found in _IP.finditer(buffer.half):
        before = buffer.before(found.start(), 12)
        if not _IP_WORDS.search(before):
            continue
        try:
            address = ipaddress.IPv4Address(found.group())
        except ValueError:
            continue
        # An address of a private network names nobody, unless somebody logged in from it.
        if address.is_global or (_LOGIN_WORDS.search(before) and not address.is_loopback):
            yield Hit(found.start(), found.end(), "IP", 90, "context")


def _mails(buffer: Buffer) -> Iterator[Hit]:
    half = buffer.half
    for pattern, score in ((_DOMAIN, 95), (_HASHED, 85)):
        for found in pattern.finditer(half):
            before = half[max(0, found.start() - _LOCAL_MAX) : found.start()]
            local = before[len(before.rstrip(_LOCAL_CHARACTERS)) :].lstrip(".-+%")
            if not local or local in _SERVICES:
                continue
            if pattern is _DOMAIN and _NO_DOMAIN.fullmatch(found.group(1)):
                continue
            yield Hit(found.start() - len(local), found.end(), "EMAIL", score, "layout")


def _chats(buffer: Buffer) -> Iterator[Hit]:
    for found in _WECHAT.finditer(buffer.half):
        noun, says, name = found.groups()
        explicit = bool(noun or says)
        latin = found.group()[1] != "信"  # "vx", "wx", "WeChat" are parts of English words as well
        if latin and _is_glued(buffer, found.start()):
            continue
        # "微信iPhone版" names a product: without "号", ":" or "是" the name needs a digit or an
        # underscore.
        if explicit if latin or name[0].isdigit() else explicit or _MARKED.search(name):
            score = 88 if explicit else 80
            yield Hit(found.start(3), found.end(3), "WECHAT", score, "context")
    for found in _QQ.finditer(buffer.half):
        if not _is_glued(buffer, found.start()):
            yield Hit(found.start(1), found.end(1), "QQ", 88, "context")


def _is_glued(buffer: Buffer, start: int) -> bool:
    near = buffer.before(start, 1)
    return near.isascii() and near.isalnum()
