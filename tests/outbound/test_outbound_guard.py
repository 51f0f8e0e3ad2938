"""What the guard lets through, in every disguise an address can wear."""

from __future__ import annotations

import ipaddress
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yunhe.kernel.errors import Invalid, NotAllowed, Unavailable
from yunhe.outbound.addresses import is_public, parse
from yunhe.outbound.guard import Guard, is_own


def resolving(*addresses):
    return Guard(resolver=lambda host, port: list(addresses))


def reason(error):
    return [finding.code for finding in error.value.findings]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "javascript://example.org/",
        "//example.org/",
        "example.org",
        "http:example.org",
        "http:///path",
        "http://",
        "",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://a..b/",
        "http://-a.org/",
        "http://exa mple.org/",
        "http://ex%61mple.org/",
        "http://example.org\\@127.0.0.1/",
        "http://example.org/\r\nX: y",
        "http://１２７.0.0.1/",
        "http://ⓛocalhost/",
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[::1/",
        "http://" + "a" * 64 + ".org/",
        "http://" + "a." * 130 + "org/",
        "https://example.org/" + "x" * 2_000,
    ],
)
def test_what_is_no_plain_web_address_is_refused_before_any_look_up(url):
    def never(host, port):
        raise AssertionError(host)

    with pytest.raises((Invalid, NotAllowed)):
        Guard(resolver=never).check(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://017700000001/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1.:80/x",
        "http://127.0.0.01/",
        "http://0/",
        "http://example.0x7f/",
        "http://256.1.1.1/",
        "http://1.2.3.4.5/",
    ],
)
def test_a_number_that_a_c_library_reads_as_an_address_is_refused(url):
    with pytest.raises((Invalid, NotAllowed)):
        resolving("93.184.216.34").check(url)


NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_private_local_or_special_address_is_reached_by_number_or_name(address):
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(NotAllowed) as refused:
        resolving().check(f"http://{literal}/")
    assert reason(refused) == ["outbound.not_public"]
    with pytest.raises(NotAllowed):
        resolving(address).check("http://innocent.example.org/")
    with pytest.raises(NotAllowed):
        resolving("93.184.216.34", address).check("http://half-innocent.example.org/")


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "172.32.0.1", "2606:2800::1", "64:ff9b::5db8:d822"]
)
def test_a_public_address_is_let_through(address):
    literal = f"[{address}]" if ":" in address else address
    assert resolving().check(f"https://{literal}/a?b=c").addresses == (address,)
    assert resolving(address).check("https://example.org/").addresses == (address,)


def test_a_mapped_public_address_is_reached_as_the_ipv4_address_it_is():
    target = resolving().check("http://[::ffff:93.184.216.34]/")
    assert (target.host, target.addresses) == ("93.184.216.34", ("93.184.216.34",))


@given(number=st.integers(0, 2**32 - 1))
def test_every_ipv4_address_counts_the_same_in_each_disguise_the_network_undoes(number):
    bare = ipaddress.IPv4Address(number)
    mapped = ipaddress.IPv6Address(0xFFFF_0000_0000 | number)
    nat64 = ipaddress.IPv6Address((0x64_FF9B << 96) | number)
    assert is_public(bare) == is_public(mapped) == is_public(nat64)
    assert not is_public(ipaddress.IPv6Address(number))  # IPv4-compatible
    assert not is_public(ipaddress.IPv6Address((0x2002 << 112) | (number << 80)))  # 6to4


@given(number=st.integers(0, 2**32 - 1))
def test_nothing_is_public_that_python_calls_private_or_multicast(number):
    address = ipaddress.IPv4Address(number)
    if address.is_private or address.is_multicast or address.is_reserved or address.is_loopback:
        assert not is_public(address) or str(address).startswith("192.0.0.")


@given(number=st.integers(0, 2**128 - 1))
def test_nothing_is_public_that_python_does_not_call_global_in_ipv6(number):
    address = ipaddress.IPv6Address(number)
    if is_public(address) and address not in ipaddress.IPv6Network("64:ff9b::/96"):
        assert address in ipaddress.IPv6Network("2000::/3")
        assert not address.is_multicast


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("HTTP://EXAMPLE.org:80/a", "http://example.org/a"),
        ("https://example.org.:443", "https://example.org/"),
        ("https://例え.テスト/x", "https://xn--r8jz45g.xn--zckzah/x"),
        ("http://example.org:8080/a b#fragment", "http://example.org:8080/a%20b"),
        ("http://[2606:2800:0::1]:8080/", "http://[2606:2800::1]:8080/"),
    ],
)
def test_an_address_has_one_spelling_once_it_was_read(said, meant):
    assert resolving("93.184.216.34").check(said).url == meant


@pytest.mark.parametrize("url", ["http://u@h.org/", "http://u:p@h.org/", "http://@h.org/"])
def test_names_and_passwords_in_an_address_are_refused_and_not_repeated(url):
    with pytest.raises(Invalid) as refused:
        resolving("93.184.216.34").check(url.replace("u", "s3cret"))
    assert reason(refused) == ["outbound.userinfo"]
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("port", [1, 22, 25, 53, 110, 139, 445, 1023, 3306, 5432, 6379, 6667])
def test_ports_of_other_protocols_are_refused(port):
    with pytest.raises(Invalid) as refused:
        resolving("93.184.216.34").check(f"http://example.org:{port}/")
    assert reason(refused) == ["outbound.port"]


