"""Register, approve, withdraw, deploy: idempotent, whole, and only with the right papers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from released_model import ROUTE, VALID_DAYS, Bench

from yunhe.custody import service as custody
from yunhe.kernel.canonical import canonical_bytes, sha256
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, YunheError
from yunhe.models import service as models
from yunhe.models import store
from yunhe.models.training import classifier


def refused(error: type[YunheError], command, *args, **kwargs) -> YunheError:
    with pytest.raises(error) as raised:
        command(*args, **kwargs)
    assert raised.value.message("en") != raised.value.message("zh")
    return raised.value


def test_registering_again_is_the_same_version_with_one_record(bench: Bench):
    first = bench.register()
    bench.storage.clock.advance(seconds=60)
    assert models.register(bench.storage, **bench.registration()) == first
    with bench.storage.database.read() as tx:
        assert models.versions(tx) == [first] == [models.version(tx, first.id)]
        record = custody.record(tx, first.reference)
    assert (record.kind, record.subject) == ("model.version", first.id)
    assert record.body["model_digest"] == bench.digest("model")
    assert record.links == {
        "usage": bench.references["compute.usage"],
        "split": bench.references["evaluation.split"],
    }
    assert bench.organisation not in canonical_bytes(record.content()).decode()
    assert (first.state, first.certificate) == ("registered", None)


@pytest.mark.parametrize("change", [{"name": "另一个"}, {"owner": "org_other"}])
def test_a_key_cannot_be_used_for_another_registration(bench: Bench, change):
    bench.register()
    error = refused(Conflict, models.register, bench.storage, **bench.registration(**change))
    assert error.code == "models.key_reused"


@pytest.mark.parametrize("which", ["model_digest", "manifest_digest", "card_digest"])
def test_a_version_whose_artefact_is_missing_is_refused(bench: Bench, which):
    bench.trained()
    asked = bench.registration(**{which: sha256(b"never stored")})
    assert refused(NotFound, models.register, bench.storage, **asked).code == "storage.blob_missing"
    with bench.storage.database.read() as tx:
        assert models.versions(tx) == []


def test_weights_that_are_no_classifier_are_refused(bench: Bench):
    bench.trained()
    digest = bench.storage.blobs.put(b"\x80\x04pickled").digest
    asked = bench.registration(model_digest=digest)
    assert (
        refused(Invalid, models.register, bench.storage, **asked).code == "models.weights_invalid"
    )


def findings_of(bench: Bench, **changes: str) -> set[tuple[str, str]]:
    error = refused(Invalid, models.register, bench.storage, **bench.registration(**changes))
    assert error.code == "models.artefacts_invalid"
    with bench.storage.database.read() as tx:
        assert models.versions(tx) == []
    return {(finding.where, finding.code) for finding in error.findings}


def test_artefacts_that_do_not_belong_together_are_refused_with_every_finding(bench: Bench):
    bench.trained(input_digests=[], output_digests=[])
    lying = {**json.loads(bench.artefacts.manifest), "model_digest": sha256(b"other")}
    manifest = bench.storage.blobs.put(canonical_bytes(lying)).digest
    card = bench.storage.blobs.put(b"[1]").digest
    found = findings_of(bench, manifest_digest=manifest, card_digest=card)
    assert found == {
        ("manifest.model_digest", "models.manifest_differs"),
        ("card_digest", "models.card_unreadable"),
        ("usage_reference", "models.not_an_output"),
        ("usage_reference", "models.not_an_input"),
    }


def test_records_of_another_kind_are_no_provenance(bench: Bench):
    bench.trained()
    found = findings_of(
        bench,
        usage_reference=bench.references["evaluation.split"],
        split_reference=bench.references["data.grant"],
    )
    assert found == {
        ("usage_reference", "models.provenance_kind"),
        ("split_reference", "models.provenance_kind"),
    }


def test_training_data_of_another_split_is_refused(bench: Bench):
    bench.trained()
    other = bench.record(
        "evaluation.split",
        "other",
        {"train_digest": sha256(b"other")},
        grant=bench.references["data.grant"],
    )
    assert findings_of(bench, split_reference=other) == {
        ("split_reference", "models.not_the_training_part"),
        ("split_reference", "models.usage_of_another_split"),
    }


def test_a_manifest_that_is_no_json_is_refused(bench: Bench):
    bench.trained()
    manifest = bench.storage.blobs.put(b"[" * 100_000).digest
    assert findings_of(bench, manifest_digest=manifest) == {
        ("manifest_digest", "models.manifest_unreadable")
    }


def test_loading_gives_a_classifier_from_verified_bytes_only(bench: Bench):
    version = bench.register()
    assert models.load(bench.storage, version.model_digest).classes == ("交通", "环境", "道路")
    path = bench.storage.blobs.path(version.model_digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(YunheError) as raised:
        models.load(bench.storage, version.model_digest)
    assert raised.value.code == "storage.blob_damaged"


def test_the_training_program_is_named_with_the_digest_of_its_source():
    program = models.training_entry_point()
    assert program.module == "yunhe.models.training.classifier"
    assert program.digest == sha256(Path(classifier.__file__).read_bytes())


def approve(bench: Bench, version: str, certificate: str, *, days: int = VALID_DAYS) -> None:
    now_us = bench.storage.clock.now_us()
    with bench.storage.database.begin() as tx:
        models.approve(
            tx,
            version=version,
            certificate=certificate,
            valid_until_us=now_us + days * DAY_US,
            at_us=now_us,
        )


def state(bench: Bench, version: str) -> tuple[str, str | None]:
    with bench.storage.database.read() as tx:
        known = models.version(tx, version)
    return known.state, known.certificate


def test_an_approval_needs_the_versions_own_release(bench: Bench):
    version = bench.register()
    foreign = {
        "another kind": bench.references["compute.usage"],
        "another model": bench.record(
            "governance.release",
            "other",
            {"model_digest": sha256(b"other"), "valid_until_us": 2**52},
            model=version.reference,
        ),
        "another version": bench.record(
            "governance.release",
            "linked elsewhere",
            {"model_digest": version.model_digest, "valid_until_us": 2**52},
            model=bench.references["evaluation.split"],
        ),
    }
    for certificate in foreign.values():
        error = refused(Conflict, approve, bench, version.id, certificate)
        assert error.code == "models.certificate_invalid"
    certificate = bench.release(version)
    longer = refused(Conflict, approve, bench, version.id, certificate, days=VALID_DAYS + 1)
    assert longer.code == "models.certificate_invalid"
    assert state(bench, version.id) == ("registered", None)
    approve(bench, version.id, certificate)
    approve(bench, version.id, certificate)
    assert state(bench, version.id) == ("approved", certificate)


def test_unknown_versions_and_records_are_not_found(bench: Bench):
    version = bench.register()
    certificate = bench.release(version)
    assert (
        refused(NotFound, approve, bench, "model_x", certificate).code == "models.version_unknown"
    )
    assert refused(NotFound, approve, bench, version.id, "0" * 64).code == "custody.record_unknown"
    with bench.storage.database.begin() as tx:
        refused(NotFound, models.withdraw, tx, "model_x", at_us=1)
        assert refused(NotFound, models.answer, tx, "ans_x").code == "models.answer_unknown"
    refused(NotFound, models.deploy, bench.storage, key="d", version="model_x", route=ROUTE)


def test_a_withdrawn_version_comes_back_only_with_a_new_release(bench: Bench):
    version = bench.register()
    first = bench.approve(version)
    for _ in range(2):
        with bench.storage.database.begin() as tx:
            models.withdraw(tx, version.id, at_us=5)
    assert (
        refused(Conflict, approve, bench, version.id, first).code == "models.certificate_withdrawn"
    )
    assert state(bench, version.id) == ("withdrawn", first)
    bench.storage.clock.advance(seconds=1)
    second = bench.approve(version, "2")
    assert state(bench, version.id) == ("approved", second)
    assert refused(Conflict, approve, bench, version.id, first).code == "models.certificate_invalid"


def test_deploying_again_is_the_same_deployment_and_leaves_the_route_alone(bench: Bench):
    version = bench.register()
    certificate = bench.approve(version)
    first = models.deploy(bench.storage, key="d1", version=version.id, route=ROUTE)
    second = models.deploy(bench.storage, key="d2", version=version.id, route=ROUTE)
    assert models.deploy(bench.storage, key="d1", version=version.id, route=ROUTE) == first
    with bench.storage.database.read() as tx:
        assert models.routes(tx)[ROUTE].deployment == second
        assert {d.id for d in models.deployments(tx)} == {first.id, second.id}
        record = custody.record(tx, first.reference)
        assert models.answers_count(tx) == {}
    assert record.links == {"release": certificate}
    assert record.body == {"model_digest": version.model_digest, "route": ROUTE}
    error = refused(
        Conflict, models.deploy, bench.storage, key="d1", version=version.id, route="other"
    )
    assert error.code == "models.key_reused"


@pytest.mark.parametrize("route", ["", "-a", "Upper", "a/b", "a" * 64, "路", "a b", "a\n"])
def test_a_route_that_is_no_name_is_refused(bench: Bench, route):
    error = refused(Invalid, models.deploy, bench.storage, key="d", version="x", route=route)
    assert error.code == "models.route_invalid"


def test_only_an_approved_version_with_its_own_bytes_can_be_deployed(bench: Bench):
    version = bench.register()

    def why() -> str:
        return refused(
            NotAllowed, models.deploy, bench.storage, key="d", version=version.id, route=ROUTE
        ).code

    assert why() == "models.not_approved"
    bench.approve(version)
    path = bench.storage.blobs.path(version.model_digest)
    path.rename(path.with_suffix(".away"))
    assert why() == "models.bytes_differ"
    path.with_suffix(".away").rename(path)
    bench.storage.clock.advance(seconds=VALID_DAYS * 86_400)
    assert why() == "models.approval_expired"
    with bench.storage.database.begin() as tx:
        models.withdraw(tx, version.id, at_us=5)
    assert why() == "models.withdrawn"
    with bench.storage.database.read() as tx:
        assert models.deployments(tx) == []
        assert store.served(tx) == {}
