"""A small seeded generator for the corpus tests: invented people, right check digits."""

from __future__ import annotations

import json
import random
from pathlib import Path

from yunhe.corpus.kernels.checksums import id_check_digit

SURNAMES = "王李张刘陈杨赵黄周吴"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚"
CARRIERS = (
    "{}，小区门口的路灯坏了三天，晚上看不清路，请尽快派人来修。",
    "{}，楼下饭馆半夜还在炒菜，油烟进到家里，请环保部门查一查。",
    "{}，公交站牌被撞歪了，老人坐车找不到站，麻烦处理一下。",
    "{}，买的奶粉过期了两个月，店家不肯退，希望市场监管部门管一管。",
    "{}，工地从凌晨四点开始打桩，孩子睡不好觉，已经一个星期了。",
    "{}，医院排队两个小时，窗口只开了一个，建议多开几个。",
)
FILLERS = (
    "我很着急",
    "反映过两次",
    "附近的人都知道",
    "拍了照片",
    "没有人回复",
    "上周开始的",
    "影响出行",
)


def with_luhn(digits: str) -> str:
    """The digits with a check digit behind them."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 - place % 2)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


class Planter:
    """Draws personal details and documents that hold them; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def digits(self, count: int) -> str:
        return "".join(self.random.choices("0123456789", k=count))

    def name(self) -> str:
        return self.random.choice(SURNAMES) + "".join(
            self.random.sample(GIVEN, self.random.choice((1, 2)))
        )

    def phone(self) -> str:
        return self.random.choice(("138", "159", "186", "199")) + self.digits(8)

    def resident_id(self) -> str:
        region = self.random.choice(("110105", "310104", "440305", "510107", "330106"))
        birthday = (
            f"{self.random.randint(1950, 2005)}"
            f"{self.random.randint(1, 12):02}{self.random.randint(1, 28):02}"
        )
        first = region + birthday + self.digits(3)
        return first + id_check_digit(first)

    def wrong_id(self) -> str:
        right = self.resident_id()
        return right[:17] + ("1" if right[17] != "1" else "2")

    def card(self) -> str:
        return with_luhn("622202" + self.digits(12))

    def detail(self) -> tuple[str, str, str, str]:
        """(words before, value, words after, type)."""
        name = self.name()
        return self.random.choice(
            [
                ("我叫", name, "", "NAME"),
                ("联系人：", name, "", "NAME"),
                ("手机", self.phone(), "", "PHONE"),
                ("请拨打", self.phone(), "联系我", "PHONE"),
                ("身份证号", self.resident_id(), "", "ID"),
                ("身份证号码：", self.wrong_id(), "", "ID_BAD"),
                ("退款到银行卡", self.card(), "", "BANK"),
                ("邮箱", f"user{self.digits(4)}@example.cn", "", "EMAIL"),
                ("车牌", "苏A" + self.digits(5), "", "PLATE"),
                ("微信号", "wx_" + self.digits(6), "", "WECHAT"),
                ("座机", "021-6" + self.digits(7), "", "LANDLINE"),
                ("住在", f"朝晖路{self.random.randint(1, 300)}号3栋501室", "", "ADDRESS"),
            ]
        )

    def document(self, number: int) -> dict[str, object]:
        """One row of truth; the text is in it."""
        text, spans = "", []
        for _ in range(self.random.randint(0, 3)):
            before, value, after, kind = self.detail()
            text += before
            spans.append([len(text), len(text) + len(value), kind, value])
            text += f"{value}{after}，"
        filler = "，".join(self.random.sample(FILLERS, 3))
        text += self.random.choice(CARRIERS).format(f"{filler}，编号{number:05}")
        return {
            "id": f"t{number}",
            "text": text,
            "spans": spans,
            "label": f"类{number % 3}",
            "noisy": False,
            "duplicate_of": None,
            "mojibake": False,
            "spam": False,
            "abuse": False,
        }

    def documents(self, count: int) -> list[dict[str, object]]:
        return [self.document(number) for number in range(count)]


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    """The rows as JSON lines."""
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_pair(
    folder: Path, rows: list[dict[str, object]], seen: dict[str, str] | None = None
) -> tuple[Path, Path]:
    """``(tickets, truth)``: the documents as somebody would hand them in, and what is known.

    ``seen`` gives another text for some ids, e.g. one that was read in a wrong encoding.
    """
    folder.mkdir(exist_ok=True)
    tickets = [
        {
            "id": row["id"],
            "text": (seen or {}).get(str(row["id"]), row["text"]),
            "label": row["label"],
        }
        for row in rows
    ]
    return write_jsonl(folder / "tickets.jsonl", tickets), write_jsonl(folder / "truth.jsonl", rows)