ALLOW = "YUNHE_OUTBOUND_ALLOW"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.org/", "outbound.scheme"),
        ("javascript://example.org/", "outbound.scheme"),
        ("https://name:word@example.org/", "outbound.userinfo"),
        ("https://10.0.0.1:25/", "outbound.port"),
        ("https://example.org:6379/", "outbound.port"),
        ("example.org", "outbound.url_form"),
        ("https://example.org/" + "x" * 2_000, "outbound.url_long"),
    ],
)
def test_what_no_permission_can_help_is_not_sent_to_the_operator(url, why):
    everything = Guard(["0.0.0.0/0", "::/0"], resolver=lambda *_: ["93.184.216.34"])
    with pytest.raises(Invalid) as refused:
        everything.check(url)
    assert refused.value.code == "outbound.url_invalid"
    assert reason(refused) == [why]
    for language in ("en", "zh"):
        assert ALLOW not in refused.value.message(language)
        assert "https://example.org/path" in refused.value.as_json(language)["do"]


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/", "http://inside.example.org/", "http://[::1]/"]
)
def test_what_the_operator_could_allow_is_sent_to_the_operator(url):
    with pytest.raises(NotAllowed) as refused:
        resolving("10.0.0.1").check(url)
    assert refused.value.code == "outbound.refused"
    assert all(ALLOW in refused.value.message(language) for language in ("en", "zh"))


def test_a_place_that_the_operator_named_is_open_at_its_port_alone():
    guard = Guard(["hooks.corp.org:25"], resolver=lambda *_: ["10.0.0.1"])
    assert guard.check("http://hooks.corp.org:25/").addresses == ("10.0.0.1",)
    with pytest.raises(Invalid):
        guard.check("http://hooks.corp.org:26/")
    with pytest.raises(NotAllowed):
        guard.check("http://hooks.corp.org/")


def test_the_platforms_own_names_are_refused_in_any_spelling():
    guard = Guard(own_names=["Yunhe.Example.org"], resolver=lambda *_: ["93.184.216.34"])
    for name in ("yunhe.example.org", "YUNHE.example.org", "yunhe.example.org."):
        with pytest.raises(NotAllowed) as refused:
            guard.check(f"https://{name}/v1/me")
        assert reason(refused) == ["outbound.own_host"]
    assert guard.check("https://other.example.org/").addresses == ("93.184.216.34",)


def test_this_machine_knows_its_own_addresses_by_where_it_would_send_from():
    assert is_own(ipaddress.ip_address("127.0.0.1"))
    assert not is_own(ipaddress.ip_address("127.9.9.9"))


def test_a_refusal_does_not_tell_what_a_private_name_resolves_to():
    with pytest.raises(NotAllowed) as refused:
        resolving("10.20.30.40").check("http://wiki.corp.example.org/")
    assert "10.20.30.40" not in refused.value.message("en") + str(refused.value.as_json("zh"))


def test_the_operator_can_allow_networks_and_places_and_nothing_else_opens():
    guard = Guard(
        ["10.1.0.0/16", "[fd00::5]:25", "wiki.corp:22"],
        resolver=lambda host, port: {"wiki.corp": ["192.168.7.7"]}.get(host, ["10.1.2.3"]),
    )
    assert guard.check("http://10.1.2.3/").addresses == ("10.1.2.3",)
    assert guard.check("http://anything.example.org:8080/").addresses == ("10.1.2.3",)
    assert guard.check("http://[::ffff:10.1.2.3]/").addresses == ("10.1.2.3",)
    assert guard.check("http://[fd00::5]:25/").addresses == ("fd00::5",)
    assert guard.check("http://wiki.corp:22/").addresses == ("192.168.7.7",)
    for url in (
        "http://10.2.0.1/",
        "http://10.1.2.3:22/",
        "http://[fd00::5]/",
        "http://[fd00::6]:25/",
        "http://wiki.corp/",
    ):
        with pytest.raises((Invalid, NotAllowed)):
            guard.check(url)


def test_a_wrong_allow_list_is_refused_whole():
    with pytest.raises(Invalid) as refused:
        Guard(["10.0.0.0/8", "nonsense", "host:0", "host:http", "10.0.0.0/40", " "])
    assert len(refused.value.findings) == 4
    assert "nonsense" in refused.value.message("zh")


@pytest.mark.parametrize("answer", [[], ["nonsense"], ["fe80::1%eth0"], ["1.2.3.4", ""]])
def test_a_resolver_that_answers_nothing_or_nonsense_leads_nowhere(answer):
    with pytest.raises((Unavailable, NotAllowed)):
        resolving(*answer).check("http://example.org/")


@pytest.mark.parametrize("error", [OSError("no such name"), UnicodeError("label too long")])
def test_a_name_that_does_not_resolve_says_so(error):
    def fails(host, port):
        raise error

    with pytest.raises(Unavailable) as gone:
        Guard(resolver=fails).check("http://example.org/")
    assert gone.value.code == "outbound.unresolved"


def test_a_name_server_that_hangs_is_not_waited_for():
    release = threading.Event()

    def hangs(host, port):
        release.wait(30)
        return ["93.184.216.34"]

    with pytest.raises(Unavailable) as gone:
        Guard(resolver=hangs).check("http://example.org/", seconds=0.05)
    release.set()
    assert gone.value.code == "outbound.unresolved"


@given(text=st.text(max_size=40))
def test_no_text_whatever_breaks_the_guard(text):
    guard = resolving("93.184.216.34")
    for url in (text, f"http://{text}", f"http://example.org/{text}", f"http://[{text}]/"):
        try:
            target = guard.check(url)
        except (Invalid, NotAllowed, Unavailable):
            continue
        literal = parse(target.host)
        assert literal is None or is_public(literal)
