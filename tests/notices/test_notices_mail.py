"""E-mail through a real SMTP server, with and without TLS, and its bad days."""

from __future__ import annotations

import pytest
from notices_desk import certificate, posting, tell, ways

from free_ports import free_port
from yunhe.identity import service as identity
from yunhe.kernel.errors import Invalid, Unavailable
from yunhe.notices import service as notices
from yunhe.notices.domain import REGULATORS
from yunhe.notices.mail import Letter, Mailer, Refused

SENDER = "yunhe@programme.example"
HOUR = 3_600


@pytest.fixture
def office():
    yield from posting()


def mailer(office, **more):
    scheme = more.pop("scheme", "smtp")
    user = more.pop("user", "")
    host = more.pop("host", "127.0.0.1")
    url = f"{scheme}://{user}{'@' if user else ''}{host}:{office.port}"
    return Mailer(url, sender=SENDER, **more)


def reach(storage, member, contact):
    with storage.database.begin() as tx:
        identity.set_contact(tx, member, contact)


def letter(**over):
    values = {
        "id": "send_1",
        "to": "ann@lab.example",
        "subject": "hello 你好",
        "text": "text",
        "at_us": 1_767_225_600_000_000,
    }
    return Letter(**values | over)


def budget(storage, key, organisation, **more):
    params = {"percent": 80, "left_hours": 3, "chip": "cpu"}
    return tell(storage, key, organisation, kind="budget_80", params=params, **more)


def test_a_notice_is_mailed_in_both_languages_to_those_who_are_to_act(storage, town, office, clock):
    reach(storage, town.trainer, "ann@lab.example")
    reach(storage, town.stranger, "eve@rival.example")
    budget(storage, "award-1", town.lab)
    way = ways(mailer(office))
    assert notices.deliver(storage, way) == 1
    assert notices.deliver(storage, way) == 0
    (message,), (envelope,) = office.letters, office.envelopes
    assert envelope == (SENDER, ["ann@lab.example"])
    text = message.get_content()
    assert "设备小时" in text
    assert "device-hours" in text
    assert "award-1" in text
    assert "trainer" not in message.as_string()  # nobody's name
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] == "Thu, 01 Jan 2026 00:00:00 +0000"
    assert "算力额度已用 80%" in message["Subject"]


def test_a_mail_that_is_tried_again_keeps_its_message_id(storage, town, office, clock):
    reach(storage, town.trainer, "ann@lab.example")
    office.answer = "451 later"
    budget(storage, "award-1", town.lab)
    way = ways(mailer(office))
    notices.deliver(storage, way)
    clock.advance(seconds=HOUR)
    assert office.letters == []
    office.answer = "250 taken"
    assert notices.deliver(storage, way) == 1
    first = office.letters[-1]["Message-ID"]
    assert first.endswith("@programme.example>")
    reach(storage, town.officer, "bob@lab.example")
    budget(storage, "award-2", town.lab)
    notices.deliver(storage, way)
    ids = [each["Message-ID"] for each in office.letters]
    assert len(set(ids)) == len(ids) == 3


def test_an_address_that_is_refused_for_good_is_not_tried_again(storage, town, office, clock):
    reach(storage, town.trainer, "ann@lab.example")
    office.answer = "550 no such user"
    budget(storage, "award-1", town.lab)
    way = ways(mailer(office))
    assert notices.deliver(storage, way) == 1
    clock.advance(seconds=48 * HOUR)
    office.answer = "250 taken"
    assert notices.deliver(storage, way) == 0
    assert office.letters == []


def test_only_what_a_member_wants_is_mailed(storage, town, office):
    reach(storage, town.trainer, "ann@lab.example")
    reach(storage, town.officer, "bob@lab.example")
    with storage.database.begin() as tx:
        notices.prefer(tx, town.trainer, kind="budget_80", feed=True, mail=False)
        notices.prefer(tx, town.officer, kind="job_ended", feed=True, mail=True)
    budget(storage, "award-1", town.lab)
    tell(storage, "job-1", town.lab)
    notices.deliver(storage, ways(mailer(office)))
    assert sorted(to for _, (to,) in office.envelopes) == ["bob@lab.example"] * 2


