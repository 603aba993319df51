"""Bundles of another shape, or about another ledger: rows B5 to B7, B10, B11 and B17 to B20."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from tests.verifier import twin
from tests.verifier.catalogue.asking import (
    DOCUMENT,
    ENTRY,
    ENVELOPE,
    GOOD,
    HASHES,
    MATERIAL,
    PROOF,
    SIGNATURE,
    field,
    text,
    world,
)
from tests.verifier.catalogue.case import Case
from tests.verifier.certificates import certificate
from tests.verifier.making import ORIGIN, NoteSigner, Signer, World
from tests.verifier.paths import GONE, Path, get, put
from verifier._strict import b64encode
from verifier.bundle import MEDIA_TYPE, Bundle
from verifier.checkpoint import Checkpoint
from verifier.entry import Entry
from verifier.merkle import Hash
from verifier.note import ML_DSA, Note

KEY: Path = (*MATERIAL, "publicKey")
ENTRIES: Path = (*MATERIAL, "tlogEntries")
NOTE: Path = (*PROOF, "checkpoint", "envelope")
ENTRY_GOOD = get(DOCUMENT, ENTRY)
BODY = GOOD.entry

# What other bundles have in the place of an envelope, and of a managed key.
MESSAGE = {
    "messageDigest": {"algorithm": "SHA2_256", "digest": b64encode(bytes(32))},
    "signature": get(DOCUMENT, SIGNATURE),
}
LEAF, ROOT = (certificate(GOOD.signer.public, serial) for serial in (1, 2))
RAW = [{"rawBytes": b64encode(der)} for der in (LEAF, ROOT)]
TYPES = (
    "",
    "application/json",
    f" {MEDIA_TYPE}",
    f"{MEDIA_TYPE} ",
    f"{MEDIA_TYPE}\n",
    f"{MEDIA_TYPE};charset=utf-8",
    MEDIA_TYPE.upper(),
    MEDIA_TYPE.capitalize(),
    MEDIA_TYPE.replace("sigstore", "\u017figstore"),
    MEDIA_TYPE.replace("+json", ""),
    MEDIA_TYPE.replace("+json", "+JSON"),
    MEDIA_TYPE.replace("v0.3", "v0.30"),
    MEDIA_TYPE.replace("v0.3", "v0.3.0"),
    MEDIA_TYPE.replace("v0.3", "v0.\uff13"),
    *(MEDIA_TYPE.replace("v0.3", f"v0.{n}") for n in (1, 2, 4)),
    *(f"application/vnd.dev.sigstore.bundle+json;version=0.{n}" for n in (1, 2, 3)),
    "x" * 100_000,
)


def _material(**parts: object) -> dict[str, object]:
    material: dict[str, object] = get(DOCUMENT, MATERIAL)
    return {key: value for key, value in {**material, **parts}.items() if value is not GONE}


def _contents() -> Iterator[Case]:
    """B5, B6: both of two, or neither."""
    for name, said in (("", MESSAGE), (" that is empty", {}), (" that is null", None)):
        both = put(DOCUMENT, ("messageSignature",), said)
        yield text("B5", f"messageSignature{name} too", json.dumps(both), "unsupported-version")
        only = put(both, ENVELOPE, GONE)
        yield text("B5", f"messageSignature{name} only", json.dumps(only), "unsupported-version")
    yield field("B5", "neither", ENVELOPE, GONE, "unsupported-version")
    # The core judges managed keys alone: whatever has a certificate is not for it, and so
    # a good hint beside one cannot lend it its good name.
    chain = {"certificates": RAW}
    kinds: dict[str, object] = {"certificate": RAW[0], "x509CertificateChain": chain}
    for kind, value in kinds.items():
        for name, there in (("", value), (" that is empty", {}), (" that is null", None)):
            both = _material(**{kind: there})
            yield field("B6", f"{kind}{name} too", MATERIAL, both, "unsupported-version")
            only = _material(**{kind: there}, publicKey=GONE)
            yield field("B6", f"{kind}{name} only", MATERIAL, only, "unsupported-version")
    every = _material(certificate=RAW[0], x509CertificateChain=chain)
    yield field("B6", "all three", MATERIAL, every, "unsupported-version")
    yield field("B6", "neither", KEY, GONE, "malformed")
    raw = {"rawBytes": b64encode(GOOD.signer.public.spki)}
    yield field("B6", "a key in the place of its hint", KEY, raw, "malformed")
    yield field("B6", "a key beside its hint", KEY, {**get(DOCUMENT, KEY), **raw}, "unknown-field")
    # B17: chains that end in a root or are none; of a certificate alone the same is true.
    for name, certificates in (
        ("root at the end", RAW),
        ("root first", RAW[::-1]),
        ("only a root", RAW[1:]),
        ("empty chain", []),
        ("empty certificate", [{"rawBytes": ""}]),
        ("30 certificates", RAW * 15),
    ):
        only = _material(x509CertificateChain={"certificates": certificates}, publicKey=GONE)
        yield field("B17", name, MATERIAL, only, "unsupported-version")


def _empty() -> Iterator[Case]:
    """B10: nothing where something must be, and too much of it."""
    yield field("B10", "empty signature", SIGNATURE, "", "malformed")
    for size, code in ((8192, "bad-signature"), (8193, "over-limit")):
        long = b64encode(bytes(size))
        yield field("B10", f"signature of {size} bytes", SIGNATURE, long, code)
    yield field("B10", "empty payload", (*ENVELOPE, "payload"), "", "bad-signature")
    yield field("B10", "empty certificate", MATERIAL, _material(certificate={"rawBytes": ""}),
                "unsupported-version")  # fmt: skip
    yield field("B10", "empty hint", (*KEY, "hint"), "", "unknown-key")
    yield field("B10", "hint of a space", (*KEY, "hint"), " ", "unknown-key")
    unhinted = json.dumps(put(DOCUMENT, (*KEY, "hint"), "")).encode()
    yield Case("B10", "empty hint, only read", partial(Bundle.parse, unhinted), "unknown-key")
    yield field("B10", "hint of 128 letters", (*KEY, "hint"), "x" * 128, "unknown-key")
    yield field("B10", "hint of 129 letters", (*KEY, "hint"), "x" * 129, "over-limit")
    yield field("B10", "hint of half a megabyte", (*KEY, "hint"), "x" * 2**19, "over-limit")
    yield field("B10", "empty log id", (*ENTRY, "logId", "keyId"), "", "bad-base64")
    yield field("B10", "empty body", (*ENTRY, "canonicalizedBody"), "", "entry-mismatch")
    yield field("B10", "empty root", (*PROOF, "rootHash"), "", "bad-base64")
    yield field("B10", "empty hash", (*HASHES, 0), "", "bad-base64")
    yield field("B10", "empty checkpoint", NOTE, "", "malformed")


def _counts() -> Iterator[Case]:
    """B11: more entries than one, of which a reader might choose; or none."""
    other = World()
    foreign = get(json.loads(other.bundle.json()), ENTRY)
    for name, entries, code in (
        ("no entry", [], "unsupported-version"),
        ("the entry twice", [ENTRY_GOOD] * 2, "unsupported-version"),
        ("a foreign entry after", [ENTRY_GOOD, foreign], "unsupported-version"),
        ("a foreign entry before", [foreign, ENTRY_GOOD], "unsupported-version"),
        ("null after", [ENTRY_GOOD, None], "unsupported-version"),
        ("32 entries", [ENTRY_GOOD] * 32, "unsupported-version"),
        ("33 entries", [ENTRY_GOOD] * 33, "over-limit"),
        ("33 nulls", [None] * 33, "over-limit"),
        ("100,000 numbers", [0] * 100_000, "over-limit"),
        ("100,000 objects", [{}] * 100_000, "over-limit"),
    ):
        yield field("B11", name, ENTRIES, entries, code)
    for name, hashes, code in (
        ("62 hashes", ["AAAA"] * 62, "bad-base64"),
        ("64 hashes", ["AAAA"] * 64, "over-limit"),
        ("100,000 hashes", [0] * 100_000, "over-limit"),
    ):
        yield field("B11", name, HASHES, hashes, code)
    stamps: Path = (*MATERIAL, "timestampVerificationData")
    for name, value, code in (
        ("33 timestamps", {"rfc3161Timestamps": [None] * 33}, "over-limit"),
        ("timestamp of null", {"rfc3161Timestamps": [None]}, "malformed"),
        ("timestamps without a list", {}, "malformed"),
        ("timestamps of another kind", {"rfc3161Timestamps": [], "zzz": []}, "unknown-field"),
        ("timestamp with more", {"rfc3161Timestamps": [{"signedTimestamp": "", "z": 0}]},
         "unknown-field"),
        ("timestamp of junk", {"rfc3161Timestamps": [{"signedTimestamp": "!"}]}, "bad-base64"),
        ("timestamps null", None, "malformed"),
    ):  # fmt: skip
        yield field("B11", name, stamps, value, code)


def _bodies() -> Iterator[Case]:
    """B18: another body than the one that the signature makes, really logged."""
    signature = GOOD.envelope.signature
    key, stranger = GOOD.signer.public, Signer()
    v1 = {"apiVersion": "0.0.1", "spec": {"envelopeHash": {}, "payloadHash": {}}}
    parsed = json.loads(BODY)
    bodies: list[tuple[str, bytes]] = [
        ("not JSON", b"entry"),
        ("null", b"null"),
        ("list", b"[" + BODY + b"]"),
        ("object", b"{}"),
        ("cut off", BODY[:-1]),
        ("trailing space", BODY + b" "),
        ("trailing newline", BODY + b"\n"),
        ("leading space", b" " + BODY),
        ("byte-order mark", b"\xef\xbb\xbf" + BODY),
        ("UTF-16", BODY.decode().encode("utf-16")),
        ("Base64 once more", b64encode(BODY).encode()),
        ("with spaces", json.dumps(parsed).encode()),
        ("indented", json.dumps(parsed, indent=1).encode()),
        ("keys turned round", json.dumps(dict(reversed(parsed.items()))).encode()),
        ("escaped", BODY.replace(b"hashed", b"\\u0068ashed", 1)),
        ("more fields", json.dumps({**parsed, "zzz": 1}, separators=(",", ":")).encode()),
        ("key twice", BODY.replace(b'{"api', b'{"kind":"dsse","api')),
        ("kind dsse", json.dumps({"kind": "dsse", **v1}).encode()),
        ("kind intoto", json.dumps({"kind": "intoto", **v1}).encode()),
        ("kind upper case", BODY.replace(b"hashedrekord", b"HashedRekord", 1)),
        ("version 0.0.1", BODY.replace(b"0.0.2", b"0.0.1")),
        ("version 0.0.3", BODY.replace(b"0.0.2", b"0.0.3")),
        ("other hash", BODY.replace(b"SHA2_256", b"SHA2_512")),
        ("hash by number", BODY.replace(b'"SHA2_256"', b"1")),
        ("other details", BODY.replace(b"PKIX_ECDSA_P256_SHA_256", b"PKIX_ECDSA_P384_SHA_384")),
        ("details by number", BODY.replace(b'"PKIX_ECDSA_P256_SHA_256"', b"5")),
        ("of another message", Entry.of(b"x", signature, key).body()),
        ("of another signature", Entry.of(GOOD.envelope.message, b"x", key).body()),
        ("of another key", Entry.of(GOOD.envelope.message, signature, stranger.public).body()),
        ("of a certificate", Entry.of(GOOD.envelope.message, signature, key, LEAF).body()),
        ("65,536 bytes", BODY + b" " * (65_536 - len(BODY))),
        ("deep", b"[" * 40_000),
    ]
    for name, body in bodies:
        logged = World(signer=GOOD.signer, payload=GOOD.payload, logged=body)
        yield world("B18", f"logged {name}", logged, "entry-mismatch")
        told = b64encode(body)
        yield field("B18", f"told {name}", (*ENTRY, "canonicalizedBody"), told, "entry-mismatch")
    yield field("B18", "no Base64", (*ENTRY, "canonicalizedBody"), "{}", "bad-base64")
    for kind in ("dsse", "intoto", "rekord", "Hashedrekord", " hashedrekord", "", "hashedrekord\n"):
        path = (*ENTRY, "kindVersion", "kind")
        yield field("B18", f"kind {kind!r}", path, kind, "unsupported-version")
    for version in ("0.0.1", "0.0.3", "0.0.20", "0.0.2 ", "v0.0.2", "", "0.0.\uff12"):
        path = (*ENTRY, "kindVersion", "version")
        yield field("B18", f"version {version!a}", path, version, "unsupported-version")
    for name, value in (("integratedTime", "1700000000"), ("inclusionPromise", {})):
        yield field("B18", f"{name}, which nobody signed", (*ENTRY, name), value, "unknown-field")


def _copies() -> Iterator[Case]:
    """B19: two copies that do not agree, of which a reader might check one and use the other."""
    for index in ("0", "3", "5", "6", "7", str(2**63 - 1)):
        yield field("B19", f"index {index} outside", (*ENTRY, "logIndex"), index, "malformed")
        yield field("B19", f"index {index} inside", (*PROOF, "logIndex"), index, "malformed")
    for size in ("0", "1", "5", "6", "8", "14", str(2**63 - 1)):
        yield field("B19", f"size {size}", (*PROOF, "treeSize"), size, "checkpoint-mismatch")
    entries = GOOD.entries
    roots = {
        "zeros": bytes(32),
        "of the empty tree": twin.root(()),
        "of the entry": twin.root(entries[4:5]),
        "of six": twin.root(entries[:6]),
    }
    for name, root in roots.items():
        at = (*PROOF, "rootHash")
        yield field("B19", f"root {name}", at, b64encode(root), "checkpoint-mismatch")
    for name, point in (
        ("smaller", Checkpoint(ORIGIN, 6, Hash(twin.root(entries[:6])))),
        ("of another root", Checkpoint(ORIGIN, 7, Hash(bytes(32)))),
        ("of another size", Checkpoint(ORIGIN, 8, GOOD.checkpoint.root)),
    ):
        note = str(Note(str(point), (GOOD.log.sign(str(point)),)))
        yield field("B19", f"checkpoint {name}", NOTE, note, "checkpoint-mismatch")
    yield field("B19", "checkpoint of another ledger", NOTE, World().note, "checkpoint-mismatch")


def _elsewhere() -> Iterator[Case]:
    """B20: good bundles of another instance, in whole or in part."""
    other = NoteSigner("other.example")
    yield text("B20", "whole", World().bundle.json().decode(), "unknown-key")
    foreign = {
        "our name, another key": World(log=NoteSigner(ORIGIN)),
        "another name and key": World(log=other, origin="other.example"),
        "another name, our key": World(origin="other.example"),
        "our name within another": World(origin=f"{ORIGIN}/x"),
        "another key under our origin": World(log=other),
        "post-quantum key of our name": World(log=NoteSigner(ORIGIN, ML_DSA)),
    }
    for name, made in foreign.items():
        made.logs = GOOD.logs if name != "another name, our key" else made.logs
        # The signer is trusted: what is wrong is the ledger.
        yield world("B20", name, made, "untrusted-log")
    for name, log_id in (
        ("zeros", bytes(32)),
        ("another log", other.key.log_id),
        ("the signer's key", bytes.fromhex(GOOD.signer.public.fingerprint)),
    ):
        yield world("B20", f"log id of {name}", World(log_id=log_id), "checkpoint-mismatch")


def cases() -> Iterator[Case]:
    """Return the cases of these rows."""
    yield from _contents()
    for media_type in TYPES:
        name = f"media type {media_type[:60]!a}"
        yield field("B7", name, ("mediaType",), media_type, "unsupported-version")
    yield from _empty()
    yield from _counts()
    yield from _bodies()
    yield from _copies()
    yield from _elsewhere()
