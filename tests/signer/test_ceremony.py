"""A key ceremony: one reviewed file in, a transcript out, and whatever fails is kept too."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import labels
from signer import keys
from signer.ceremony import self_test
from signer.ceremony.checking import check
from signer.ceremony.reading import Ceremony
from signer.ceremony.running import hold, make_folder
from signer.ceremony.telling import tell
from signer.ceremony.transcript import FAILED, Transcript
from signer.keys.home import Role
from signer.keys.memory import MemoryKey
from tests.signer.asking import PATIENCE_S, refused
from tests.signer.ceremonies import FILE, SECOND, held, write
from verifier import dsse
from verifier.entry import Entry
from verifier.errors import SealbookError
from verifier.publickey import PublicKey

PEOPLE = FILE[FILE.index("[[present]]") : FILE.index("[[key]]")]
KEY = FILE[FILE.index("[[key]]") :]
ANOTHER = '[[present]]\nname = "Ada Okafor"\nrole = "observer"\n\n'
BAD_FILES = {
    "no TOML": (FILE, "nonsense"),
    "an unknown field": ('title = "', 'titel = "x"\ntitle = "'),
    "an unknown field of a key": ('purpose = "approve"', 'purpose = "approve"\ncopies = 2'),
    "an unknown field of a person": ('role = "operator"', 'role = "operator"\nage = 40'),
    "another type": ("ceremony:v1", "ceremony:v2"),
    "no title": ('title = "The approval key of 2027"', 'title = ""'),
    "a title that turns text round": ("The approval", "The \u202e approval"),
    "no date": ("date = 2026-11-26\n", ""),
    "a time": ("date = 2026-11-26", "date = 2026-11-26T10:00:00Z"),
    "an origin with a space": ("ledger.example", "ledger example"),
    "one person": (PEOPLE, PEOPLE[PEOPLE.index("\n[[present]]") :]),
    "one person twice": (PEOPLE, PEOPLE + ANOTHER),
    "nobody": (PEOPLE, ""),
    "nobody who states anything": ("statement = ", "# "),
    "no key": (FILE, "key = []\n" + FILE.removesuffix(KEY)),
    "two keys of one name": (KEY, KEY + SECOND.replace('"status-2027"', '"release-2027"')),
    "two keys in one place": (KEY, KEY + SECOND.replace("file:status", "file:release")),
    "a key's name with a space": ("release-2027", "release 2027"),
    "an unknown purpose": ('"approve"', '"everything"'),
    "an approval key for nowhere": ('scope = ["registry.example"]\n', ""),
    "a status key with a scope": ('purpose = "approve"', 'purpose = "status"'),
    "a bad scope": ('"registry.example"]', '"Registry"]'),
    "an unknown algorithm": ("ecdsa-p256", "ecdsa-p257"),
    "no URI": ("file:release-2027.key", "release-2027.key"),
    "a PIN": ("file:release-2027.key", "pkcs11:object=a?pin-value=1234"),
    "a PIN among others": ("file:release-2027.key", "pkcs11:object=a?x=1&pin-value=1234"),
    "a passphrase": ("file:release-2027.key", "file:a.key?passphrase=1234"),
    "nothing demanded": ('attributes = { home = "file" }', "attributes = {}"),
    "an attribute that is no string": ('{ home = "file" }', "{ CKA_EXTRACTABLE = false }"),
    "too long": (FILE, FILE + "#" * (64 << 10)),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file(case: str) -> None:
    """
    A file that says too little, too much, or something that may be meant in two ways is refused
    before anything is made; a secret in it is not repeated.
    """
    old, new = BAD_FILES[case]
    assert old in FILE
    said = refused("ceremony-file", lambda: Ceremony.parse(FILE.replace(old, new).encode()))

    assert "1234" not in said.message


def test_file() -> None:
    """
    A file says who is present, and which keys are to be made where and for what.
    """
    found = Ceremony.parse((FILE + SECOND).encode())

    assert ("The approval key of 2027", "2026-11-26") == (found.title, found.date)
    assert ["Ada Okafor", "Jan de Vries"] == [one.name for one in found.present]
    assert [("release-2027", "approve", ("registry.example",)), ("status-2027", "status", ())] == [
        (key.name, key.purpose, key.scope) for key in found.keys
    ]
    assert Ceremony.parse(FILE.replace("file:release-2027.key", _SOURCE).encode())


_SOURCE = "pkcs11:object=a;id=%01?pin-source=prompt&module-path=/usr/lib/x.so"


def test_held(tmp_path: Path) -> None:
    """
    A ceremony makes the keys of its file, which a service opens by the same URIs, and leaves a
    transcript that holds, its text, and the public keys.
    """
    found = held(tmp_path / "c", FILE + SECOND)
    out = tmp_path / "c" / "out"
    text = (out / "transcript.txt").read_text()

    assert found == check(
        (out / "transcript.json").read_bytes(),
        text=text.encode(),
        file=(FILE + SECOND).encode(),
    )
    assert ["release-2027.pub", "status-2027.pub", "transcript.json", "transcript.txt"] == sorted(
        path.name for path in out.iterdir()
    )
    for key in found.keys:
        public = PublicKey.from_pem((out / f"{key.name}.pub").read_bytes())
        opened = keys.open_key(key.uri, tmp_path / "c", Role(key.name, _purpose(found, key.name)))
        assert public == key.public == opened.public
        assert f"fingerprint  {public.fingerprint}" in text
    assert f"transcript  sha256 {found.sha256}" in text
    assert "Jan de Vries states: I saw every step" in text
    assert "home = file  (demanded)" in text
    assert "REHEARSAL" not in text


def _purpose(found: Transcript, name: str) -> str:
    return next(key.purpose for key in found.ceremony.keys if key.name == name)


def test_self_test(tmp_path: Path) -> None:
    """
    What a new key signs names the reviewed file, itself and the ledger, and is neither an
    approval, nor an event, nor any entry of a ledger.
    """
    found = held(tmp_path / "c")
    [wanted], [made] = found.ceremony.keys, found.keys
    message = self_test.message(found.ceremony, wanted, made.public, rehearsal=False)
    kind, payload = dsse.parse_pae(message)
    entry = Entry.of(message, made.self_test, made.public).body()

    assert "application/vnd.sealbook.ceremony+json" == kind
    said = json.loads(payload)
    assert (found.ceremony.sha256, "ledger.example") == (said["ceremony_sha256"], said["origin"])
    assert not said["rehearsal"]
    refused("malformed", lambda: labels.of(entry, message))


def _edited(found: Transcript, edit: Mapping[str, Any]) -> bytes:
    value = json.loads(found.json())
    for field, change in edit.items():
        if field in value:
            value[field] = change
        else:
            value["keys"][0][field] = change
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Transcript:
    """The transcript of a ceremony that was held."""
    return held(tmp_path_factory.mktemp("good") / "c")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Transcript:
    """The transcript of the same ceremony, held once more elsewhere."""
    return held(tmp_path_factory.mktemp("other") / "c")


EDITS = {
    "attributes": {"home": "somewhere"},
    "name": "status-2027",
    "uri": "file:elsewhere.key",
    "keys": [],
    "outcome": "begun",
    "file": FILE.replace("internal audit", "friend"),
    "type": "urn:sealbook:ceremony-transcript:v2",
    "steps": [{"at": "yesterday", "did": "", "found": ""}],
}


@pytest.mark.parametrize("field", EDITS)
def test_altered(good: Transcript, field: str) -> None:
    """
    A transcript does not hold once one of its fields says something else.
    """
    refused("ceremony-transcript", lambda: check(_edited(good, {field: EDITS[field]})))


def test_anothers_signature(good: Transcript, other: Transcript) -> None:
    """
    Neither another key nor another key's self-test fits into a transcript.
    """
    for field in ("public_key", "self_test"):
        theirs = json.loads(other.json())["keys"][0][field]
        refused("ceremony-transcript", lambda v=theirs, f=field: check(_edited(good, {f: v})))


def test_another_algorithm(good: Transcript) -> None:
    """
    A key of another algorithm than the file's does not hold, whatever it signed.
    """
    [wanted], [made] = good.ceremony.keys, good.keys
    key = MemoryKey.generate("ed25519")
    message = self_test.message(good.ceremony, wanted, key.public, rehearsal=False)
    made = made._replace(public=key.public, self_test=key.sign(message))
    said = refused("ceremony-transcript", lambda: check(good._replace(keys=(made,)).json()))

    assert "expected ecdsa-p256, found ed25519" in said.message


def test_spelling(good: Transcript) -> None:
    """
    A transcript has one spelling, so that it has one hash.
    """
    value = json.loads(good.json())
    refused("ceremony-transcript", lambda: check(json.dumps(value).encode()))
    refused("ceremony-transcript", lambda: check(_edited(good, {"note": "x"})))
    refused("ceremony-transcript", lambda: check(good.json() + b" " * (256 << 10)))


@given(st.data())
def test_hostile(good: Transcript, data: st.DataObject) -> None:
    """
    Whatever somebody does to a transcript, the check refuses it, and nothing else happens.
    """
    text = bytearray(good.json())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place : place + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=9))
    try:
        found = check(bytes(text))
    except SealbookError:
        return
    # Steps are words for people, and so is the program's name: their hash is in the ledger.
    assert (found.ceremony, found.keys) == (good.ceremony, good.keys)


def test_text_and_file(good: Transcript) -> None:
    """
    The text that people signed and the file that they reviewed are those of the transcript.
    """
    text = tell(good).replace("Jan de Vries", "Jan de Boer").encode()
    file = FILE.replace("internal audit", "audit").encode()
    refused("ceremony-transcript", lambda: check(good.json(), text=text))
    refused("ceremony-transcript", lambda: check(good.json(), file=file))


def test_rehearsal(tmp_path: Path) -> None:
    """
    A rehearsal says so wherever one looks, never passes for a ceremony, and calling it one in
    its transcript does not help: its keys signed that it was none.
    """
    found = held(tmp_path / "c", rehearsal=True)
    text = (tmp_path / "c" / "out" / "transcript.txt").read_text()

    assert found == check(found.json(), rehearsal=True, text=text.encode())
    assert 2 == text.count("R E H E A R S A L")
    assert (tmp_path / "c" / "out" / "REHEARSAL-release-2027.pub").exists()
    refused("ceremony-rehearsal", lambda: check(found.json()))
    renamed = _edited(found, {"type": "urn:sealbook:ceremony-transcript:v1"})
    refused("ceremony-transcript", lambda: check(renamed))


def test_earnest_is_no_rehearsal(good: Transcript) -> None:
    """
    Whoever expects a rehearsal is not shown a ceremony.
    """
    refused("ceremony-rehearsal", lambda: check(good.json(), rehearsal=True))


class Lying:
    """A home of keys that makes, or opens, another key than it should."""

    def __init__(self, lie: str) -> None:
        self.lie = lie
        self.key = MemoryKey.generate("ed25519" if lie == "algorithm" else "ecdsa-p256")

    def create_key(self, *_: object) -> MemoryKey:
        return self.key

    def open_key(self, *_: object) -> MemoryKey:
        return MemoryKey.generate("ecdsa-p256")


def test_lost_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A ceremony ends when its key is of another algorithm, or another one when it is opened again;
    the transcript says so, and what is left behind.
    """
    for lie, told in (("algorithm", "expected a key of ecdsa-p256"), ("another", "another one")):
        home = Lying(lie)
        monkeypatch.setattr("signer.keys.home_of", lambda uri, home=home: (home, uri))
        said = refused("ceremony-failed", lambda folder=tmp_path / lie: held(folder))
        kept = Transcript.parse((tmp_path / lie / "out" / "transcript.json").read_bytes())

        assert told in said.message
        assert "release-2027 at file:release-2027.key is not to be used" in said.hint
        assert (FAILED, said.message) == (kept.outcome, kept.failure)
        assert "NO KEY OF THIS CEREMONY MAY BE TRUSTED" in tell(kept)
        refused("ceremony-transcript", lambda kept=kept: check(kept.json()))


