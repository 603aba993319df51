"""The one table of algorithms: what a row is enough for, and that nobody else has a table."""

from __future__ import annotations

import ast
import math
import shutil
import subprocess
import sys
from functools import partial
from itertools import permutations
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import verifier
from tests.verifier.making import IMAGE, NOW, REPOSITORY, Signer, public, refused, rows
from verifier.algorithms import ALGORITHMS, ED25519, RSA_2048, RSA_4096
from verifier.publickey import PublicKey
from verifier.trust import TrustRoot
from verifier.verify import Verifier

ROOT = Path(__file__).parents[2]
ROOMS = Path(verifier.__file__).parents[1]

# Three algorithms that the product does not have, as somebody would add them.
ADDED = """
from cryptography.hazmat.primitives.asymmetric import mldsa

ALGORITHMS += (
    Algorithm(
        "ecdsa-p521",
        bytes.fromhex("30819b301006072a8648ce3d020106052b8104002303818600"),
        133,
        _ecdsa(ec.SECP521R1(), hashes.SHA512()),
        key_details="PKIX_ECDSA_P521_SHA_512",
        data_algorithm="SHA2_512",
        hash_name="sha512",
        notation="ES512",
        order=2**521 - 1,
    ),
    Algorithm(
        "ml-dsa-87",
        bytes.fromhex("30820a32300b060960864801650304031303820a2100"),
        2592,
        lambda raw: Checks(mldsa.MLDSA87PublicKey.from_public_bytes(raw).verify, None),
        log_kind=7,
        witness_kind=7,
        signature_size=4627,
    ),
)
"""
ADDED_SM2 = """
from tests.verifier.sm2 import ROW

ALGORITHMS += (ROW,)
"""

# What the product does with an algorithm: a bundle, an entry, a JWS, a note, a cosignature.
PROGRAM = """
import sys

sys.path[:0] = sys.argv[1:]
from hashlib import sha512

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa

from tests.verifier.making import ORIGIN, World, policy, public, verdict
from verifier import jws
from verifier.cosignature import cosign
from verifier.entry import Entry
from verifier.note import Note, NoteKey
from verifier.publickey import PublicKey
from verifier.trust import TrustRoot


class Signer:
    def __init__(self, key, *how):
        self._key, self._how, self.public = key, how, public(key.public_key())

    def sign(self, message):
        return self._key.sign(message, *self._how)


class Cosigner:
    def __init__(self, name, make):
        self.name, self.key = name, make(name, quantum.public)

    def sign(self, text):
        return cosign(quantum, self.name, text, 1)


signer = Signer(ec.generate_private_key(ec.SECP521R1()), ec.ECDSA(hashes.SHA512(), True))
key = signer.public
assert key == PublicKey.from_pem(key.pem())
key.verify_digest(signer.sign(b"message"), sha512(b"message").digest())
world = World(signer=signer)
assert world.verify() and world.trust == TrustRoot.parse(world.trust.json())
assert b"PKIX_ECDSA_P521_SHA_512" in world.entry
assert Entry.parse(world.entry).key == key
payload = jws.payload(jws.TargetArtifact("", world.digest, 1, {}))
message = jws.signing_input("ecdsa-p521", 1, payload)
assert jws.parse(message).algorithm == "ES512"
assert len(jws.raw_signature("ecdsa-p521", signer.sign(message))) == 132

quantum = Signer(mldsa.MLDSA87PrivateKey.generate())
log, witness = Cosigner(ORIGIN, NoteKey.of), Cosigner("w.example", NoteKey.witness)
assert log.key == NoteKey.parse(str(log.key))
note = Note.parse(World(log=log, witnesses=(witness,), quorum=policy(1, (witness,))).note)
for cosigner, line in zip((log, witness), note.signatures, strict=True):
    cosigner.key.verify(note.text, line.signature)
    assert "bad-signature" == verdict(lambda: cosigner.key.verify(note.text, line.signature[:-1]))
print("done")
"""