def test_mail_to_a_role_reaches_its_holders_alone(storage, town, office):
    for member, contact in (
        (town.trainer, "ann@lab.example"),
        (town.officer, "bob@lab.example"),
        (town.stranger, "eve@rival.example"),
        (town.chief, "chief@operator.example"),
    ):
        reach(storage, member, contact)
    budget(storage, "mine", town.lab, role="risk_officer")
    budget(storage, "programme", "", role="risk_officer")
    notices.deliver(storage, ways(mailer(office)))
    assert sorted(to for _, (to,) in office.envelopes) == [
        "bob@lab.example",
        "chief@operator.example",
    ]


def test_mail_to_regulators_reaches_those_in_the_role_at_every_regulator(storage, town, office):
    with storage.database.begin() as tx:
        at_us = storage.clock.now_us()
        for name in ("bureau", "board"):
            place = identity.add_organisation(
                tx, key=name, name=name, kind="regulator", at_us=at_us
            )
            who = identity.add_member(
                tx, key=name, organisation=place.id, name=name, at_us=at_us
            ).id
            identity.grant_role(tx, member=who, role="risk_officer", at_us=at_us)
            identity.set_contact(tx, who, f"{name}@example.org")
    reach(storage, town.chief, "chief@operator.example")
    reach(storage, town.officer, "bob@lab.example")
    budget(storage, "vote", REGULATORS, role="risk_officer")
    notices.deliver(storage, ways(mailer(office)))
    assert sorted(to for _, (to,) in office.envelopes) == [
        "board@example.org",
        "bureau@example.org",
    ]


def test_who_left_before_the_mail_went_out_gets_none(storage, town, office, clock):
    reach(storage, town.trainer, "ann@lab.example")
    office.answer = "451 later"
    budget(storage, "award-1", town.lab)
    way = ways(mailer(office))
    notices.deliver(storage, way)
    with storage.database.begin() as tx:
        identity.erase_member(tx, town.trainer, at_us=clock.now_us())
    office.answer = "250 taken"
    clock.advance(seconds=HOUR)
    notices.deliver(storage, way)
    assert office.letters == []


def test_without_a_mail_server_nothing_is_put_in_line(storage, town, office, clock):
    reach(storage, town.trainer, "ann@lab.example")
    budget(storage, "award-1", town.lab)
    assert notices.deliver(storage, ways()) == 0
    clock.advance(seconds=HOUR)
    assert notices.deliver(storage, ways(mailer(office))) == 0


def test_a_mail_server_that_is_away_costs_nothing_but_time(storage, town, clock):
    reach(storage, town.trainer, "ann@lab.example")
    budget(storage, "award-1", town.lab)
    away = Mailer(f"smtp://127.0.0.1:{free_port()}", sender=SENDER)
    assert notices.deliver(storage, ways(away)) == 1
    clock.advance(seconds=HOUR)
    for office in posting():
        assert notices.deliver(storage, ways(mailer(office))) == 1
        assert len(office.letters) == 1


# --- TLS and passwords ----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # of the server: it asks for TLS before
@pytest.mark.parametrize("implicit", [False, True])
def test_a_password_is_sent_over_tls_and_the_certificate_is_checked(tmp_path, implicit):
    server, trusting = certificate(tmp_path, "localhost")
    for office in posting(tls=server, implicit=implicit, password="s3cret"):
        scheme = "smtps" if implicit else "smtp"
        more = {"scheme": scheme, "user": "me%40x", "password": "s3cret", "host": "localhost"}
        mailer(office, tls=trusting, **more).send(letter())
        assert office.encrypted == [True]
        assert office.users == [b"me@x"]
        wrong = mailer(office, tls=trusting, **more | {"password": "other"})
        with pytest.raises(Unavailable) as refused:
            wrong.send(letter())
        assert refused.value.params["status"] == 535
        with pytest.raises(Unavailable):  # the certificate is for another name
            mailer(office, tls=trusting, **more | {"host": "127.0.0.1"}).send(letter())
        assert len(office.letters) == 1


