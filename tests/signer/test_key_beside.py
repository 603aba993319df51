"""Where the next version of a key is to live, when nobody says."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from signer.keys.home import Neighbourly
from signer.keys.homes import home_of
from signer.keys.token.uri import TokenUri
from tests.signer.asking import REPOSITORY, digest
from tests.signer.hsm.softhsm import NEEDS_SOFTHSM, soft_token
from tests.signer.revoking import sign
from tests.signer.rotating import announce, events, install, standings, switch, versions
from tests.signer.running import running
from tests.signer.world import World
from verifier.verify import Verifier

P = "?module-path=/lib/x.so&pin-source=file:pin"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("file:keys/release.pem", "file:keys/release-3.pem"),
        ("file:keys/release-2.pem", "file:keys/release-3.pem"),
        ("file:/etc/a.b/release", "file:/etc/a.b/release-3"),
        ("file:.hidden", "file:.hidden-3"),
        (
            "file:k.key?passphrase-source=credential:k",
            "file:k-3.key?passphrase-source=credential:k",
        ),
        (f"pkcs11:token=t;object=r{P}", f"pkcs11:token=t;object=release-3{P}"),
        (f"pkcs11:id=%01;token=t;type=private{P}", f"pkcs11:token=t;object=release-3{P}"),
        (f"pkcs11:token=t;id=%01{P}&public-key=r.pub", f"pkcs11:token=t;object=release-3{P}"),
        ("openbao://h/t/keys/r?version=2&auth=a", "openbao://h/t/keys/r?version=3&auth=a"),
        ("openbao://h/t/keys/r?auth=a", ""),
        ("file:a?b", ""),
    ],
)
def test_beside(uri: str, expected: str) -> None:
    """
    The next version is to live where the present one does, under a name or number of its own.
    """
    home, rest = home_of(uri)
    found = cast("Neighbourly", home).beside(rest, "release", 3)

    assert expected == (f"{uri.partition(':')[0]}:{found}" if found else "")
    if expected.startswith("pkcs11:"):
        assert "release-3" == TokenUri.parse(found).label


@NEEDS_SOFTHSM
def test_into_a_token_and_on(world: World, tmp_path: Path) -> None:
    """
    A key moves from a file into a token, rotates there, and all that it signed counts.
    """
    home = tmp_path / "hsm"
    home.mkdir()
    with soft_token(home) as token:
        with running(world) as service:
            signed = [sign(service, 0)]
            announce(service, uri=token.uri("object=release-2"))
            for n in (1, 2):
                install(service)
                switch(service)
                signed.append(sign(service, n))
                announce(service)
            shown = versions(service)
            said = [one["attributes"] for one in events(service, "key-added").values()]
        with running(world) as service:
            signed.append(sign(service, 3))
            found = standings(service)

    assert ["true"] * 3 == [one["CKA_NEVER_EXTRACTABLE"] for one in said]
    assert "object=release-3" in shown["release@3"].uri
    assert "pkcs11" == shown["release@3"].attributes["home"]
    assert ["replaced", "replaced", "active", "announced"] == [
        standing for label, standing in found.items() if label.startswith("release")
    ]
    verifier = Verifier(world.trust)
    for n, answer in enumerate(signed):
        verifier.verify(answer.bundle(), digest(n), REPOSITORY)
