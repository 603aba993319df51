"""`sealbook init`: a whole service where nothing was, or nothing at all."""

from __future__ import annotations

import json
import re
import tomllib
from base64 import b64decode
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from signer.authority.chains import read_issuer, read_signer, read_timestamper
from signer.config import Config
from signer.founding import found
from signer.keys.memory import MemoryKey
from signer.keys.secret_files import write_secret
from tests.signer.asking import ORIGIN, REPOSITORY, digest
from tests.signer.commands import check_refused, free_address, one, sealbook, spawn
from tests.signer.running import running
from tests.signer.world import World, found_in, init
from verifier.entry import certified_key
from verifier.publickey import PublicKey
from verifier.trust.listed import Authority
from verifier.trusted_root import trusted_root

KEYS = (
    "log",
    "log-post-quantum",
    "promise",
    "event",
    "status",
    "release",
    "attest",
    "timestamp",
    "issuer",
    "transparency",
    "root",
    "trust-root",
)


def test_init(tmp_path: Path) -> None:
    """
    A new service has keys that nobody else can read, and says what to do next.
    """
    world = init(tmp_path / "service")
    done = spawn("init", tmp_path / "other")
    modes = {
        str(path.relative_to(world.directory)): path.stat().st_mode & 0o777
        for path in world.directory.rglob("*")
    }

    assert f"cd {tmp_path / 'other'} && sealbook serve" in done.stdout
    assert {f"keys/{name}.pem" for name in KEYS} | {"keys/seal"} == {
        name for name in modes if name.startswith("keys/")
    }
    assert {0o600} == {mode for name, mode in modes.items() if name.startswith("keys/")}
    secrets = ("token", "append-token", "signing_config.json", "ledger/ledger.db", "anchor/anchor")
    assert {0o600} == {modes[name] for name in secrets}
    assert 0o700 == modes["keys"] == modes["ledger"] == world.directory.stat().st_mode & 0o777
    assert world.trust.keys
    check_refused(sealbook("init", world.directory), "config")
    assert (world.directory / "token").read_text().strip() == world.token


def test_init_makes_authorities(tmp_path: Path) -> None:
    """
    A new service has certificates for whatever it does, as other clients demand them, and both
    trust files name them.
    """
    world = init(tmp_path / "service")
    certificates, trust = world.directory / "certificates", world.trust
    timestamp = read_timestamper(certificates / "timestamp.pem")
    issuer = read_issuer(certificates / "issuer.pem")
    release = read_signer(certificates / "release.pem")
    keys = {name: MemoryKey.load(world.directory / "keys" / f"{name}.pem").public for name in KEYS}

    assert (
        Authority("timestamp", timestamp),
        Authority("certificate", issuer),
        Authority("transparency", (keys["transparency"].spki,)),
        Authority("notation", release[1:]),
    ) == trust.authorities
    assert [keys["timestamp"], keys["issuer"], keys["release"]] == [
        certified_key(chain[0]) for chain in (timestamp, issuer, release)
    ]
    assert {keys["root"]} == {certified_key(chain[-1]) for chain in (timestamp, issuer, release)}
    alone = x509.load_pem_x509_certificates((certificates / "root.pem").read_bytes())
    assert [release[-1]] == [one.public_bytes(Encoding.DER) for one in alone]
    assert trusted_root(trust) == (world.directory / "trusted_root.json").read_bytes()
    root = json.loads(trusted_root(trust))
    for field, chain in (
        ("certificateAuthorities", issuer),
        ("timestampAuthorities", timestamp),
    ):
        [authority] = root[field]
        raw = [b64decode(one["rawBytes"]) for one in authority["certChain"]["certificates"]]
        assert list(chain) == raw
    [seen] = root["ctlogs"]
    assert keys["transparency"].spki == b64decode(seen["publicKey"]["rawBytes"])
    assert {"https://ledger.example"} == {log["baseUrl"] for log in root["tlogs"]}


