"""`sealbook config check`: all that a start would load, and what it means in sentences."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from signer.config.lines import line_of
from tests.signer.agreeing import people, protect
from tests.signer.config.changing import add
from tests.signer.config.gated import GATE, gated
from tests.signer.running import running
from tests.signer.world import World, found_in

ISSUER = (
    '[issuers.gitlab]\nissuer = "https://gitlab.bank.example"\naudience = "sealbook"\n'
    'preset = "gitlab"\njwks_file = "jwks.json"\n'
)
BOUND = (
    '[[bindings]]\nrole = "developer"\nrepository = "harbor.bank/{namespace_path}/**"\n'
    'issuer = "gitlab"\nclaims = { namespace_id = "4711" }\nfrom = ["10.0.0.0/8"]\n'
)
AUDITOR = (
    '[[bindings]]\nrole = "auditor"\ncertificate = "spiffe://bank.example/auditor"\npeople = true\n'
)
RUNTIME = '[[bindings]]\nrole = "runtime"\nfrom = ["10.30.0.0/16"]\n'
JWKS = '{"keys":[]}'


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A founded service, to be copied from."""
    return found_in(tmp_path_factory.mktemp("founded") / "service")


@pytest.fixture
def copied(founded: World, tmp_path: Path) -> World:
    """A copy of it."""
    shutil.copytree(founded.directory, tmp_path / "service")
    return World(tmp_path / "service")


def checked(world: World, *words: object) -> str:
    """Return what is said about a configuration, which has to be good."""
    done = world.command("config", "check", *words)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def not_good(world: World, code: str) -> str:
    """Check that a configuration is refused, and return what is said about it."""
    done = world.command("config", "check", "--json")
    assert 1 == done.returncode
    told = json.loads(done.stdout)
    assert code == told["error"], done.stderr
    return f"{told['message']}\n{told['hint']}"


def test_who_may_do_what(copied: World) -> None:
    """
    Each binding is a sentence: who, from where, as what, in which place, and what that may.
    """
    (copied.directory / "jwks.json").write_text(keys_of_an_issuer())
    add(copied, ISSUER + BOUND + AUDITOR + RUNTIME)
    text = checked(copied)

    assert (
        "Who has a token of gitlab with namespace_id '4711', from 10.0.0.0/8, is developer in "
        "harbor.bank/{namespace_path}/** (bindings.0): may sign, attest, read, fetch and watch."
    ) in text
    assert (
        "The holder of the certificate spiffe://bank.example/auditor (a person), is auditor "
        "everywhere (bindings.1): may read,"
    ) in text
    assert (
        "Whoever calls from 10.30.0.0/16, is runtime everywhere (bindings.2): may fetch and report."
    ) in text
    assert "gitlab is https://gitlab.bank.example" in text
    assert "live at most 1 hour" in text


def keys_of_an_issuer() -> str:
    """Return a key set that an issuer may have."""
    from joserfc.jwk import ECKey, KeySet

    key = ECKey.generate_key("P-256", {"kid": "one", "use": "sig", "alg": "ES256"})
    return json.dumps(KeySet([key]).as_dict(private=False))


def test_what_takes_more(tmp_path: Path) -> None:
    """
    What others agree to, and what gates demand, is said with who.
    """
    world = gated(tmp_path / "service", GATE)
    people(world)
    protect(world, '[[protected]]\nunder = "registry.bank/payments"\napprovals = 2\n')
    protect(world, '[[protected]]\nunder = "registry.bank/core"\npipelines_only = true\n')
    protect(world, "[key_changes]\napprovals = 1\n")
    text = checked(world)

    assert "under registry.bank/payments needs 2 of alice, bob or carol to agree." in text
    assert "No person signs under registry.bank/core, whoever agrees." in text
    assert "Nothing is approved under registry.bank/payments unless a scan is logged" in text
    assert "What is done to keys needs 1 of alice, bob or carol to agree, besides who asks." in text
    assert "note: the trust file pins no policy" in text


def test_as_founded(copied: World) -> None:
    """
    A new service says what is open in it, and nothing is.
    """
    told = json.loads(checked(copied, "--json"))
    text = "\n".join(sentence for one in told["paragraphs"] for sentence in one)

    assert "without TLS, on this machine alone" in text
    assert "Nobody has a role by this file." in text
    assert "Key release approves (ecdsa-p256 " in text
    assert str(copied.config) == told["file"]


def test_another_file(copied: World) -> None:
    """
    A file that is to come is checked before it takes the place of the present one.
    """
    text = copied.config.read_text()
    (copied.directory / "new.toml").write_text(text.replace("[access]\n", "[access]\nallow = []\n"))

    assert "Nobody may connect" in checked(copied, "new.toml")
    assert "Nobody may connect" not in checked(copied)


