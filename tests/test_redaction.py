"""What looks like a secret, and what does not."""

import pytest

from weft.redaction import REDACTED, redacted, redacted_object

PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIB\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    "text",
    [
        PEM,
        PEM[:40],
        "Authorization: Bearer abcdefgh12345678",
        "token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqbyJ9.c2lnbmF0dXJl here",
        "postgres://jo:hunter22@db:5432/shop",
        "password=hunter22",
        'client_secret: "hunter22 and more"',
        '{"apiKey":"hunter22"}',
    ],
)
def test_secrets_go(text: str) -> None:
    """Nothing of them is left."""
    left = redacted(text)
    assert REDACTED in left
    assert not any(word in left for word in ("hunter22", "MHcCAQ", "abcdefgh", "eyJ"))


@pytest.mark.parametrize(
    "text",
    ["GET /tokens 200", "the secret default/edge cannot be used", "outbound|9080||reviews", "x-token: ", "credentialName: edge"],
)
def test_plain_words_stay(text: str) -> None:
    """What only speaks of secrets is left as it is."""
    assert redacted(text) == text


def test_a_secret_keeps_its_names() -> None:
    """What it holds is gone, also where kubectl wrote it down; other objects keep all but fields of telling names."""
    notes = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "a"}
    held = {"kind": "Secret", "metadata": {"name": "edge", "annotations": notes}, "data": {"tls.key": "QUJD"}}
    assert redacted_object(held) == {
        "kind": "Secret",
        "metadata": {"name": "edge", "annotations": {"team": "a"}},
        "data": {"tls.key": REDACTED},
    }
    other = {"kind": "EnvoyFilter", "spec": [{"password": "x", "inlineBytes": "y", "name": "z"}, 7]}
    assert redacted_object(other) == {
        "kind": "EnvoyFilter",
        "spec": [{"password": REDACTED, "inlineBytes": REDACTED, "name": "z"}, 7],
    }