def test_a_password_is_never_sent_in_clear(office):
    with pytest.raises(Unavailable) as refused:
        mailer(office, user="me", password="s3cret").send(letter())
    assert refused.value.code == "notices.mail_no_tls"
    assert office.users == []
    assert "s3cret" not in str(refused.value)


def test_on_loopback_a_certificate_of_ones_own_will_do(tmp_path):
    server, _ = certificate(tmp_path, "anything.example")
    for office in posting(tls=server):
        mailer(office).send(letter())
        assert office.encrypted == [True]


# --- Injection ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "to",
    [
        "ann@lab.example\r\nBcc: eve@rival.example",
        "ann@lab.example, eve@rival.example",
        "ann@lab.example\nX: y",
        "",
        "nobody",
        "a b@lab.example",
    ],
)
def test_an_address_that_is_more_than_an_address_is_not_written(office, to):
    with pytest.raises(Refused):
        mailer(office).send(letter(to=to))
    assert office.envelopes == []


def test_a_subject_or_text_cannot_add_headers(office):
    evil = "hi\r\nBcc: eve@rival.example\r\n\r\nbody\x00\u2028.\r\n"
    mailer(office).send(letter(subject=evil, text=evil + "\r\n.\r\nRCPT TO:<eve@rival.example>"))
    (message,) = office.letters
    assert message["Bcc"] is None
    assert office.envelopes == [(SENDER, ["ann@lab.example"])]
    assert "\n" not in message["Subject"]


def test_names_from_outside_cannot_add_headers_to_a_notice(storage, town, office):
    reach(storage, town.officer, "bob@lab.example")
    params = {"model": "x\r\nBcc: eve@rival.example", "role": "risk_officer", "tier": "R2"}
    tell(storage, "m", town.lab, kind="approval_due", subject="a\r\nBcc: eve@b", params=params)
    notices.deliver(storage, ways(mailer(office)))
    assert office.letters[0]["Bcc"] is None
    assert office.envelopes == [(SENDER, ["bob@lab.example"])]


# --- Settings and invitations ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("http://h:1", SENDER),
        ("smtp://", SENDER),
        ("smtp://h:nonsense", SENDER),
        ("smtp://user:secret@h", SENDER),
        ("smtp://h", ""),
        ("smtp://h", "nobody"),
        ("smtp://h", "a@b\r\nX: y"),
    ],
)
def test_a_wrong_mail_setting_is_refused_at_the_start(url, sender):
    with pytest.raises(Invalid) as refused:
        Mailer(url, sender=sender)
    assert "secret" not in str(refused.value)


def invite(way, link="https://yunhe.example/join#token-s3cret"):
    return notices.mail_invitation(
        way,
        invitation="inv_1",
        to="new@lab.example",
        organisation="Lab\r\nBcc: eve@b",
        link=link,
        until="2026-01-08",
        at_us=1_767_225_600_000_000,
    )


def test_an_invitation_is_mailed_with_its_link_which_is_kept_nowhere(
    storage, town, office, tmp_path
):
    assert invite(ways(mailer(office))) is True
    (message,) = office.letters
    assert message.get_content().count("https://yunhe.example/join#token-s3cret") == 2
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"token-s3cret" not in path.read_bytes()


def test_an_invitation_says_whether_it_went_out(office):
    assert invite(ways()) is False
    office.answer = "550 no such user"
    with pytest.raises(Invalid) as refused:
        invite(ways(mailer(office)))
    assert refused.value.code == "notices.mail_refused"
    office.answer = "451 later"
    with pytest.raises(Unavailable) as failed:
        invite(ways(mailer(office)))
    assert failed.value.retryable
    for error in (refused.value, failed.value):
        assert "new@lab.example" not in str(error)
        assert "s3cret" not in str(error)
