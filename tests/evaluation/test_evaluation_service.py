"""Splits and evaluations are recorded once, decided on lower bounds, and never half-written."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from evaluation_centre import CLASSES, WORDS, Centre, Reader, parquet, rows

from yunhe.custody import service as custody
from yunhe.evaluation import service as evaluation
from yunhe.evaluation import splitting
from yunhe.evaluation.domain import Baseline, Gate, Labels
from yunhe.kernel.canonical import canonical_bytes, sha256
from yunhe.kernel.errors import Conflict, Invalid, NotFound, YunheError
from yunhe.storage.service import Storage


def counted(storage: Storage) -> tuple[int, int]:
    with storage.database.read() as tx:
        return len(evaluation.splits(tx)), len(evaluation.evaluations(storage))


def test_a_split_is_recorded_with_its_digests_and_its_grant(centre: Centre) -> None:
    made = centre.divide()
    record = centre.record(made.reference)
    assert record.kind == "evaluation.split"
    assert record.subject == made.id
    assert dict(record.links) == {"grant": centre.grant}
    assert record.body == {
        "dataset_digest": sha256(parquet(centre.documents)),
        "train_digest": made.train_digest,
        "heldout_digest": made.heldout_digest,
        "seed": 7,
        "groups": len(set(centre.documents.groups)),
    }
    read = {
        digest: splitting.read_documents(centre.storage.blobs.read(digest), digest=digest)
        for digest in (made.train_digest, made.heldout_digest)
    }
    assert len(read[made.train_digest]) == made.documents_train
    assert len(read[made.heldout_digest]) == made.documents_heldout
    assert made.documents_train + made.documents_heldout == 1_000
    assert len(set(read[made.heldout_digest].groups)) == made.groups_heldout


def test_the_same_split_again_is_the_same_and_needs_no_data(centre: Centre) -> None:
    made = centre.divide()
    centre.storage.clock.advance(seconds=60)
    assert centre.divide(data=b"") == made
    assert counted(centre.storage) == (1, 0)
    with centre.storage.database.read() as tx:
        assert evaluation.find_split(tx, made.id) == made
        assert evaluation.splits(tx, dataset_digest=made.dataset_digest) == [made]
        assert evaluation.splits(tx, dataset_digest=sha256(b"")) == []


@pytest.mark.parametrize(
    "changed", [{"seed": 8}, {"held_out_percent": 30}, {"grant_reference": "0" * 64}]
)
def test_a_key_cannot_make_another_split(centre: Centre, changed: dict) -> None:
    centre.divide()
    with pytest.raises(Conflict) as refused:
        centre.divide(**changed)
    assert refused.value.code == "evaluation.split_differs"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"held_out_percent": 0}, "evaluation.percent_invalid"),
        ({"held_out_percent": 51}, "evaluation.percent_invalid"),
        ({"seed": -1}, "evaluation.seed_invalid"),
        ({"seed": 2**53}, "evaluation.seed_invalid"),
        ({"data": b"other bytes"}, "evaluation.dataset_differs"),
        ({"grant_reference": "0" * 64}, "custody.links_unknown"),
    ],
)
def test_a_split_that_cannot_be_made_leaves_no_row(
    centre: Centre, changed: dict, code: str
) -> None:
    with pytest.raises(YunheError) as refused:
        centre.divide(**changed)
    assert refused.value.code == code
    assert counted(centre.storage) == (0, 0)


def test_a_split_killed_before_its_transaction_ends_is_the_same_when_repeated(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(custody, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            centre.divide()
    assert counted(centre.storage) == (0, 0)
    made = centre.divide()
    assert made.train_digest == centre.divide(key="split-2").train_digest


def test_an_evaluation_is_recorded_with_what_its_gate_decided(centre: Centre) -> None:
    split = centre.divide()
    made = centre.test(split)
    record = centre.record(made.reference)
    assert record.kind == "evaluation.run"
    assert dict(record.links) == {"model": centre.model, "split": split.reference}
    assert record.body == {
        "model_digest": sha256(b"weights"),
        "heldout_digest": split.heldout_digest,
        "results_digest": made.results_digest,
        "metric": "macro_f1",
        "score": made.score,
        "score_low": made.score_low,
        "score_high": made.score_high,
        "baseline": "keywords",
        "baseline_score": made.baseline_score,
        "gate": "passed",
    }
    assert made.passed
    assert Decimal(made.score_low) < Decimal(made.score) < Decimal(made.score_high)
    assert Decimal(made.baseline_score) < Decimal(made.score_low)


def test_the_results_are_a_blob_that_holds_every_figure(centre: Centre) -> None:
    split = centre.divide()
    made = centre.test(split)
    data = centre.storage.blobs.read(made.results_digest)
    assert data == canonical_bytes(made.results)
    results = json.loads(data)
    assert results["labels"] == list(CLASSES)
    assert results["documents"] == split.documents_heldout
    assert results["groups"] == split.groups_heldout
    assert results["heldout_digest"] == split.heldout_digest
    assert results["train_digest"] == split.train_digest
    assert results["model_digest"] == made.model_digest
    confusion = results["confusion"]
    assert sum(map(sum, confusion)) == split.documents_heldout
    assert [sum(row) for row in confusion] == [row["documents"] for row in results["classes"]]
    right = sum(confusion[i][i] for i in range(3)) / split.documents_heldout
    assert Decimal(results["scores"]["accuracy"]["point"]) == round(Decimal(right), 6)
    assert results["baseline"]["words"] == 6
    assert results["gate"]["point"] == results["gate"]["confident"] == "passed"
    assert results["findings"] == []
    gained = Decimal(results["difference"]["macro_f1"]["point"])
    both = Decimal(made.score) - Decimal(made.baseline_score)
    assert abs(gained - both) <= Decimal("0.000001")
    for row in results["classes"]:
        for score in ("precision", "recall", "f1", "baseline_f1"):
            low, point, high = (Decimal(row[score][at]) for at in ("low", "point", "high"))
            assert 0 <= low <= point <= high <= 1


def test_the_same_evaluation_under_another_key_has_the_same_results(centre: Centre) -> None:
    split = centre.divide()
    one, other = centre.test(split), centre.test(split, key="run-2")
    assert one.id != other.id
    assert one.results_digest == other.results_digest


def test_the_same_evaluation_again_predicts_nothing(centre: Centre) -> None:
    split, reader = centre.divide(), Reader(wrong_every=20)
    made = centre.test(split, predictor=reader)
    centre.storage.clock.advance(seconds=60)
    assert centre.test(split, predictor=reader) == made
    assert reader.calls == 1
    assert evaluation.find_evaluation(centre.storage, made.id) == made
    assert evaluation.evaluations(centre.storage) == [made]
    assert evaluation.evaluations(centre.storage, model_version="model_1") == [made]
    assert evaluation.evaluations(centre.storage, model_version="model_2") == []


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 12},
        {"gate": Gate("macro_f1", "0.80", "0.1")},
        {"baseline": Baseline("majority")},
        {"model_digest": sha256(b"other weights")},
    ],
)
def test_a_key_cannot_make_another_evaluation(centre: Centre, changed: dict) -> None:
    split = centre.divide()
    centre.test(split)
    with pytest.raises(Conflict) as refused:
        centre.test(split, **changed)
    assert refused.value.code == "evaluation.run_differs"
    assert counted(centre.storage) == (1, 1)


def test_a_score_that_only_the_estimate_reaches_fails_the_gate(centre: Centre) -> None:
    split = centre.divide()
    tried = centre.test(split, key="trial")
    between = (Decimal(tried.score) + Decimal(tried.score_low)) / 2
    made = centre.test(split, gate=Gate("macro_f1", str(between), "0"))
    assert made.results["gate"]["point"] == "passed"
    assert made.results["gate"]["confident"] == "failed"
    assert not made.passed
    assert centre.record(made.reference).body["gate"] == "failed"


def test_a_score_at_exactly_the_bound_passes(centre: Centre) -> None:
    split = centre.divide()
    tried = centre.test(split, key="trial")
    gap = tried.results["difference"]["macro_f1"]["low"]
    assert centre.test(split, gate=Gate("macro_f1", tried.score_low, gap)).passed
    above = str(Decimal(tried.score_low) + Decimal("0.000001"))
    assert not centre.test(split, key="run-2", gate=Gate("macro_f1", above, gap)).passed


def test_a_model_no_better_than_its_baseline_fails_however_good_it_is(centre: Centre) -> None:
    words = {CLASSES[n]: [f"{n}{w}" for w in ("无", *WORDS[CLASSES[n]])] for n in range(3)}
    made = centre.test(
        centre.divide(),
        predictor=Reader(),
        baseline=Baseline("keywords", words),
        gate=Gate("accuracy", "0.9", "0"),
    )
    assert made.score == made.baseline_score == "1.000000"
    assert made.results["gate"]["score_reached"] is True
    assert made.results["gate"]["difference_reached"] is False
    assert not made.passed


def test_the_gate_may_be_about_accuracy(centre: Centre) -> None:
    made = centre.test(centre.divide(), gate=Gate("accuracy", "0.9", "0.05"))
    assert made.metric == "accuracy"
    assert made.score == made.results["scores"]["accuracy"]["point"]
    assert made.passed


def test_a_small_class_and_a_strange_label_are_findings(centre: Centre) -> None:
    class Inventor(Reader):
        def predict(self, texts: list[str]) -> Labels:
            return Labels(["园林", *super().predict(texts).labels[1:]])

    centre.documents = rows(340)
    made = centre.test(centre.divide(), predictor=Inventor())
    held = dict(zip(made.results["labels"], map(sum, made.results["confusion"]), strict=True))
    assert {f["where"]: f["code"] for f in made.results["findings"]} == {
        **{label: "evaluation.class_small" for label in CLASSES if held[label] < 30},
        "园林": "evaluation.label_strange",
    }
    assert held["水务"] < 30 <= held["供电"]
    assert made.results["labels"] == [*CLASSES, "园林"]
    assert made.results["confusion"][3] == [0, 0, 0, 0]
    assert sum(row[3] for row in made.results["confusion"]) == 1


def test_a_predictor_that_loses_a_text_is_refused(centre: Centre) -> None:
    class Forgetful(Reader):
        def predict(self, texts: list[str]) -> Labels:
            return Labels(super().predict(texts).labels[1:])

    split = centre.divide()
    with pytest.raises(Invalid) as refused:
        centre.test(split, predictor=Forgetful())
    assert refused.value.code == "evaluation.prediction_count"
    assert refused.value.params["asked"] == refused.value.params["found"] + 1
    assert counted(centre.storage) == (1, 0)


def test_every_fault_of_a_gate_is_named_at_once(centre: Centre) -> None:
    with pytest.raises(Invalid) as refused:
        centre.test(centre.divide(), gate=Gate("bleu", "1.01", "NaN"))
    assert [f.code for f in refused.value.findings] == [
        "evaluation.gate_metric",
        "evaluation.gate_share",
        "evaluation.gate_share",
    ]
    assert "bleu" in refused.value.message("en")
    assert "1.01" in refused.value.message("zh")


def test_an_evaluation_killed_before_its_transaction_ends_leaves_no_row(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> str:
        raise KeyboardInterrupt

    split = centre.divide()
    with monkeypatch.context() as patch:
        patch.setattr(custody, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            centre.test(split)
    assert counted(centre.storage) == (1, 0)
    assert centre.test(split).results == centre.test(split, key="run-2").results


def test_a_held_out_part_that_was_changed_is_noticed(centre: Centre) -> None:
    split = centre.divide()
    path = centre.storage.blobs.path(split.heldout_digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(YunheError) as refused:
        centre.test(split)
    assert refused.value.code == "storage.blob_damaged"


def test_what_is_not_there_is_said_to_be_unknown(centre: Centre) -> None:
    with centre.storage.database.read() as tx, pytest.raises(NotFound) as refused:
        evaluation.find_split(tx, "split_none")
    assert refused.value.code == "evaluation.split_unknown"
    with pytest.raises(NotFound) as refused:
        evaluation.find_evaluation(centre.storage, "evaluation_none")
    assert refused.value.code == "evaluation.unknown"


def test_held_out_documents_become_hashes_that_hold_none_of_their_text(centre, tmp_path) -> None:
    made = centre.divide()
    path = tmp_path / "hashes.parquet"
    written = evaluation.write_contamination_hashes(centre.storage, made, path)
    assert written.items + written.too_short == made.documents_heldout
    table = pq.read_table(path)
    assert [str(column.type) for column in table.columns] == ["uint64", "string"]
    heldout = splitting.read_documents(
        centre.storage.blobs.read(made.heldout_digest), digest=made.heldout_digest
    )
    assert set(table.column("item").to_pylist()) <= set(heldout.ids)
    assert written.runs == len(table)
