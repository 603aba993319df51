"""Logging in to a real OpenBao: three ways, and never twice with what was refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from signer.keys import CheckedKey
from signer.keys.transit import login
from signer.keys.transit.client import Client
from signer.keys.transit.lease import Lease
from signer.keys.transit.login import AppRoleLogin, Token
from tests.signer.asking import eventually, refused
from tests.signer.openbao.conftest import Open
from tests.signer.openbao.server import Bao, Issuer, secret
from verifier.errors import SealbookError
from verifier.publickey import Key

APPROLE = "auth=approle&role-id-source=file:role-id&secret-id-source=file:secret-id"
JWT = "auth=jwt&role=sealbook&jwt-file=jwt"


def lease_of(key: CheckedKey) -> Lease:
    """Return the lease with which a key is used."""
    lease: Lease = key._key._access.lease  # type: ignore[attr-defined]
    return lease


def _takes(bao: Bao, token: Token) -> bool:
    """Whether the server still takes a token."""
    answer = bao._client.get(
        f"http://{bao.plain}/v1/auth/token/lookup-self", headers={"x-vault-token": token.text}
    )
    return answer.is_success


@pytest.fixture
def approle(bao: Bao, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Make an AppRole, and write its credentials into files."""

    def make(**role: object) -> Path:
        settings = {"token_policies": "signs", "token_ttl": "1h", **role}
        bao.write("auth/approle/role/sealbook", **settings)
        role_id = bao.read("auth/approle/role/sealbook/role-id")["role_id"]
        made = bao.write("auth/approle/role/sealbook/secret-id")["data"]
        secret(tmp_path / "role-id", role_id + "\n")
        return secret(tmp_path / "secret-id", made["secret_id"] + "\n")

    yield make
    bao.call("DELETE", "auth/approle/role/sealbook")


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> list[Token]:
    """The tokens that logins by AppRole gave."""
    made: list[Token] = []
    log_in = AppRoleLogin.log_in

    def counted(self: AppRoleLogin, client: Client, credentials: tuple[str, ...]) -> Token:
        made.append(log_in(self, client, credentials))
        return made[-1]

    monkeypatch.setattr(AppRoleLogin, "log_in", counted)
    return made


@pytest.fixture
def jwt(bao: Bao, tmp_path: Path) -> Callable[[str], None]:
    """Make a role for JWTs, and write one as Kubernetes does: behind a link that is turned."""
    bao.write(
        "auth/jwt/role/sealbook",
        role_type="jwt",
        user_claim="sub",
        bound_audiences=["bao"],
        bound_subject="sealbook",
        token_policies="signs",
        token_ttl="3s",
        token_type="batch",
    )

    def write(text: str) -> None:
        turn = tmp_path / f"turn-{time.monotonic_ns()}"
        turn.write_text(text)
        (tmp_path / "link").symlink_to(turn.name)
        (tmp_path / "link").rename(tmp_path / "jwt")

    return write


def test_approle(bao: Bao, opened: Open, approle: Callable[..., Path], logins: list[Token]) -> None:
    """
    A role and its password let a key sign, with one token that is given back in the end.
    """
    approle()
    key = opened(bao.key("approle"), APPROLE)
    for _ in range(20):
        key.public.verify(key.sign(b"message"), b"message")
    [token] = logins

    assert _takes(bao, token)
    key.close()
    eventually(lambda: not _takes(bao, token))


def test_token_is_not_given_back(bao: Bao, opened: Open) -> None:
    """
    A token that somebody else made is theirs, and outlives the key.
    """
    key = opened(bao.key("lent"))
    token = lease_of(key).token
    key.close()

    assert _takes(bao, token)