def test_missed_attribute(tmp_path: Path) -> None:
    """
    A key of which its home does not state what the file demands ends the ceremony, and signs
    nothing.
    """
    text = FILE.replace('home = "file"', 'CKA_EXTRACTABLE = "false"')
    said = refused("ceremony-failed", lambda: held(tmp_path / "c", text))
    kept = Transcript.parse((tmp_path / "c" / "out" / "transcript.json").read_bytes())

    assert "expected CKA_EXTRACTABLE to be 'false', found 'nothing'" in said.message
    assert b"" == kept.keys[0].self_test
    assert "self-test    NOT SIGNED" in tell(kept)


def test_key_is_there(tmp_path: Path) -> None:
    """
    A key that is there is not replaced: the ceremony ends, and what it made before is named.
    """
    before = MemoryKey.generate("ed25519")
    path = write(tmp_path / "c", FILE + SECOND)
    before.save(tmp_path / "c" / "status-2027.key")
    bytes_before = (tmp_path / "c" / "status-2027.key").read_bytes()
    make_folder(tmp_path / "out")
    ceremony = Ceremony.parse(path.read_bytes())
    said = refused("ceremony-failed", lambda: hold(ceremony, tmp_path / "out", tmp_path / "c"))

    assert "key release-2027 at file:release-2027.key is not to be used" in said.hint
    assert "key status-2027 at file:status-2027.key may be there" in said.hint
    assert bytes_before == (tmp_path / "c" / "status-2027.key").read_bytes()
    assert not (tmp_path / "out" / "status-2027.pub").exists()