def test_init_lets_cosign_upload(tmp_path: Path) -> None:
    """
    The signing configuration names the service with the token of those who may append, which is
    neither the callers' token nor in any file that the service hands out.
    """
    world = init(tmp_path / "service")
    append_token = (world.directory / "append-token").read_text().strip()
    [log] = json.loads((world.directory / "signing_config.json").read_bytes())["rekorTlogUrls"]
    http = tomllib.loads(world.config.read_text())["listen"]["http"]
    public = [world.directory / name for name in ("trust.json", "trusted_root.json")]

    assert f"http://append:{append_token}@{http}" == log["url"]
    assert 2 == log["majorApiVersion"]
    assert append_token.startswith("sealbook_append_")
    assert append_token != world.token
    for path in public:
        assert append_token not in path.read_text()


def test_init_hands_out_public_keys(tmp_path: Path) -> None:
    """
    Public keys lie in files of their own for clients who want one key, and each purpose has its.
    """
    world = init(tmp_path / "service")
    for name in ("release", "attest", "promise"):
        key = MemoryKey.load(world.directory / "keys" / f"{name}.pem").public
        assert key == PublicKey.from_pem((world.directory / f"{name}.pub").read_bytes())
    purposes = {key.name: key.purpose for key in world.trust.keys.values()}

    assert {
        "release": "approve",
        "attest": "attest",
        "event": "event",
        "status": "status",
    } == purposes


def test_init_makes_what_podman_and_cosign_read(tmp_path: Path) -> None:
    """
    A new service makes a bundle and the legacy form of each approval when none is named.
    """
    found(tmp_path / "service", "ledger.example")
    signing = Config.load(tmp_path / "service" / "sealbook.toml").signing

    assert ("bundle", "simplesigning") == signing.keys["release"].forms
    assert ("approve", "attest") == tuple(signing.keys[n].purpose for n in ("release", "attest"))
    assert ("release", "attest") == (signing.default_key, signing.default_attest_key)


def test_init_as_json(tmp_path: Path) -> None:
    """
    Machines are told in JSON what was made, or what refused.
    """
    done = sealbook("init", tmp_path / "service", "--json")
    again = sealbook("init", tmp_path / "service", "--json")

    assert {"directory": str(tmp_path / "service"), "origin": "ledger.local"} == one(done)
    assert (1, "config") == (again.returncode, one(again)["error"])


