"""How a site's table names who watches its devices, and what is wrong with it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from yunhe.compute.columns import why_text
from yunhe.compute.providers.sites import build, read_sites
from yunhe.compute.providers.watches import queries_of
from yunhe.compute.reasons import Why
from yunhe.compute.remote import store as remote
from yunhe.compute.utilisation.prometheus import Prometheus
from yunhe.compute.utilisation.queries import own, shipped
from yunhe.compute.utilisation.watching import watch_of
from yunhe.kernel.errors import Invalid, Unavailable
from yunhe.operations.checks import choices
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard

BASE = """
[lab]
kind = "slurm"
address = "http://slurm.example.org:6820"
user = "yunhe"
key_file = "jwt.key"
partition = "gpu"
folder = "shared"
[lab.chips]
h20 = "gpu:h20"
ascend910b = "gpu:ascend910b"
cpu = ""
"""
WATCH = """
[lab.watch]
address = "https://prometheus.example.org"
"""
QUERY = 'npu_use{job_id=~"{jobs}"}'


def read(tmp_path, text: str):
    file = tmp_path / "sites.toml"
    file.write_text(text)
    return read_sites(file)


def built(tmp_path, text: str):
    made = build(read(tmp_path, text), {}, outbound=lambda: Outbound(Guard([])))
    return made[0]


def faults(tmp_path, text: str) -> set[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        read(tmp_path, text)
    return {(each.where, each.code) for each in refused.value.findings}


def test_a_site_without_a_watch_table_is_watched_by_nobody(tmp_path):
    assert watch_of(built(tmp_path, BASE)) is None


def test_chips_of_known_makers_are_watched_and_others_by_the_operators_query(tmp_path):
    watch = watch_of(built(tmp_path, BASE + WATCH))
    assert isinstance(watch, Prometheus)
    assert [watch.watches(chip) for chip in ("h20", "ascend910b", "cpu")] == [True, False, False]
    more = f"[lab.queries]\nascend910b = '{QUERY}'\ncpu = \"NVIDIA\"\n"
    site = read(tmp_path, BASE + WATCH + 'label = "job_id"\neach = "job"\n' + more)[0]
    assert queries_of(site, makers={"h20": "NVIDIA"}) == {
        "h20": shipped()["slurm", "NVIDIA"],
        "cpu": shipped()["slurm", "NVIDIA"],
        "ascend910b": own("slurm", QUERY, label="job_id", each="job"),
    }


def test_files_are_found_beside_the_sites_file_and_a_former_name_is_watched_too(tmp_path):
    text = BASE.replace("[lab.chips]", 'was = ["old"]\n[lab.chips]') + WATCH
    now, former = read(tmp_path, text + 'token_file = "p.token"\n')
    assert (former.name, former.watch, former.beside) == ("old", now.watch, tmp_path)


def test_an_authority_of_ones_own_that_is_none_is_told(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(Invalid):
        built(tmp_path, BASE + WATCH + 'authority_file = "ca.pem"\n')
    with pytest.raises(Unavailable):
        built(tmp_path, BASE + WATCH + 'authority_file = "nowhere.pem"\n')


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (WATCH + 'addres = "x"\n', ("lab.watch.addres", "compute.site_key")),
        ("[lab.watch]\n", ("lab.watch.address", "compute.site_watch_address")),
        ('[lab.watch]\naddress = "prometheus"\n',
         ("lab.watch.address", "compute.site_watch_address")),
        *(
            (f'[lab.watch]\naddress = "{address}"\n',
             ("lab.watch.address", "compute.site_watch_address"))
            for address in ("http://[::1", "http://h:99999", "http://a:b@h", "http://h/#x")
        ),
        (WATCH + 'each = "node"\n', ("lab.watch.each", "compute.site_watch_each")),
        (WATCH + "each = 1\n", ("lab.watch", "compute.site_text")),
        (f"[lab.queries]\nh20 = '{QUERY}'\n", ("lab.watch", "compute.site_needs")),
        (WATCH + '[lab.queries]\nh20 = "up"\n', ("lab.queries.h20", "compute.site_query")),
        (WATCH + f"[lab.queries]\nb200 = '{QUERY}'\n",
         ("lab.queries.b200", "compute.site_query")),
        (WATCH + f"[lab.queries]\nh20 = '{QUERY}{'x' * 2_000}'\n",
         ("lab.queries.h20", "compute.site_query")),
    ],
    ids=["key", "none", "address", "half", "port", "password", "fragment", "each", "number",
         "alone", "jobs", "chip", "long"],
)  # fmt: skip
def test_a_table_that_cannot_be_says_all_that_is_wrong_with_it(tmp_path, text, found):
    assert found in faults(tmp_path, BASE + text)


def test_agents_and_other_platforms_have_no_prometheus_of_ours(tmp_path):
    text = '[yard]\nkind = "agent"\norganisation = "org_1"\n[yard.watch]\naddress = "http://p"\n'
    assert ("yard.watch", "compute.site_key") in faults(tmp_path, text)


def test_the_doctor_says_which_sites_devices_could_not_be_seen(storage):
    why = Unavailable("compute.watch_refused", site="lab", reason="HTTP 422")
    site = SimpleNamespace(adapter="lab")
    platform = SimpleNamespace(sites=lambda: (site,), storage=storage)
    subject = SimpleNamespace(tables=lambda: platform)
    assert [each.state for each in choices.sites(subject)] == ["ok"]
    said = why_text(Why(why.code, (*why.params.items(),)))
    with storage.database.begin() as tx:
        remote.set_site(tx, "lab", watch_error=said)
    found = list(choices.sites(subject))
    assert [each.state for each in found] == ["warning", "ok"]
    assert found[0].message("en") == why.message("en").splitlines()[0]
    assert "HTTP 422" in found[0].message("zh")
