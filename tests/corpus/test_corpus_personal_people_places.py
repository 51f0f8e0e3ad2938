"""Names and postal addresses in sentences: where each begins and ends, and what is no name at all.

All people and doors are invented. Scores below 70 are not asked for here: those are by look alone.
"""

from __future__ import annotations

import pyarrow as pa
import pytest
from corpus_marked import expected, rows, seen
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus.kernels.blanked import blanked
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.personal import details, finders, lexicon, names
from yunhe.corpus.personal.found import Found
from yunhe.corpus.personal.places import start_of
from yunhe.corpus.personal.windows import Shadow

ADDRESSES = [
    "住址：⟦浙江省杭州市西湖区文三路18号⟧",
    "住址：⟦浙江省杭州市西湖区文三路18号3幢201室⟧，",
    "家住⟦南京市鼓楼区汉口路22号⟧。",
    "我住在⟦朝阳区望京街10号⟧",
    "收货地址：⟦广东省深圳市南山区科技园路1号A座502⟧".replace("A座", "2栋"),
    "寄到⟦上海市黄浦区南京东路100弄5号⟧",
    "地址是⟦成都市武侯区人民南路四段27号⟧，",
    "⟦苏州市工业园区星湖街328号⟧",
    "⟦北京市海淀区中关村大街27号1101室⟧有人",
    "联系地址⟦武汉市洪山区珞喻路1037号⟧",
    "住⟦幸福小区3号楼2单元501室⟧",
    "家住⟦阳光花园12栋⟧".replace("12栋", "12栋803"),
    "现住⟦和平村3组12号⟧",
    "户籍地址：⟦河北省保定市定兴县柳卓乡东村5号⟧",
    "居住在⟦解放路88号院6号楼⟧，",
    "地址：⟦天山区新华北路165号1栋3单元602室⟧；",
    "在⟦建设路８８号⟧见",
    "东西放在⟦新疆维吾尔自治区伊犁哈萨克自治州伊宁市城区街道解放西路88号⟧了",
    "⟦长安街乙12号⟧",
    "住址：⟦内蒙古呼和浩特市新城区海拉尔大街20号⟧",
]

NO_ADDRESSES = [
    "请到3号窗口办理",
    "他跑了第5号台风",
    "地铁2号线",
    "12号楼",
    "第3单元测验",
    "马路上有1号车",
    "道路千万条，安全第一条",
    "三月5号到人民路去",
    "国务院令第588号",
    "京发改〔2026〕12号",
    "公告2026年第3号",
    "1号选手领先",
    "浙江省杭州市",
    "南京市长江大桥",
    "路过一个村子",
    "住在这里3年了",
    "住在酒店301",
    "地址栏输入网址",
    "地址不详",
    "8栋",
    "走了一段路，15号才到",
]

NAMES = [
    "我叫⟦李明华⟧",
    "我叫⟦赵磊⟧，今年三十岁",
    "我是⟦陈晓东⟧，您好".replace("我是", "我名叫"),
    "姓名：⟦孙丽⟧",
    "姓名:⟦欧阳清风⟧；性别：女",
    "姓名 ⟦周杰⟧ 年龄 30",
    "联系人：⟦吴国强⟧",
    "联系人⟦郑小红⟧，",
    "申请人：⟦冯刚⟧。",
    "投诉人⟦蒋文静⟧反映",
    "患者⟦韩雪梅⟧，女",
    "原告⟦杨志远⟧与",
    "⟦王建军⟧先生您好",
    "⟦刘芳⟧女士来电",
    "⟦黄志强⟧同志",
    "⟦张伟⟧老师",
    "⟦司马光远⟧先生",
    "尊敬的⟦马⟧先生",
    "⟦林⟧女士：",
    "⟦陈建国⟧，13812345678",
    "收件人：⟦何晓燕⟧",
    "作者：⟦比尔·克林顿⟧",
    "户主⟦罗大勇⟧",
    "法定代表人：⟦梁文博⟧",
]

NO_NAMES = [
    "我叫了一辆车",
    "我叫他过来",
    "姓名不详",
    "姓名：无",
    "请填写姓名",
    "联系人电话",
    "先生您好",
    "各位女士",
    "老先生",
    "这位先生",
    "高先生产能力".replace("先生", "生"),
    "张开双手",
    "王者归来",
    "黄金周",
    "马上出发",
    "周末愉快",
    "高兴地说",
    "方便面",
    "金融危机",
    "石头剪刀布",
    "白天和黑夜",
    "申请人已到场",
    "患者病情稳定",
    "原告诉称",
    "老师好",
    "任何人不得入内",
    "于是他走了",
    "和平年代",
    "江南水乡",
    "万事如意",
    "时间到了",
    "成功人士",
    "安全出口",
    "严禁烟火",
    "全体同志",
    "向同志们问好",
]


@pytest.mark.parametrize("marked", ADDRESSES)
def test_an_address_is_found_from_its_largest_place_to_its_door(marked: str) -> None:
    text, wanted = expected(marked, "ADDRESS")
    assert [each for each in seen(text) if each[0] == "ADDRESS"] == wanted


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_places_and_numbers_that_lead_to_no_door_are_left_alone(text: str) -> None:
    assert seen(text) == []