# The same statement by P-256 and by SM2, each its own bundle and entry; whoever has the row
# may ask for both.
BESIDE = """
import sys

sys.path[:0] = sys.argv[1:]
from tests.verifier import books
from tests.verifier.making import verdict
from tests.verifier.sm2 import Sm2Key
from verifier.entry import Entry
from verifier.publickey import PublicKey
from verifier.trust import TrustRoot
from verifier.verify import Verifier

beside = Sm2Key()
beside.public = PublicKey(beside.spki)
book = books.Book()
old = book.trust.json()
books.NAMES += ("sm2",)
books.SIGNERS["sm2"], books.PURPOSES["sm2"] = beside, "approve"
entries = [book.approve(), book.approve("sm2")]
both = '[[images]]\\nunder = "*"\\n' + "".join(
    f'[[images.approval]]\\nkeys = ["{name}"]\\n' for name in ("release", "sm2")
)
assert book.judge(both, *entries).allowed
for index in entries:
    assert "not-approved" == verdict(lambda: book.judge(both, index))
assert book.trust == TrustRoot.parse(book.trust.json())
entry = Entry.parse(book.entries[1])
assert entry.key == beside.public and b"SM2_SM3" in book.entries[1]
sys.stdout.buffer.write(b"\\0".join([old, *map(book.bundle, entries), book.trust.json()]))
"""

# What the product makes and takes is a choice of each place; none of them knows
# anything about an algorithm that the table should.
CHOICES = {
    "signer/cli/witness/setup.py",  # a witness's new keys
    "signer/config/access.py",  # what an issuer's tokens may be signed by (RFC 7518)
    "signer/founding.py",  # a new service's keys
    "signer/foreign.py",  # what notation's plugin asks to have signed
    "signer/forms/algorithms.py",  # what every reader of a form takes
    "signer/life/wanting.py",  # what a command makes that names no algorithm
    "signer/own_keys.py",  # what Rekor's clients take as the log's promise
    "signer/cli/trust/controllers/__init__.py",  # the one kind of promise that controllers read
    "signer/cli/trust/podman.py",  # the one kind of promise that Podman reads
    "signer/plugins/notation.py",  # what notation asks a plugin for
    "signer/rekor/uploads.py",  # what every client of Rekor takes
}
HOMES = (
    "signer/keys/",  # each home of keys has its own names for what can live there
    "signer/access/oidc/",  # JSON Web Tokens are signed as RFC 7518 has it, and not by us
)


def with_rows(directory: Path, added: str, program: str) -> bytes:
    """Run a program on a copy of the verifier whose table has more; return what it prints."""
    shutil.copytree(ROOMS / "verifier", directory / "verifier")
    with (directory / "verifier" / "algorithms.py").open("a") as file:
        file.write(added)
    words = [sys.executable, "-I", "-c", program, str(directory), str(ROOT)]
    done = subprocess.run(words, capture_output=True, check=False)

    assert (0, "") == (done.returncode, done.stderr.decode())
    return done.stdout


def test_a_row_is_enough(tmp_path: Path) -> None:
    """
    An algorithm that gets a row approves images, signs for notation, and for logs and witnesses.
    """
    assert b"done\n" == with_rows(tmp_path, ADDED, PROGRAM)


def test_a_row_for_sm2(tmp_path: Path) -> None:
    """
    SM2 gets a row and signs beside P-256: both may be required, and who has no row goes on.
    """
    old, one, two, new = with_rows(tmp_path, ADDED_SM2, BESIDE).split(b"\0")
    verdict = Verifier(TrustRoot.parse(old), clock=lambda: NOW).judge([one, two], IMAGE, REPOSITORY)

    assert ["release"] == [approval.key for approval in verdict.approvals]
    assert [(1, "unknown-key")] == [(bad.number, bad.code) for bad in verdict.refused]
    refused("unsupported-key", lambda: TrustRoot.parse(new))


