"""Libraries of risk words: read whole or refused with every place, counted beside the standard."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from yunhe.corpus.documents import Documents
from yunhe.corpus.domain import Profile, StepPlan, Threshold
from yunhe.corpus.kernels.utf8 import utf8
from yunhe.corpus.pipeline import build, process
from yunhe.corpus.risk import automaton, fold, library
from yunhe.corpus.risk.classes import classes, position
from yunhe.corpus.risk.coverage import coverage
from yunhe.corpus.risk.finder import finder
from yunhe.corpus.risk.library import Library, parse, read, sample
from yunhe.corpus.steps.risk import STEP
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Invalid, NotFound

HEAD = "word,class,weight,exceptions,note"


def csv(*rows: str) -> bytes:
    return "\n".join([HEAD, *rows]).encode()


def refusal(data: bytes, name: str = "words.csv") -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        parse(data, name=name)
    assert caught.value.code == "corpus.library_invalid"
    assert caught.value.message("zh") != caught.value.message("en")
    return {
        finding.where: finding.code.removeprefix("corpus.") for finding in caught.value.findings
    }


def test_there_are_31_classes_in_five_groups_and_none_is_called_verified() -> None:
    groups = [each.group for each in classes()]
    assert [groups.count(f"A.{n}") for n in range(1, 6)] == [8, 9, 5, 7, 2]
    assert len({each.reason for each in classes()}) == 31
    assert not any(each.source.verified for each in classes())
    assert all(each.names["zh"] != each.names["en"] for each in classes())


@pytest.mark.parametrize("written", ["A.1.3", "a1_3", "A1-3", " 1.3 ", "13"])
def test_a_class_may_be_written_in_several_ways(written: str) -> None:
    assert position(written) == 2


@pytest.mark.parametrize("written", ["", "A.1", "A.1.9", "A.6.1", "B.1.1", "A.1.33"])
def test_what_names_no_class_is_none(written: str) -> None:
    assert position(written) is None


def test_every_fault_of_a_file_is_told_with_its_line_and_column() -> None:
    rows = [
        "好词语,A.1.1", "坏类别,A.9.9", ",A.1.1", "字,A.1.1", "一。,A.1.1", "好 词 语,A1-1",
        "好词语,A.1.2", "权重词,A.1.1,0", "权重字,A.1.1,1.5", "权重子,A.1.1,101",
        "例外词,A.1.1,1,没有它", "例外字,A.1.1,1,例外字", f"{'长' * 100_000},A.1.1",
        "多,了,一,两,列,呢",
    ]  # fmt: skip
    assert refusal(csv(*rows)) == {
        "words.csv:15": "fields_wrong",
        "words.csv:3:class": "library_class",
        "words.csv:4:word": "field_empty",
        "words.csv:5:word": "library_word_short",
        "words.csv:6:word": "library_word_short",
        "words.csv:7:word": "library_word_twice",
        "words.csv:9:weight": "library_weight",
        "words.csv:10:weight": "library_weight",
        "words.csv:11:weight": "library_weight",
        "words.csv:12:exceptions": "library_exception",
        "words.csv:13:exceptions": "library_exception",
        "words.csv:14:word": "library_word_long",
    }


@pytest.mark.parametrize(
    ("data", "name", "told"),
    [
        (b"", "w.csv", {"w.csv": "library_empty"}),
        (HEAD.encode(), "w.csv", {"w.csv": "library_empty"}),
        (b"word,class\n\xff\xfe,A.1.1", "w.csv", {"w.csv:2 (byte 11)": "library_encoding"}),
        (b"word,klass\na,b", "w.csv",
         {"w.csv:1:2": "library_column", "w.csv:1": "library_column_missing"}),
        (b'word,class\n"never closed,A.1.1', "w.csv", {"w.csv:2": "library_quotes"}),
        (b"word,class\nab,A.1.1", "w.txt", {"w.txt": "library_format"}),
        (b"A.1.1: [*x]", "w.yaml", {"w.yaml:1:9": "profile_no_yaml"}),
        (b"[" * 100_000, "w.yaml", {"w.yaml:1:5": "profile_no_yaml"}),
        (b"- ab", "w.yaml", {"w.yaml:1:1": "library_shape"}),
        ("A.1.1:\n- {word: 坏词, colour: red}\n- {weight: 2}".encode(), "w.yaml",
         {"w.yaml:2:14": "library_shape", "w.yaml:3:3": "field_empty"}),
        ("A.1.1: 坏词".encode(), "w.yaml", {"w.yaml:1:8": "library_shape"}),
    ],
)  # fmt: skip
def test_a_file_that_is_no_library_says_where(data: bytes, name: str, told: dict[str, str]) -> None:
    assert refusal(data, name) == told


def test_no_word_is_repeated_in_a_refusal() -> None:
    with pytest.raises(Invalid) as caught:
        parse(csv("绝密词,A.9.9", "绝密词,A.9.9"), name="w.csv")
    assert "绝密词" not in str(caught.value.as_json("zh"))


def same(one: Library, other: Library) -> bool:
    columns = (one.risks == other.risks).all() and (one.weights == other.weights).all()
    return bool(columns) and (one.words, one.exceptions) == (other.words, other.exceptions)


def test_the_three_formats_say_the_same() -> None:
    comma = parse(csv("坏词,A.1.8,2,好坏词典|坏词典", '"a, b",A.2.1'), name="w.CSV")
    tab = "\ufeff词\t类别\t权重\t例外\r\n坏词\tA.1.8\t2\t好坏词典|坏词典\r\na, b\tA.2.1\r\n"
    yaml = "A.1.8:\n- {word: 坏词, weight: 2, exceptions: [好坏词典, 坏词典]}\nA.2.1: ['a, b']\n"
    assert same(comma, parse(tab.encode(), name="w.tsv"))
    assert same(comma, parse(yaml.encode(), name="w.yml"))
    assert comma.exceptions == {0: ("好坏词典", "坏词典")}


def test_too_much_is_refused_before_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "ENTRIES_MAX", 2)
    with pytest.raises(Invalid) as caught:
        parse(csv("甲乙,A.1.1", "丙丁,A.1.1", "戊己,A.1.1"), name="w.csv")
    assert caught.value.code == "corpus.library_too_large"
    monkeypatch.setattr(library, "BYTES_MAX", 10)
    with pytest.raises(Invalid):
        parse(csv("甲乙,A.1.1"), name="w.csv")


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read(tmp_path / "none.csv")


def full(a1: int, a2: int) -> bytes:
    draw, rows, seen = random.Random(3), [], set()
    for each in classes():
        wanted = {"A.1": a1, "A.2": a2}.get(each.group, 600)
        while wanted:
            word = "".join(draw.choices("天地玄黄宇宙洪荒日月盈昃辰宿列张", k=6))
            if word not in seen:
                seen.add(word)
                rows.append(f"{word},{each.id}")
                wanted -= 1
    return csv(*rows)


def test_a_library_is_counted_beside_every_bound() -> None:
    made = parse(full(200, 100), name="w.csv")
    seen = coverage(made, updated_us=0, now_us=7 * DAY_US)
    assert sum(seen.by_class) == seen.entries == len(made) == 10_900
    assert seen.met
    assert not seen.as_json()["verified"]
    assert len(seen.checks) == 1 + 8 + 9 + 1


def test_what_is_missing_stale_or_unknown_is_not_met() -> None:
    made = parse(full(199, 100), name="w.csv")
    seen = coverage(made, updated_us=0, now_us=8 * DAY_US)
    failed = [(check.rule, check.there) for check in seen.checks if not check.met]
    assert failed == [("a1_each", 199)] * 8 + [("updated", 8)]
    unknown = coverage(made, updated_us=None, now_us=0)
    assert [check.there for check in unknown.checks if check.rule == "updated"] == [None]
    assert not unknown.checks[-1].met


def plan(path: str, **options: str) -> Profile:
    one = Threshold(1, "test", verified=False)
    step = StepPlan("risk", dict.fromkeys(STEP.thresholds, one), {"library": path, **options})
    return Profile("p", 1, one, (step,))


def test_a_changed_file_is_another_pipeline_the_next_time_one_is_built(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_bytes(csv("坏词,A.1.8"))
    [before], [again] = build(plan(str(path))).steps, build(plan(str(path))).steps
    path.write_bytes(csv("坏词,A.1.8", "恶语,A.1.6"))
    [after] = build(plan(str(path))).steps
    assert before.data == again.data != after.data
    assert after.data["entries"] == 2
    assert str(tmp_path) not in str(after.data)


def test_the_same_library_elsewhere_is_the_same_pipeline_and_no_path_is_told(
    tmp_path: Path,
) -> None:
    digests = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "words.csv"
        path.write_bytes(csv("坏词,A.1.8"))
        pipeline = build(plan(str(path)))
        digests.append(pipeline.digest())
        assert "words.csv" not in str(pipeline.description())
        assert "gaps" in str(build(plan(str(path), gaps="none")).description())
    assert digests[0] == digests[1]
    assert build(plan(str(path), gaps="none")).digest() != digests[0]


def test_without_a_library_the_harmless_sample_is_used() -> None:
    [placed] = build(plan("")).steps
    assert placed.data["library"] == sample().digest
    assert coverage(sample(), updated_us=None, now_us=0).entries < 100


def test_a_pipeline_drops_what_the_library_names_and_keeps_the_score(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("词\t类别\t权重\n坏词语\tA.1.8\t3\n", encoding="utf-8")
    texts = pa.array(["没有什么", "有坏 词 语的文档", "坏词语，坏词语"], pa.large_string())
    documents = Documents(texts, np.zeros(3, np.bool_), np.zeros(3, np.uint8))
    done = process(build(plan(str(path))), documents)
    [drops] = done.drops
    assert done.rows.tolist() == [0]
    assert [STEP.reasons[code - 1] for code in drops.codes.tolist()] == ["a1_8", "a1_8"]
    assert drops.rows.tolist() == [1, 2]
    assert drops.scores is not None
    assert drops.scores.tolist() == [3, 6]


def test_a_group_whose_bound_is_nought_never_drops(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_bytes(csv("坏词,A.4.2,100"))
    profile = plan(str(path)).with_value("risk", "a4_points_min", 0, source="test")
    texts = pa.array(["坏词" * 50], pa.large_string())
    documents = Documents(texts, np.zeros(1, np.bool_), np.zeros(1, np.uint8))
    assert process(build(profile), documents).rows.tolist() == [0]


@pytest.mark.parametrize("gaps", fold.GAPS)
def test_every_word_of_the_sample_is_found_under_every_option(gaps: str) -> None:
    words = sample()
    texts = pa.array([f"，{word}。" for word in words.words], pa.large_string())
    found = finder(words, gaps=gaps).find(utf8(texts))
    assert found.texts.tolist() == list(range(len(words)))
    assert found.entries.tolist() == list(range(len(words)))


def test_more_faults_than_are_shown_are_counted() -> None:
    with pytest.raises(Invalid) as caught:
        parse(csv(*(f"词语{n},A.9.9" for n in range(50))), name="w.csv")
    assert caught.value.params["count"] == 50
    assert len(caught.value.findings) == 21
    assert caught.value.findings[-1].params == (("count", 30),)


def test_words_of_more_different_characters_than_there_are_symbols_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(automaton, "SYMBOLS_MAX", 3)
    with pytest.raises(Invalid) as caught:
        finder(parse(csv("甲乙,A.1.1", "丙丁,A.1.1"), name="w.csv"), gaps="none")
    assert caught.value.code == "corpus.library_characters"


def test_a_word_of_the_greatest_length_is_found_and_a_longer_one_refused() -> None:
    word = "".join(chr(0x4E00 + n) for n in range(64))
    made = parse(csv(f"{word},A.1.1"), name="w.csv")
    found = finder(made, gaps="none").find(utf8(pa.array([f"一{word}一"], pa.large_string())))
    assert (found.starts.tolist(), found.ends.tolist()) == ([3], [3 + 192])
    assert refusal(csv(f"{word}乙,A.1.1")) == {"words.csv:2:word": "library_word_long"}


def test_fields_with_line_breaks_and_quotation_marks_are_one_field() -> None:
    made = parse(b'word,class\r\n"bad ""word""\nhere",A.1.1\r\nother one,A.1.2\r\n', name="w.csv")
    assert made.words == ('bad "word"\nhere', "other one")
