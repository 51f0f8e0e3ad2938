"""What is made of limited data is limited, whatever way it took: outputs, files of a folder."""

from __future__ import annotations

import pytest
from test_compute_limits import Places

from yunhe.client.folders.manifest import FORM
from yunhe.compute import service as compute
from yunhe.compute import submitting
from yunhe.compute.limits import service as limits
from yunhe.kernel.canonical import canonical_bytes


@pytest.fixture
def places(bare_city) -> Places:
    return Places(bare_city)


def test_what_was_made_of_limited_data_is_limited_and_never_wider(places) -> None:
    digest, other, made = places.data(), places.data(b"b"), places.data(b"made")
    places.say("data", digest, "CN")
    places.say("data", other, "CN-BJ", "SG")
    with places.storage.database.begin() as tx:
        limits.carry(tx, [digest, other], [made], at_us=1)
        limits.carry(tx, [digest], [made], at_us=2)  # said already: nothing is widened
        [said] = limits.said(tx, what="data", subject=made)
    assert (said.jurisdictions, said.by) == (("CN-BJ",), "")


def test_what_was_made_of_data_that_may_go_nowhere_may_go_nowhere(places) -> None:
    """Two digests whose limits were made to contradict each other while work read both."""
    pool = places.pool("CN")
    one, two, made = places.data(), places.data(b"b"), places.data(b"made")
    places.say("data", one, "CN")
    places.say("data", two, "SG")
    with places.storage.database.begin() as tx:
        limits.carry(tx, [one, two], [made], at_us=1)
        limits.carry(tx, [one], [made], at_us=2)  # made again of less: still nothing is widened
        spec = places.city.spec(inputs={"x": made})
        assert limits.reach(tx, spec, awards=[]) == ()
    assert places.refused(inputs={"x": made}) == {"inputs": "compute.rule_data"}
    places.say("data", made)
    assert places.city.submit("a", inputs={"x": made}).pool == pool


def test_what_was_made_again_of_less_is_limited_more(places) -> None:
    wide, narrow, made = places.data(), places.data(b"b"), places.data(b"made")
    places.say("data", wide, "CN", "SG")
    places.say("data", narrow, "SG")
    with places.storage.database.begin() as tx:
        limits.carry(tx, [wide], [made], at_us=1)
        limits.carry(tx, [narrow], [made], at_us=2)
        assert limits.said(tx, what="data", subject=made)[0].jurisdictions == ("SG",)


def test_an_operator_who_lifts_what_was_carried_is_heard_when_it_is_made_again(places) -> None:
    digest, made = places.data(), places.data(b"made")
    places.say("data", digest, "CN")
    for _ in range(2):
        with places.storage.database.begin() as tx:
            limits.carry(tx, [digest], [made], at_us=1)
        places.say("data", made)
        with places.storage.database.read() as tx:
            assert limits.reach(tx, places.city.spec(inputs={"x": made}), awards=[]) is None


def test_what_was_only_handed_on_and_what_is_empty_is_not_limited(places) -> None:
    """Or all that anybody makes with an empty file in it would be."""
    digest, public, empty = places.data(), places.data(b"public"), places.data(b"")
    places.say("data", digest, "CN")
    with places.storage.database.begin() as tx:
        limits.carry(tx, [digest, public], [public, digest, empty], at_us=1)
        for each in (public, empty):
            assert not limits.said(tx, what="data", subject=each)


def folder(places, *words: bytes) -> str:
    """A working folder of small files, which lie in one blob."""
    pack, files, at = places.data(b"".join(words)), [], 0
    for number, word in enumerate(words):
        part = {"blob": pack, "offset": at, "size_bytes": len(word)}
        file = {"path": f"f{number}", "digest": places.data(word), "size_bytes": len(word)}
        files.append({**file, "parts": [part]})
        at += len(word)
    return places.data(canonical_bytes({"form": FORM, "files": files}))


def test_a_folder_with_a_limited_file_among_others_is_limited(places) -> None:
    places.pool("SG", price_minor_per_device_hour=1)
    north = places.pool("CN-BJ")
    places.say("data", places.data(b"secret"), "CN")
    assert places.city.submit("free", folder=folder(places, b"code", b"more")).pool != north
    assert places.city.submit("bound", folder=folder(places, b"code", b"secret")).pool == north


def test_a_file_that_is_limited_while_work_with_its_folder_waits_is_not_let_out(places) -> None:
    abroad = places.pool("SG", devices=1)
    first = places.city.submit("first", folder=folder(places, b"secret", b"one"))
    second = places.city.submit("second", folder=folder(places, b"secret", b"two"))
    third = places.city.submit("third", folder=folder(places, b"code"))
    assert [first.state, second.state, third.state] == ["placed", "waiting", "waiting"]
    places.say("data", places.data(b"secret"), "CN")
    compute.cancel(places.storage, first.id)
    found = places.city.see(second)
    assert found.why is not None
    assert (found.state, found.why.code) == ("waiting", "compute.rule_data")
    assert places.city.see(third).pool == abroad


def test_a_file_that_is_limited_between_look_and_submission_is_not_let_out(places) -> None:
    places.pool("SG")
    reading, made = submitting.folder_found, folder(places, b"secret", b"one")

    def limited(*args: object) -> object:
        found = reading(*args)
        places.say("data", places.data(b"secret"), "CN")
        return found

    submitting.folder_found = limited
    try:
        assert places.refused(folder=made) == {"inputs": "compute.rule_data"}
    finally:
        submitting.folder_found = reading