def test_no_other_table() -> None:
    """
    Outside the table no module names an algorithm, but for those that choose or keep one.
    """
    names = {name for row in ALGORITHMS for name in (row.name, row.key_details, row.notation)}
    found = set()
    for room in ("verifier", "ledger", "signer"):
        for file in (ROOMS / room).rglob("*.py"):
            words = {
                node.value
                for node in ast.walk(ast.parse(file.read_text()))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
            place = file.relative_to(ROOMS).as_posix()
            if words & (names - {""}) and not place.startswith(HOMES):
                found.add(place)

    assert CHOICES | {"verifier/algorithms.py"} == found


def test_one_row_per_key() -> None:
    """
    No key starts as one of another algorithm does, and no kind of note key means two algorithms.
    """
    kinds = [kind for row in ALGORITHMS for kind in {row.log_kind, row.witness_kind} - {0}]

    assert not [a.name for a, b in permutations(ALGORITHMS, 2) if a.head.startswith(b.head)]
    assert len(kinds) == len(set(kinds))


# Two primes whose product has 2048 bits, the upper one set.
N = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n


def _spki(n: int, tail: bytes = RSA_2048.tail) -> bytes:
    return RSA_2048.head + n.to_bytes(256, "big") + tail


def _multiple(prime: int) -> int:
    """Return a modulus with this factor and no smaller one."""
    first = N - N % prime
    smaller = math.factorial(prime - 1)
    return next(n for n in range(first, 0, -prime) if math.gcd(n, smaller) == 1)


@pytest.mark.parametrize(
    ("spki", "code"),
    rows(
        ("even", _spki(N - 1), "weak-key"),
        ("a multiple of 3", _spki(_multiple(3)), "weak-key"),
        ("a multiple of 751", _spki(_multiple(751)), "weak-key"),
        ("2047 bits", _spki(N >> 1 | 1), "unsupported-key"),
        ("zero", _spki(0), "unsupported-key"),
        ("exponent 3", _spki(N, bytes.fromhex("020103")), "unsupported-key"),
        ("exponent 1", _spki(N, bytes.fromhex("0203000001")), "unsupported-key"),
        ("exponent 65539", _spki(N, bytes.fromhex("0203010003")), "unsupported-key"),
        ("exponent of 4 bytes", _spki(N, bytes.fromhex("020400010001")), "unsupported-key"),
        ("no exponent", _spki(N, b""), "unsupported-key"),
        ("something after", _spki(N) + b"\0", "unsupported-key"),
        ("a byte of modulus more", RSA_2048.head + b"\1" + _spki(N)[33:], "unsupported-key"),
    ),
)
def test_rsa_keys(spki: bytes, code: str) -> None:
    """
    An RSA modulus has its full length and no small factor, and the exponent is 65537.
    """
    refused(code, lambda: PublicKey(spki))


def test_multiple_of_no_small_prime() -> None:
    """
    A modulus is not called weak for being a multiple of a prime above 751.
    """
    assert PublicKey(_spki(_multiple(757))).algorithm is RSA_2048


@pytest.mark.parametrize("bits", [512, 1024, 2047, 2049, 2056, 8192])
def test_other_sizes_of_rsa(bits: int) -> None:
    """
    RSA keys of other sizes than 2048, 3072 and 4096 bits are refused.
    """
    assert _spki(N) == _der(N)

    refused("unsupported-key", lambda: PublicKey(_der(1 << bits - 1 | 1)))


def _der(n: int) -> bytes:
    """Return the SPKI of an RSA key of any size, exponent 65537."""
    inner = _long(0x02, n.to_bytes(n.bit_length() // 8 + 1, "big")) + RSA_2048.tail
    return _long(0x30, RSA_2048.head[4:19] + _long(0x03, b"\0" + _long(0x30, inner)))


def _long(tag: int, content: bytes) -> bytes:
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    more = [0x80 | len(size)] if len(content) > 127 else []
    return bytes([tag, *more]) + size + content


def test_largest_rsa_key() -> None:
    """
    A key of 4096 bits verifies what it signed, by message and by hash, and no PSS signature.
    """
    private = rsa.generate_private_key(65537, 4096)
    key, hash_ = public(private.public_key()), hashes.SHA256()
    signature = private.sign(b"message", padding.PKCS1v15(), hash_)
    pss = private.sign(b"message", padding.PSS(padding.MGF1(hash_), 32), hash_)
    digest = hashes.Hash(hash_)
    digest.update(b"message")

    assert key.algorithm is RSA_4096
    key.verify(signature, b"message")
    key.verify_digest(signature, digest.finalize())
    refused("bad-signature", partial(key.verify, pss, b"message"))


def test_keys_are_cut_at_their_row() -> None:
    """
    A row prints the SPKI of a key, and finds the key in it again.
    """
    for name in ("ed25519", "ml-dsa-44", "ml-dsa-65", "ecdsa-p384", "rsa-2048"):
        key = Signer(name).public
        assert key.spki == key.algorithm.spki(key.algorithm.key(key.spki))
    refused("unsupported-key", lambda: ED25519.key(ED25519.spki(bytes(33))))