@pytest.mark.parametrize("where", ["file", "file/below", "keys", "token", "trust", "ledger"])
def test_init_where_something_is(tmp_path: Path, where: str) -> None:
    """
    A service is not made where something else is, and that is left as it was.
    """
    for name in ("file", "token/token", "trust/trust.json", "ledger/ledger/ledger.db"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    (tmp_path / "keys" / "keys").mkdir(parents=True)
    before = {path: path.is_dir() or path.read_text() for path in tmp_path.rglob("*")}
    check_refused(sealbook("init", tmp_path / where), "config")

    assert before == {path: path.is_dir() or path.read_text() for path in tmp_path.rglob("*")}


@pytest.mark.parametrize(
    "option",
    [
        ("--origin", "Ledger.example"),
        ("--grpc", "localhost:8640"),
        ("--http", '127.0.0.1:1"\nx = "'),
        ("--keys", "none"),
    ],
    ids=lambda option: option[0],
)
def test_init_with_bad_option(tmp_path: Path, option: tuple[str, str]) -> None:
    """
    What no service could be made with or started with is refused, and nothing is made.
    """
    done = sealbook("init", "service", *option, cwd=tmp_path)

    check_refused(done, "key-file" if option[0] == "--keys" else "config")
    assert [] == list(tmp_path.iterdir())


def test_init_with_keys(tmp_path: Path) -> None:
    """
    A service can be made with keys that are there already; they are copied, and certified anew.
    """
    first = found_in(tmp_path / "first")
    done = sealbook("init", tmp_path / "second", "--keys", first.directory / "keys")
    second = World(tmp_path / "second")

    assert 0 == done.returncode, done.stderr
    assert set(first.trust.keys) == set(second.trust.keys)
    assert first.token != second.token
    for name in KEYS:
        path = Path("keys") / f"{name}.pem"
        assert (first.directory / path).read_bytes() == (second.directory / path).read_bytes()
        assert 0o600 == (second.directory / path).stat().st_mode & 0o777
    path = second.directory / "certificates" / "issuer.pem"
    assert (
        certified_key(read_issuer(path)[-1])
        == MemoryKey.load(first.directory / "keys" / "root.pem").public
    )


def test_init_seals_keys(tmp_path: Path) -> None:
    """
    With a passphrase no private key lies on the disk as it is, and the service starts with them.
    """
    secret = tmp_path / "passphrase"
    write_secret(secret, b"correct horse battery staple\n")
    directory = tmp_path / "service"
    made = ("--origin", ORIGIN, "--grpc", free_address(), "--http", free_address())
    done = sealbook("init", directory, *made, "--passphrase-source", f"file:{secret}")
    keys = sorted(path.name for path in (directory / "keys").iterdir())

    assert "trust-root.key" in done.stdout
    assert sorted(["seal", *(f"{name}.key" for name in KEYS)]) == keys
    assert not any(b"PRIVATE KEY" in path.read_bytes() for path in directory.rglob("*.key"))
    with running(World(directory)) as service:
        service.verify(service.asking(lambda client: client.sign(digest(1), REPOSITORY)))


def test_init_with_a_key_that_is_there(tmp_path: Path) -> None:
    """
    A key that somebody made elsewhere takes the place of a new one, under its own URI.
    """
    (tmp_path / "hsm").mkdir(mode=0o700)
    key = MemoryKey.generate("ecdsa-p256")
    key.save(tmp_path / "hsm" / "key.pem")
    uri = f"file:{tmp_path}/hsm/key.pem"
    sealbook("init", tmp_path / "service", "--key", f"release={uri}")
    config = tomllib.loads((tmp_path / "service" / "sealbook.toml").read_text())
    trust = World(tmp_path / "service").trust

    assert uri == config["signing"]["keys"]["release"]["uri"]
    assert key.public.pem() == (tmp_path / "service" / "release.pub").read_bytes()
    assert "release" == trust.key(key.public.hint, "approve").name
    assert not (tmp_path / "service" / "keys" / "release.pem").exists()


@pytest.mark.parametrize(
    ("option", "code"),
    [
        (("--key", "release"), "bad-request"),
        (("--key", "unknown=file:x.pem"), "config"),
        (("--key", "release=file:nowhere.pem"), "key-file"),
        (("--key", "release=ftp:x"), "key-uri"),
        (("--keys", ".", "--key", "release=file:x.pem"), "bad-request"),
        (("--passphrase-source", "hunter2"), "key-passphrase"),
    ],
)
def test_init_with_a_key_that_is_not(tmp_path: Path, option: tuple[str, ...], code: str) -> None:
    """
    A key that cannot be used makes no service.
    """
    check_refused(spawn("init", tmp_path / "service", *option), code)

    assert not (tmp_path / "service" / "sealbook.toml").exists()


def test_init_comments_are_settings(tmp_path: Path) -> None:
    """
    Whatever the new configuration has as a comment is read once the comment's mark is gone.
    """
    world = init(tmp_path / "service")
    text = world.config.read_text()
    settings = re.sub(r"^# (?=\[|[a-z_.]+ = )", "", text, flags=re.MULTILINE)
    world.config.write_text(settings)
    config = Config.load(world.config)

    assert settings.count("\n# ") < text.count("\n# ") - 15
    assert ("release-pq",) == config.signing.keys["release"].also
    assert ["alice"] == list(config.approvers)
