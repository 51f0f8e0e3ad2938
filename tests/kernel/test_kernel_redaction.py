"""What looks like a secret is taken out of logs and traces; what does not stays readable."""

from __future__ import annotations

import pytest

from yunhe.kernel.redaction import redacted

KEY_ID = "01kac8b0x7d5m3q9r2s4t6v8wy"
HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (f"key yk_{KEY_ID}_{HEX} used", f"key yk_{KEY_ID}_*** used"),
        (f"ys_{KEY_ID}_{HEX}", f"ys_{KEY_ID}_***"),
        ("postgresql://yunhe:p%40ss@db:5432/x", "postgresql://yunhe:***@db:5432/x"),
        ("smtps://mail:with@sign@host", "smtps://mail:***@host"),
        ("redis://:only-password@host", "redis://:***@host"),
        ("Authorization: Bearer abcdef.ghi-jkl", "Authorization: Bearer ***"),
        ("authorization=Basic dXNlcjpwYXNz", "authorization=Basic ***"),
        (f"sess_{KEY_ID}_{HEX[:43]}", f"sess_{KEY_ID}_***"),
        ("got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl", "got ***"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"),
        ("password=hunter2hunter2&x=1", "password=***&x=1"),
        ('{"client_secret": "s3cr3t-value"}', '{"client_secret": "***"}'),
        ("YUNHE_SECRETS_KEY=AAECAwQFBgc=", "YUNHE_SECRETS_KEY=***"),
        ("?code_verifier=abcdefgh&state=1", "?code_verifier=***&state=1"),
        (
            "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----",
        ),
        ("-----BEGIN RSA PRIVATE KEY-----\ncut off", "-----BEGIN RSA PRIVATE KEY-----***"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(said, left):
    assert redacted(said) == left
    assert redacted(left) == left


@pytest.mark.parametrize(
    "said",
    [
        "run_01kac8b0x7d5m3q9r2s4t6v8wy finished in 12 ms",
        "sha256:" + "ab" * 32,
        "http://127.0.0.1:8420/v1/routes",
        "see https://example.org/a:b@c/ for more",
        "postgresql://yunhe@db/x",
        "/srv/yunhe/keys/secrets.key",
        "secrets_key_file=/etc/yunhe/key",
        "the bearer of this letter",
        "浏览 1,234 份文件",
        "10:15:00 user@host",
        "http://127.0.0.1:8420/v1/members?mail=a@example.org",
        "Basic settings are kept",
    ],
)
def test_what_is_none_stays(said):
    assert redacted(said) == said
