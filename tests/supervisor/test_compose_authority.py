"""What a weft.yaml says of the certificate authority."""

import json
from pathlib import Path

from weft.supervisor.compose import decode

FILE = Path("/srv/app/weft.yaml")
TEXT = """
x-weft:
  ca: {folder: cacerts, rootLifetime: 720h, keyType: ECDSA-P384, vault: {address: "https://v", role: w, tokenFile: /run/token}}
services:
  a: {command: a}
"""


def test_files_of_an_authority_are_beside_the_file() -> None:
    """Relative paths begin at its folder; the rest is passed on as it is written."""
    application = decode(TEXT, FILE, environ={}).application
    assert application is not None
    assert json.loads(application.authority) == {
        "folder": "/srv/app/cacerts",
        "rootLifetime": "720h",
        "keyType": "ECDSA-P384",
        "vault": {"address": "https://v", "role": "w", "tokenFile": "/run/token"},
    }


def test_what_it_cannot_be_is_said_with_its_line() -> None:
    """Another kind of key, and a field that there is not."""
    found = decode(TEXT.replace("ECDSA-P384", "DSA").replace("role:", "rolle:"), FILE, environ={})
    assert found.application is None and {each.line for each in found.findings} == {3}