def test_jwt(bao: Bao, opened: Open, jwt: Callable[[str], None]) -> None:
    """
    A workload's JWT lets a key sign; when the token ends, the JWT of that time is presented.
    """
    issuer = Issuer(bao)
    jwt(issuer.jwt())
    key = opened(bao.key("jwt"), JWT)
    first = lease_of(key).token
    jwt(issuer.jwt(turned=True) + "\n")
    eventually(lambda: lease_of(key).token is not first)

    key.public.verify(key.sign(b"message"), b"message")
    jwt(issuer.jwt(aud="other"))
    second = lease_of(key).token
    eventually(lambda: not _takes(bao, second) and not _takes(bao, lease_of(key).token))
    refused("key-unavailable", lambda: key._key.sign(b"message"))


@pytest.mark.parametrize(
    "claims",
    [{"aud": "other"}, {"sub": "other"}, {"lifetime_s": -600}],
    ids=["audience", "subject", "expired"],
)
def test_jwt_of_others(
    bao: Bao, opened: Open, jwt: Callable[[str], None], claims: dict[str, object]
) -> None:
    """
    A JWT that the server does not take opens no key, and is not shown.
    """
    text = Issuer(bao).jwt(**claims)  # type: ignore[arg-type]
    jwt(text)
    error = refused("key-access", lambda: opened(bao.key("jwt"), JWT))

    assert "JWT" in error.message
    assert not any(part in error.message for part in text.split("."))


def test_token_lives_on(bao: Bao, opened: Open, approle: Callable[..., Path]) -> None:
    """
    A token is renewed while it can be, and then had anew; all the time the key signs.
    """
    approle(token_ttl="3s", token_max_ttl="6s")
    key = opened(bao.key("lives"), APPROLE)
    first = lease_of(key).token
    since = time.monotonic()

    def is_another() -> bool:
        key.public.verify(key.sign(b"message"), b"message")
        time.sleep(0.05)
        return lease_of(key).token is not first

    eventually(is_another)
    assert time.monotonic() - since > first.lease_s  # it could not have lived without a renewal


def test_token_of_others_is_renewed(bao: Bao, opened: Open, tmp_path: Path) -> None:
    """
    A token from a file is renewed too, though nobody signs.
    """
    secret(tmp_path / "short", bao.token(ttl="3s"))
    key = opened(bao.key("renewed"), "auth=token&token-source=file:short")
    first = bao.write("auth/token/lookup", token=lease_of(key).token.text)["data"]["expire_time"]

    def renewed() -> bool:
        found = bao.write("auth/token/lookup", token=lease_of(key).token.text)["data"]
        return bool(found["expire_time"] != first)

    eventually(renewed)


def test_revoked(bao: Bao, opened: Open, approle: Callable[..., Path], logins: list[Token]) -> None:
    """
    When a token is revoked, one login follows, and none of those who sign notices.
    """
    approle()
    key = opened(bao.key("revoked"), APPROLE)
    bao.write("auth/token/revoke", token=logins[0].text)
    with ThreadPoolExecutor(8) as pool:
        signatures = [*pool.map(lambda _: key.sign(b"message"), range(40))]

    for signature in signatures:
        key.public.verify(signature, b"message")
    assert 2 == len(logins)


def test_token_file_replaced(bao: Bao, opened: Open, tmp_path: Path) -> None:
    """
    A token that ended is not the end: the one that is put into its place is used.
    """
    path = secret(tmp_path / "short", bao.token())
    key = opened(bao.key("replaced"), "auth=token&token-source=file:short")._key
    bao.write("auth/token/revoke", token=path.read_text())
    refused("key-unavailable", lambda: key.sign(b"message"))
    secret(path, bao.token())

    eventually(lambda: _signs(key))


def _signs(key: Key) -> bool:
    try:
        return bool(key.sign(b"message"))
    except SealbookError:
        return False


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("s.nobody", "key-access"),
        ("two\nlines", "key-passphrase"),
        ("nön", "key-passphrase"),
        ("", "key-passphrase"),
        (None, "key-file"),
    ],
)
def test_no_token(bao: Bao, opened: Open, tmp_path: Path, content: str | None, code: str) -> None:
    """
    What is no token, or none that the server knows, opens no key and is not shown.
    """
    if content is None:
        (tmp_path / "token").unlink()
    else:
        secret(tmp_path / "token", content)
    error = refused(code, lambda: opened(bao.key("no-token")))

    assert not content or content not in f"{error.message} {error.hint}"


