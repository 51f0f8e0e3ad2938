"""Postal addresses (省、市、区、路、号、小区、栋、室) that lead to a door, not places as such."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yunhe.corpus.personal.details import sections
from yunhe.corpus.personal.windows import Shadow, Sighting

_REACH = 44  # characters before a house number that may belong to its address
_GAP = 8  # characters between a street and the number on it, e.g. the name of an estate
_NUMBER = (
    r"(?:[0-9]{1,5}[A-Ha-h]?|[A-Ha-h][0-9]{0,4}|[一二三四五六七八九十百]{1,4}|[甲乙丙丁])"
    r"(?:-[0-9]{1,4}){0,3}"
)
_DOOR = re.compile(
    rf"(?:{_NUMBER}(?:号楼|号院|号|栋|幢|座|弄|单元|室|楼|层|组|队)(?:之[一二三四五])? ?)+"
    r"(?:[0-9]{1,2}-)?(?:[0-9]{3,4}(?:室|房|号房)?)?"
)
_NUMBER_BEFORE = re.compile(rf"{_NUMBER}$")
_NOT_DOORS = re.compile(r"号?(?:线|口|文|令|公告|台风|机组|选手|种子|病房|床)")
_DAY = re.compile(r"[0-9一二三四五六七八九十] ?月(?:份)?$")
_PAUSES = re.compile(
    r"[,;!?()\[\]<>\"'|、。，；！？“”‘’（）【】《》:.~\n\r\x00\x01]"
    r"|(?<![省市区县旗镇乡道路街村苑园]) "
)
# Kinds of street or estate in front of a number; without one of them a number is no address.
_STREET = re.compile(
    r"(?<!马)路(?![口边面上灯人过])|街(?!上)|大道|巷|胡同|村|社区|小区|花园|苑|公寓|家园|新村|大厦"
    r"|广场|宿舍|家属院|大院"
)
# Endings that are everyday characters as well: they count only right in front of the number.
_CLOSE_STREET = re.compile(
    r"(?:[道弄里屯庄府庭邸墅湾园城坊阁居郡寓院镇乡]|[一二三四五六七八九]区)$"
)
_NO_GAP = re.compile(r"[的了在是有我要到没不都还就和与把被让说去来过着给这那]")
_AREA = re.compile(
    r"[\u4e00-\u9fff]{2,}?(?:省|市|自治区|自治州|县|(?<![小社一二三四五六七八九])区|旗|街道|镇|乡)"
)


def _either(name: str) -> str:
    """A pattern for any word of a list, the longest first."""
    return "|".join(sorted(sections()[name], key=lambda word: (-len(word), word)))


_LEADS = re.compile(_either("address_leads"))
_LABEL = re.compile(
    r"(家庭住址|居住地址|登记地址|收货地址|家庭地址|户籍地址|联系地址|住址|地址"
    r"|家住|现住|居住在|居住于|住在)"
    r"(?P<says>[:是为在]{0,2}) ?(?P<place>[\u4e00-\u9fff0-9A-Za-z\-]{4,40})"
)
_NO_PLACE = re.compile(r"这|那|哪|自己|他|她|它|我|你|您|一|离|同|别人|人家|酒店|宾馆")
_CITY = re.compile(f"(?:{_either('cities')})[省市]|内蒙古|广西壮族|宁夏回族|新疆维吾尔")
_NAME_CHARACTERS = 4
_UNIT = re.compile(f"{_STREET.pattern}|[省市县区镇乡]|街道|自治")
_ROAD = re.compile(r"(?<!马)路|街|大道|巷|胡同|(?<!新)村|道$|弄$")
_FLAT = re.compile(r"室|单元.*[0-9]|[0-9]{3,4}$|[户房]|-")
# Building, unit and flat as three numbers.
_CHAIN = re.compile(r"[0-9]{1,3}-[0-9]{1,2}-[0-9]{3,4}(?![0-9\-])")


def doors(shadow: Shadow, start: int, end: int) -> Iterator[Sighting]:
    """A street or estate with a door's number, whose unit (号, 栋 …) is the candidate."""
    del end
    before = _head(shadow, start)
    number = _NUMBER_BEFORE.search(before)
    if not number:
        return
    head = before[: number.start()]
    text = number.group() + shadow.after(start, _REACH)
    unit = len(number.group())
    door = _DOOR.match(text)
    if not door or not _leads_to_door(head, text[unit], number.group()):
        return
    if _DAY.search(head) or _NOT_DOORS.match(text, unit + (text[unit] == "号")):
        return
    begin = start_of(head)
    # A building alone is no door: it takes a street, a flat, or the district it lies in.
    narrow = _ROAD.search(head) or _FLAT.search(door.group()) or _AREA.search(head[begin:])
    if len(head) - begin >= 2 and narrow:
        origin = start - unit
        yield Sighting(start - len(before) + begin, origin + door.end(), "ADDRESS", 85, "layout")


