"""A pool takes no work of which nobody would ever run anything: its adapter must be known."""

from __future__ import annotations

import pytest

from yunhe.compute import service as compute
from yunhe.compute.agents.mailbox import Mailbox
from yunhe.compute.remote.driver import Driver
from yunhe.kernel.errors import Invalid
from yunhe.kernel.language import LANGUAGES

SITES = """
[centre]
kind = "agent"
organisation = "org_0123456789abcdef"
was = ["old-centre"]
"""


def offered(city, adapter: str, *, sites=frozenset(), key: str = "far"):
    return compute.register_pool(
        city.storage,
        key=key,
        provider=city.provider,
        site="远方",
        chip="cpu",
        devices=4,
        price_minor_per_device_hour=3_600,
        currency="CNY",
        adapter=adapter,
        sites=sites,
    )


@pytest.fixture
def named(tmp_path) -> frozenset[str]:
    file = tmp_path / "sites.toml"
    file.write_text(SITES)
    return compute.remote.named(file)


def test_a_mistyped_site_is_refused_with_those_that_there_are(bare_city, named) -> None:
    with pytest.raises(Invalid) as refused:
        offered(bare_city, "center", sites=named)
    [finding] = refused.value.findings
    assert (finding.where, finding.code) == ("adapter", "compute.adapter_unknown")
    for language in LANGUAGES:
        said = refused.value.message(language)
        assert "center" in said
        assert all(name in said for name in ("centre", "old-centre", "demonstration", "local"))
        assert "YUNHE_SITES_FILE" in said
    with bare_city.storage.database.read() as tx:
        assert compute.pools(tx) == []


@pytest.mark.parametrize("adapter", ["local", "demonstration", "centre", "old-centre"])
def test_this_machine_and_every_name_of_the_sites_file_are_taken(bare_city, named, adapter) -> None:
    assert offered(bare_city, adapter, sites=named).adapter == adapter


def test_without_a_sites_file_there_is_this_machine_only(bare_city) -> None:
    assert compute.remote.named(None) == frozenset()
    with pytest.raises(Invalid, match="YUNHE_SITES_FILE"):
        offered(bare_city, "centre")
    assert offered(bare_city, "local").adapter == "local"


def test_a_site_that_some_worker_looks_after_is_known_before_it_has_a_pool(bare_city) -> None:
    mailbox = Mailbox("yard", bare_city.provider, storage=bare_city.storage)
    with pytest.raises(Invalid, match="YUNHE_SITES_FILE"):
        offered(bare_city, "yard")
    assert Driver(bare_city.storage, mailbox).once()
    assert offered(bare_city, "yard").adapter == "yard"


def test_a_pool_that_is_there_is_registered_again_though_its_site_is_gone(bare_city, named) -> None:
    made = offered(bare_city, "centre", sites=named)
    assert offered(bare_city, "centre") == made


def test_what_is_no_word_at_all_is_told_once(bare_city, named) -> None:
    with pytest.raises(Invalid) as refused:
        offered(bare_city, "no word", sites=named)
    assert [each.where for each in refused.value.findings] == ["adapter"]
    assert "compute.adapter_unknown" not in {each.code for each in refused.value.findings}