def test_folder_is_not_empty(tmp_path: Path) -> None:
    """
    The folder of a ceremony that was held is not used again.
    """
    found = held(tmp_path / "c")
    out = tmp_path / "c" / "out"
    refused("ceremony-folder", lambda: make_folder(out))

    assert found.json() == (out / "transcript.json").read_bytes()


def test_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Whoever interrupts a ceremony interrupts it, and the transcript says that it failed.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("signer.keys.open_key", interrupt)
    with pytest.raises(KeyboardInterrupt):
        held(tmp_path / "c")
    kept = Transcript.parse((tmp_path / "c" / "out" / "transcript.json").read_bytes())

    assert (FAILED, "KeyboardInterrupt") == (kept.outcome, kept.failure)


def test_bug_of_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What goes wrong unforeseen is in the transcript by its kind alone: its words may be a secret.
    """

    def fail(*_: object) -> None:
        raise ValueError("the PIN is 1234")

    monkeypatch.setattr("signer.keys.create_key", fail)
    with pytest.raises(ValueError, match="1234"):
        held(tmp_path / "c")
    kept = (tmp_path / "c" / "out" / "transcript.json").read_bytes()

    assert "ValueError" == Transcript.parse(kept).failure
    assert b"1234" not in kept


# A home that never comes back from making a key: it made half of it.
KILLED = """\
import os, signal, sys
from pathlib import Path

import signer.keys
from signer.ceremony.reading import Ceremony
from signer.ceremony.running import hold, make_folder

signer.keys.create_key = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
folder = Path(sys.argv[1])
make_folder(folder / "out")
hold(Ceremony.parse((folder / "ceremony.toml").read_bytes()), folder / "out", folder)
"""


def test_killed(tmp_path: Path) -> None:
    """
    A ceremony that is killed while a key is made leaves a transcript that says so, which is no
    proof of anything; the next one is told, and touches nothing.
    """
    folder = write(tmp_path / "c").parent
    done = subprocess.run(
        [sys.executable, "-c", KILLED, folder], timeout=PATIENCE_S, check=False, cwd=Path.cwd()
    )
    kept = (folder / "out" / "transcript.json").read_bytes()
    said = refused("ceremony-folder", lambda: make_folder(folder / "out"))

    assert -signal.SIGKILL == done.returncode
    refused("ceremony-transcript", lambda: check(kept))
    assert "was cut off: key release-2027 at file:release-2027.key may be there" in said.message
    assert kept == (folder / "out" / "transcript.json").read_bytes()