@pytest.mark.parametrize("marked", NAMES)
def test_a_name_is_found_where_the_words_around_it_say_so(marked: str) -> None:
    text, wanted = expected(marked, "NAME")
    assert [each for each in seen(text) if each[0] == "NAME"] == wanted


@pytest.mark.parametrize("text", NO_NAMES)
def test_words_that_begin_like_a_surname_are_no_names(text: str) -> None:
    assert seen(text) == []


@pytest.mark.parametrize(
    ("head", "begin"),
    [
        ("家住南京市鼓楼区汉口路", 2),
        ("请把东西送到建设路", 6),
        ("建设路", 0),
        ("我住新华街", 2),
        ("", 0),
        ("我叫张三我住在人民路", 7),
        ("昨天晚上有很多很多的人都聚集那边的解放路", 17),
    ],
)
def test_an_address_begins_behind_the_words_that_lead_to_it(head: str, begin: int) -> None:
    assert start_of(head) == begin


def test_how_sure_a_name_is_depends_on_what_told_it() -> None:
    texts = ["姓名：王建军", "王建军先生来了", "王建军，13812345678", "比尔·克林顿来了"]
    told = [next(each[3:] for each in found if each[0] == "NAME") for found in rows(texts)]
    assert told == [(85, "context"), (82, "title"), (80, "context"), (75, "gazetteer")]


def test_names_by_look_alone_stay_below_what_is_asked_for() -> None:
    [alone] = rows(["昨天王建军去了南京"])
    assert all(score < 70 for kind, *_, score, _ in alone if kind == "NAME")
    assert seen("昨天王建军去了南京") == []


HANZI = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(lexicon.SURNAMES)), HANZI, st.sampled_from(["先生", "女士"]))
def test_a_surname_before_a_title_never_stays_in_full(
    surname: str, given_name: str, title: str
) -> None:
    """Whatever is found ends where the title begins and lies on characters of the sentence."""
    text = f"，{surname}{given_name[:2]}{title}，"
    for kind, start, end in seen(text):
        assert 0 <= start < end <= len(text)
        if kind == "NAME":
            assert title not in text[start:end]


def test_names_alone_and_beside_a_tagger_keep_what_words_tell() -> None:
    texts = utf8(pa.array(["姓名：王建军，昨天周海涛来过"], pa.large_string()))
    told = names.find(texts)
    sure = told.where(told.scores >= finders.RULES_PERCENT_MIN)
    both = finders.beside_rules(lambda _: Found.none())(texts)
    assert len(sure) >= 1
    assert both.starts.tolist() == sure.starts.tolist()
    assert both.scores.min() >= finders.RULES_PERCENT_MIN
    whole = finders.beside_rules(names.find)(texts)
    assert whole.starts.tolist() == told.starts.tolist()


def test_each_way_to_find_names_is_named_in_the_digest() -> None:
    nobody, none = finders.names_by("none")
    rules, data = finders.names_by("rules")
    assert (nobody, none) == (None, {"by": "none"})
    assert rules is names.find
    assert finders.names_by("") == (rules, data)
    assert set(data) == {"by", "words", "characters"}
    assert data["words"] == lexicon.DIGEST


def test_the_tables_of_names_hold_every_word_of_their_lists() -> None:
    tables = lexicon.tables()
    assert lexicon.packed("王") == ord("王")
    assert lexicon.packed("欧阳") == ord("阳") << 16 | ord("欧")
    assert lexicon.packed("欧阳", reverse=True) == ord("欧") << 16 | ord("阳")
    assert {"王", "李", "张", "刘", "陈"} <= lexicon.SURNAMES
    assert {"欧阳", "司马", "诸葛"} <= lexicon.COMPOUND_SURNAMES
    assert all(len(name) == 1 for name in lexicon.SURNAMES)
    assert all(len(name) == 2 for name in lexicon.COMPOUND_SURNAMES)
    assert tables is lexicon.tables()


def test_words_of_the_lists_are_small_letters_and_no_word_is_too_long() -> None:
    for name, words in details.sections().items():
        assert words, name
        assert len(set(words)) == len(words), name
        assert all(word == word.lower() and word.strip() == word for word in words), name
    known = details.number_words()
    assert len(known.rows) == len(known.kinds) + 1
    assert known.rows[-1] == len(known.codes)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("甲乙丙丁ab12，。 \n", max_size=12), min_size=1, max_size=4),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_a_window_never_reaches_into_the_next_document(
    texts: list[str], at: int, length: int
) -> None:
    codes, begins = blanked(utf8(pa.array(texts, pa.large_string())))
    shadow = Shadow(codes)
    for number, text in enumerate(texts):
        begin = int(begins[number])
        place = min(at, len(text))
        behind = shadow.after(begin + place, length)
        front = shadow.before(begin + place, length)
        assert len(behind) <= len(text) - place
        assert len(front) <= place
        assert len(behind) == min(length, len(text) - place)
        assert len(front) == min(length, place)