def test_typed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    What somebody typed is kept for later logins; a file is read again.
    """
    asked: list[str] = []

    def read(text: str, base: Path, what: str) -> bytes:
        asked.append(text)
        return f"{what} {len(asked)}".replace(" ", "-").encode()

    monkeypatch.setattr(login, "read_source", read)
    settings = {"role-id-source": "file:role-id", "secret-id-source": "prompt"}
    approle = AppRoleLogin("approle", settings, tmp_path)
    first, second = approle.credentials(), approle.credentials()

    assert ["file:role-id", "prompt", "file:role-id"] == asked
    assert first[0] != second[0]
    assert first[1] == second[1]


def test_readable_token(bao: Bao, opened: Open, tmp_path: Path) -> None:
    """
    A token that others can read is refused before it is used.
    """
    (tmp_path / "token").chmod(0o644)

    refused("key-file-permissions", lambda: opened(bao.key("readable")))


def test_wrong_password_is_presented_once(
    bao: Bao, opened: Open, approle: Callable[..., Path]
) -> None:
    """
    A refused password is not presented again: the server would lock the role for all.
    """
    path = approle()
    good = path.read_text()
    secret(path, "7ad63fd2-fc28-5e1f-b1a2-0123456789ab")
    name = bao.key("password")
    for _ in range(8):
        refused("key-access", lambda: opened(name, APPROLE))
    secret(path, good)

    key = opened(name, APPROLE)
    key.public.verify(key.sign(b"message"), b"message")
    assert AppRoleLogin.REFUSED_S * 5 > 15 * 60  # tried for ever, it is never the fifth in time


def test_no_right_to_sign(
    bao: Bao, opened: Open, approle: Callable[..., Path], logins: list[Token]
) -> None:
    """
    A token that may look and not sign opens no key, and says what a policy would have to allow.
    """
    approle(token_policies="reads")
    name = bao.key("rightless")
    error = refused("key-unavailable", lambda: opened(name, APPROLE))

    assert f"sign/{name}" in error.message
    assert "permission denied" in error.message
    assert 2 == len(logins)


def test_right_taken(
    bao: Bao, opened: Open, approle: Callable[..., Path], logins: list[Token]
) -> None:
    """
    While a policy forbids what it allowed, a few logins look for help, and then all goes on.
    """
    approle(token_policies="varies")
    policy = bao.read("sys/policies/acl/signs")["policy"]
    bao.write("sys/policies/acl/varies", policy=policy)
    key = opened(bao.key("taken"), APPROLE)._key
    bao.write("sys/policies/acl/varies", policy=policy.replace("update", "deny"))
    for _ in range(80):
        assert not _signs(key)
        time.sleep(0.02)
    bao.write("sys/policies/acl/varies", policy=policy)

    eventually(lambda: _signs(key))
    assert len(logins) <= 6  # at opening, at once, and 2, 6, 14 and 30 s later


def test_closed(bao: Bao, opened: Open, approle: Callable[..., Path], logins: list[Token]) -> None:
    """
    Keys that are closed leave no thread behind and no token, and sign no more.
    """
    approle()
    name = bao.key("closed")
    threads = threading.active_count()
    for _ in range(5):
        key = opened(name, APPROLE)
        key.sign(b"message")
        key.close()
        refused("key-unavailable", lambda key=key: key.sign(b"message"))  # type: ignore[misc]

    eventually(lambda: threading.active_count() <= threads)
    assert 5 == len(logins)
    eventually(lambda: not any(_takes(bao, token) for token in logins))


def test_secrets_are_not_told(bao: Bao, opened: Open, approle: Callable[..., Path]) -> None:
    """
    Neither a token nor a password is in what a key says of itself.
    """
    path = approle()
    key = opened(bao.key("untold"), APPROLE)
    lease = lease_of(key)
    told = repr([key, key._key, lease, lease.token, lease._login, dict(key.attributes)])

    assert lease.token.text not in told
    assert path.read_text().strip() not in told
