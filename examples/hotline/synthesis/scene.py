"""What the slots of one ticket stand for: one caller, one home, one place, used consistently."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from synthesis import people
from synthesis.grammar import Draw, Lexicon, Segment

_NUMERALS = "三四五六七八九"
_FREE = frozenset({"n", "money", "clock", "since", "date", "road", "OTHER", "token", "case"})
_ORDERS = ("{}", "DD{}", "No.{}")


class Scene:
    """Fills slots; asked for twice in one ticket, a slot gives the same unless it is in _FREE."""

    def __init__(self, lexicon: Lexicon, draw: Draw) -> None:
        """Nothing is drawn before it is asked for."""
        self._draw, self._places, self._people = draw, lexicon.places, lexicon.people
        self._known: dict[str, tuple[Segment, ...]] = {}

    def fill(self, slot: str) -> Sequence[Segment]:
        """The segments that stand for ``slot``."""
        if slot not in self._known or slot in _FREE:
            self._known[slot] = (self._make(slot),)
        return self._known[slot]

    def say(self, slot: str, words: str) -> None:
        """Settle what ``slot`` stands for."""
        self._known[slot] = ((words, ""),)

    def text(self, slot: str) -> str:
        """As `fill`, as plain text."""
        return self.fill(slot)[0][0]

    def _make(self, slot: str) -> Segment:
        draw = self._draw
        personal: dict[str, Callable[[Draw], str]] = {
            "PHONE": people.phone,
            "LANDLINE": people.landline,
            "PLATE": people.plate,
            "EMAIL": people.email,
            "BANK": people.bank,
            "WECHAT": people.wechat,
        }
        if slot in personal:
            return personal[slot](draw), slot
        if slot == "ID":
            number, right = people.identity(draw)
            return number, "ID" if right else "ID_BAD"
        if slot in ("NAME", "OTHER"):
            return people.name(draw, self._people), "NAME"
        if slot == "ADDRESS":
            where = people.address(draw, self._places, self.text("road"), self.text("estate"))
            return where, "ADDRESS"
        made: str = getattr(self, f"_{slot.lower()}")()
        return made, ""

    def _from(self, *pools: str) -> str:
        return "".join(self._draw.pick(self._places[pool]) for pool in pools)

    def _surname(self) -> str:
        surnames = self._people["surname"]
        known = self.text("NAME") if "NAME" in self._known else self._draw.pick(surnames)
        return known[:2] if known[:2] in surnames else known[:1]

    def _district(self) -> str:
        return self._from("district")

    def _street(self) -> str:
        return self._from("street")

    def _road(self) -> str:
        return self._from("word", "road_end")

    def _estate(self) -> str:
        return self._from("word", "estate_end")

    def _school(self) -> str:
        return self._from("word", "school_end")

    def _hospital(self) -> str:
        return self._from("district" if self._draw.chance(0.5) else "word", "hospital_end")

    def _company(self) -> str:
        return self._from("company_word", "company_end")

    def _site(self) -> str:
        return self._from("word", "site_end")

    def _river(self) -> str:
        return self._from("word", "river_end")

    def _block(self) -> str:
        return f"{1 + self._draw.below(40)}{self._draw.pick(('号楼', '幢', '栋', '单元'))}"

    def _shop(self) -> str:
        brand = self._from("brand")
        forms = ("“{}”", "一家叫{}的店", "{}店", "{}", "「{}」", "那个“{}”")
        return self._draw.pick(forms).format(brand)

    def _place(self) -> str:
        form = self._draw.random()
        if form < 0.25:
            return f"{self.text('road')}与{self.text('road')}路口"
        if form < 0.5:
            return self.text("estate") + self._from("spot")
        if form < 0.7:
            return self.text("district") + self._from("landmark")
        if form < 0.85:
            return self.text("road") + self._from("spot")
        return f"{self.text('road')}{self._from('landmark')}附近"

    def _n(self) -> str:
        return self._draw.pick(_NUMERALS)

    def _money(self) -> str:
        draw = self._draw
        forms = (
            f"{1 + draw.below(90)}00元",
            f"{1 + draw.below(20)}万",
            f"{draw.pick(_NUMERALS)}百多块",
            f"{draw.pick(_NUMERALS)}千块钱",
            f"￥{10 + draw.below(990)}.{draw.digits(1)}0",
            f"{1 + draw.below(9)},{draw.digits(3)}元",
            f"{draw.pick(_NUMERALS)}万{draw.pick(_NUMERALS)}",
        )
        return draw.pick(forms)

    def _clock(self) -> str:
        draw = self._draw
        night, hour = draw.pick(("晚上", "夜里", "半夜")), 7 + draw.below(6)
        return draw.pick(
            (f"{night}{hour}点", f"{night}{hour}点多", f"{hour + 11}:{draw.digits(1)}0")
        )

    def _since(self) -> str:
        draw = self._draw
        forms = ("半个月", "{}个多月", "快一年", "{}个礼拜", "{}天", "大半年", "两年多", "20多天")
        return draw.pick(forms).format(draw.pick(_NUMERALS))

    def _date(self) -> str:
        draw = self._draw
        month, day = 1 + draw.below(12), 1 + draw.below(28)
        forms = (
            f"{month}月{day}号",
            f"2026年{month}月{day}日",
            f"上周{draw.pick('一二三四五六日')}",
            draw.pick(("前天", "昨天", "上个礼拜", "大前天")),
            f"{month}月{day}日那天",
        )
        return draw.pick(forms)

    def _route(self) -> str:
        return f"{1 + self._draw.below(200)}路"

    def _order(self) -> str:
        return self._draw.pick(_ORDERS).format(people.order_number(self._draw))

    def _account(self) -> str:
        return "30" + self._draw.digits(8)

    def _case(self) -> str:
        draw = self._draw
        day = f"2026{1 + draw.below(12):02d}{1 + draw.below(28):02d}"
        return draw.pick(("YH", "", "GD-", "No.")) + day + draw.digits(6)

    def _invoice(self) -> str:
        return "0" + self._draw.digits(7)

    def _barcode(self) -> str:
        return "69" + self._draw.digits(11)

    def _token(self) -> str:
        return "".join(self._draw.pick("abcdefghkmnprstw") for _ in range(6))