def chained(shadow: Shadow, start: int, end: int) -> Iterator[Sighting]:
    """An estate with building, unit and flat as three numbers, the candidate."""
    found = _CHAIN.match(shadow.after(start, end - start + 1))
    head = _head(shadow, start) if found else ""
    if found and (_CLOSE_STREET.search(head) or _STREET.search(head[-2:])):
        begin = start - len(head) + start_of(head)
        yield Sighting(begin, start + found.end(), "ADDRESS", 85, "layout")


def labelled(shadow: Shadow, start: int, end: int) -> Iterator[Sighting]:
    """The place named behind a word such as 住址 that ends with the candidate."""
    del start
    before = shadow.before(end, 4)
    text = before + shadow.after(end, _REACH + 4)
    for found in _LABEL.finditer(text, 0, len(text)):
        if found.start() < len(before) <= found.end(1):
            yield from _labelled(found, end - len(before))


def _head(shadow: Shadow, at: int) -> str:
    """The words before ``at`` up to the last pause."""
    before = shadow.before(at, _REACH)
    pauses = list(_PAUSES.finditer(before))
    return before[pauses[-1].end() :] if pauses else before


def _leads_to_door(head: str, unit: str, number: str) -> bool:
    if unit in "组队" and not head.endswith("村"):
        return False
    if unit in "座弄" and not number.isascii():
        return False
    if _CLOSE_STREET.search(head):
        return True
    streets = [found.end() for found in _STREET.finditer(head) if found.start() >= 1]
    if not streets:
        return False
    gap = head[streets[-1] :]
    return len(gap) <= _GAP and not _NO_GAP.search(gap)


def start_of(head: str) -> int:
    """Where an address begins before its number: after words like 住在, or at a known city.

    Where too many words come first, the first street or district is taken to have four characters.
    """
    area, street = _AREA.search(head), _STREET.search(head, 1)
    limits = [found.end() - 2 for found in (area, street) if found]
    limit = min(limits, default=len(head) - 2)
    leads = [found.end() for found in _LEADS.finditer(head) if found.end() <= limit]
    city = _CITY.search(head)
    if city:
        return city.start()
    begin, unit = max([*leads, 0]), _UNIT.search(head, 1)
    if unit and unit.start() - begin > 2 * _NAME_CHARACTERS:
        return unit.start() - _NAME_CHARACTERS
    return begin


def _labelled(found: re.Match[str], origin: int) -> Iterator[Sighting]:
    place = found.group("place")
    if _NO_PLACE.match(place):
        return
    doors = [door.end() for door in _DOOR.finditer(place)]
    areas = [area.end() for area in _AREA.finditer(place)]
    streets = [street.end() for street in _STREET.finditer(place, 1)]
    explicit = found.group(1).endswith("址") and found.group("says")
    within_area = areas and (streets or doors or (explicit and len(areas) > 1))
    if within_area or (streets and (doors or explicit)):
        start = origin + found.start("place")
        end = start + max(doors + areas + streets)
        yield Sighting(start, end, "ADDRESS", 80, "context")