def test_beside_a_service(world: World) -> None:
    """
    It may be asked while the service runs, and changes nothing.
    """
    with running(world) as service:
        before = service.tree_size
        checked(world)

        assert before == service.tree_size


@pytest.mark.parametrize(
    ("rules", "code", "said"),
    [
        ("[oops]\n", "config", "oops: Extra inputs are not permitted (line {end})"),
        ("[warn]\ndays = 0\n", "config", "warn.days: "),
        ("[warn]\n\ndays = 400\n", "config", "(line {end+2})"),
        (
            BOUND,
            "config",
            "bindings.0: expected an issuer of [issuers], found 'gitlab' (line {end})",
        ),
        (RUNTIME + RUNTIME.replace("runtime", "developer"), "config", "bindings.1: "),
        (ISSUER + BOUND, "config", "jwks.json"),
        ("[approvers.eve]\nkey = 'eve.pub'\n", "config", "eve.pub"),
        ("[approvers.eve]\nkey = 'release.pub'\n", "config", "approver eve"),
        ("[[protected]]\nunder = 'a.example'\napprovals = 1\n", "config", "0 approvers"),
        ("[[gates]]\nunder = 'a.example'\ndemand = ['requester']\n", "config", "trust.policy"),
        ("[signing.keys.qa]\nuri = 'file:keys/qa.pem'\n", "key-file", "qa.pem"),
        ("[warn]\ndays = 31\n[warn]\n", "config", "line "),
    ],
)
def test_what_is_wrong(copied: World, rules: str, code: str, said: str) -> None:
    """
    What would keep a service from starting is refused with file, setting and line.
    """
    end = copied.config.read_text().count("\n") + 2
    add(copied, rules)
    said = said.replace("{end+2}", str(end + 2)).replace("{end}", str(end))
    told = not_good(copied, code)

    assert said in told
    if code == "config" and "(line" in said:
        assert told.startswith("sealbook.toml: ")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('token = "token"', 'token = "none"', "key-file"),
        ('event = "file:keys/event.pem"', 'event = "file:keys/status.pem"', "key-purpose"),
        ('seal = "keys/seal"', 'seal = "keys/log.pem"', "key-file"),
        ('issuer = "certificates/issuer.pem"', 'issuer = "trust.json"', "config"),
        ('trust = "trust.json"', 'trust = "none.json"', "config"),
        ("[listen]\n", '[listen]\ntls_certificate = "no.pem"\ntls_key = "no.key"\n', "key-file"),
        ('# policy = "', 'policy = "', "config"),
        ('directory = "ledger"', 'directory = "none"', "ledger-missing"),
    ],
)
def test_whatever_a_start_loads(copied: World, old: str, new: str, code: str) -> None:
    """
    Keys, certificates, trust file, policy and ledger are looked at, each with a start's own code.
    """
    copied.edit(old, new)

    not_good(copied, code)


def test_key_encryption_key(world: World) -> None:
    """
    What opens what is encrypted is there, and is the one that it was; nothing is made by asking.
    """
    kek = world.directory / "keys" / "kek"
    add(world, '[at_rest]\nkey = "file:keys/kek"\n')
    not_good(world, "key-file")
    kek.touch(0o600)
    kek.write_bytes(b"k" * 32)
    before = files(world)
    assert "Encrypted where they are stored: bodies of attestations and records" in checked(world)
    assert before == files(world)
    with running(world):
        pass
    checked(world)
    kek.write_bytes(b"l" * 32)
    not_good(world, "at-rest-key")
    world.edit("[at_rest]\nkey", "[[bindings]]\nfrom = ['10.0.0.0/8']\nrole = 'runtime' #")
    not_good(world, "data-keys")


def files(world: World) -> set[Path]:
    """Return all that is there, but for what SQLite makes to read."""
    return {path for path in world.directory.rglob("*") if not path.name.startswith("ledger.db-")}


TOML = """\
origin = "x"
[signing]
default_key = "release"
[signing.keys.release]  # a comment
uri = "file:x"
[[bindings]]
role = "a"
[[bindings]]
repository = "b"
from = []
[witnesses]
at.auditor.url = "x"
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("origin",), 1),
        (("signing", "default_key"), 3),
        (("signing", "keys", "release"), 4),
        (("signing", "keys", "release", "uri"), 5),
        (("signing", "keys", "release", "forms"), 4),
        (("bindings", 0, "role"), 7),
        (("bindings", 1, "role"), 8),
        (("bindings", 1, "from", 0), 10),
        (("witnesses", "at", "auditor", "url"), 12),
        (("nowhere",), None),
        ((), None),
    ],
)
def test_line(place: tuple[str | int, ...], line: int | None) -> None:
    """
    A place is found by its line, or by that of the section where it should be.
    """
    assert line == line_of(TOML, place)
