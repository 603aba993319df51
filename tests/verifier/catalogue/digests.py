"""Digests that are none, or of something else: rows D1 to D7, D11, D12 and D14.

A digest is asked for, or stands in a statement that the trusted key really signed. In
each place it has one spelling. Rows D8 to D10 and D13 are in `manifests`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial

from tests.verifier.catalogue.asking import payload, world
from tests.verifier.catalogue.case import Case
from tests.verifier.making import IMAGE, REPOSITORY, World, rewrite
from verifier.digest import Digest
from verifier.repository import Repository
from verifier.statement import approval

HEX = IMAGE.hex

# D1 to D7, D11: what somebody hands in for a digest.
TEXTS: dict[str, tuple[str, ...]] = {
    "D1": (
        *(f"sha512:{HEX}", f"sha512:{HEX}{HEX}", f"sha256:{HEX}{HEX}", f"sha384:{HEX}{HEX[:32]}"),
        *(f"sha512-256:{HEX}", f"sha512/256:{HEX}", f"sha3-256:{HEX}", f"blake3:{HEX}"),
    ),
    "D2": (
        *(f"SHA256:{HEX}", f"Sha256:{HEX}", f"sha-256:{HEX}", f"sha256={HEX}", f"sha_256:{HEX}"),
        *(f"\u017fha256:{HEX}", f"\uff53ha256:{HEX}", f"sha2-256:{HEX}", f"sha256::{HEX}"),
        *(f"sha256:sha256:{HEX}", f"sha256\uff1a{HEX}", f"sha256\u2236{HEX}", f"sha256-{HEX}"),
        *(f"sha256%3A{HEX}", f"sha256/{HEX}", f"urn:sha256:{HEX}", f"sha256:0x{HEX[2:]}", HEX),
    ),
    "D3": (f"sha256:{HEX.upper()}", f"sha256:{'A' * 64}",
           f"sha256:A{HEX[1:]}", f"sha256:{HEX[:63]}F"),
    "D4": (
        *(f" sha256:{HEX}", f"sha256:{HEX} ", f"sha256: {HEX}", f"sha256 :{HEX}"),
        *(f"\tsha256:{HEX}", f"sha256:{HEX}\n", f"\nsha256:{HEX}", f"sha256:{HEX}\r\n"),
        *(f"sha256:{HEX}\0", f"sha256:{HEX[:-1]}\0", f"\0sha256:{HEX}", f"sha256:{HEX}\x7f"),
        *(f"sha256:{HEX}\u200b", f"sha256:\u200b{HEX}", f"\ufeffsha256:{HEX}"),
        *(f"sha256:{HEX[:-1]}\u200b", f"sha256:{HEX[:-1]}\uff11", f"sha256:{HEX[:-1]}\u0661"),
        *(f"sha256:{HEX[:-1]}\uff41", f"sha256:{HEX[:-1]}\u0430", f"sha256:{HEX}\u0301"),
        *(f"sha256:{HEX[:-1]}\u00b2", f"sha256:{HEX[:-1]}\ud800", f"sha256:{HEX}\u202e"),
        *(f'"sha256:{HEX}"', f"sha256:{HEX[:32]} {HEX[32:]}", f"sha256:{HEX[:-2]}_{HEX[-1]}"),
        *("sha256:\n", f"sha256:{HEX}\r", f"sha256:{HEX}\u2028"),
    ),
    "D5": (f"sha256:{HEX[:-1]}", f"sha256:{HEX}0", f"sha256:0{HEX}", f"sha256:{HEX[:12]}",
           "sha256:", "sha256", ":", f":{HEX}", f"sha256:{'0' * 100_000}", f"sha256:-{HEX[1:]}",
           f"sha256:g{HEX[1:]}"),
    "D6": (
        *(f"sha1:{HEX[:40]}", f"md5:{HEX[:32]}", f"sha224:{HEX[:56]}", f"none:{HEX}"),
        *(f"sha256+b64:{HEX}", f"multihash+base58:{HEX}", f"tarsum.v1+sha256:{HEX}"),
        *(f"sha1:{HEX}", f"crc32:{HEX[:8]}"),
    ),
    "D7": (
        *("latest", "1.0", ":latest", f"{REPOSITORY}:latest", f"{REPOSITORY}@sha256:{HEX}"),
        *(f"{REPOSITORY}:latest@sha256:{HEX}", f"@sha256:{HEX}", f"sha256:{HEX}@sha256:{HEX}"),
        *(f"sha256:{HEX},sha256:{HEX}", f"{HEX}:latest", REPOSITORY, f"docker://{REPOSITORY}"),
        *(f"sha256:{HEX}?tag=latest", f"sha256:{HEX}#latest", f"sha256:{HEX}/", f"sha256:{HEX}:x"),
    ),
    "D11": (
        *(f"sha256-{HEX}", f"sha256-{HEX}.sig", f"sha256-{HEX}.att", f"sha256-{HEX}.sbom"),
        *(f":sha256-{HEX}.sig", f"{REPOSITORY}:sha256-{HEX}.sig", f"sha256:{HEX}.sig"),
    ),
}  # fmt: skip


def _texts() -> Iterator[Case]:
    """D1 to D7, D11: asked for; and what has another form in a statement."""
    for row, texts in TEXTS.items():
        for text in texts:
            name = f"{text[:90]!a}" + (f" of {len(text)}" if len(text) > 90 else "")
            yield Case(row, name, partial(Digest, text), "bad-digest")
            inside = text.removeprefix("sha256:")
            made = World()
            rewrite(made, ("subject", 0, "digest", "sha256"), inside)
            # A NUL or half a pair never gets as far as the digest.
            odd = any(c == "\0" or "\ud800" <= c <= "\udfff" for c in inside)
            code = "malformed" if odd else "bad-digest"
            if inside != HEX:
                yield world(row, f"{name} in a statement", made, code)
    # D7: the repository has no tag either, which would be ignored and believed.
    for text in (f"{REPOSITORY}:latest", f"{REPOSITORY}@{IMAGE}", f"{REPOSITORY}:1@{IMAGE}"):
        yield Case("D7", f"repository {text}", partial(Repository, text), "bad-repository")
    # D11: the tag under which a signature lies names no image.
    name = f"{REPOSITORY}:sha256-{HEX}.sig"
    made = World()
    rewrite(made, ("subject", 0, "name"), name)
    yield world("D11", "the signature's tag as name", made, "repository-mismatch")
    made.repository = None
    yield world("D11", "the signature's tag as name, any repository", made, "bad-repository")


def _maps() -> Iterator[Case]:
    """D12: several digests in one subject. Ours is the only one, or they could be of two things."""
    wrong, right = "0" * 128, hashlib.sha512(b"an image").hexdigest()
    assert hashlib.sha256(b"an image").hexdigest() == HEX
    for name, more in (
        ("sha512 of something else", {"sha512": wrong}),
        ("sha512 of the same", {"sha512": right}),
        ("sha1", {"sha1": "0" * 40}),
        ("SHA256 of something else", {"SHA256": "0" * 64}),
        ("sha-256 of something else", {"sha-256": "0" * 64}),
        ("gitCommit", {"gitCommit": "0" * 40}),
        ("nothing", {"": ""}),
        ("null", {"sha512": None}),
        ("a hundred", {f"sha{i}": "0" for i in range(1000, 1100)}),
    ):
        for order in ("before", "after"):
            both = {**more, "sha256": HEX} if order == "before" else {"sha256": HEX, **more}
            made = World()
            rewrite(made, ("subject", 0, "digest"), both)
            yield world("D12", f"{name} {order} the right one", made, "unknown-field")
    twice = World().payload.replace(b'"sha256"', b'"sha256":"' + b"0" * 64 + b'","sha256"')
    yield payload("D12", "sha256 twice", twice, "duplicate-key")
    for name, only in (("sha512", {"sha512": right}), ("SHA256", {"SHA256": HEX}), ("none", {})):
        made = World()
        rewrite(made, ("subject", 0, "digest"), only)
        yield world("D12", f"{name} only", made, "malformed")


def _empty() -> Iterator[Case]:
    """D14: no digest, and the digest of no bytes."""
    nothing = Digest.of(b"")
    yield Case("D14", "empty text", partial(Digest, ""), "bad-digest")
    made = World()
    rewrite(made, ("subject", 0, "digest", "sha256"), "")
    yield world("D14", "empty text in a statement", made, "bad-digest")
    made = World(digest=nothing)
    yield world("D14", "no bytes are asked for, an image is approved", made, "digest-mismatch")
    made = World(payload=approval(REPOSITORY, nothing, {}))
    yield world("D14", "an image is asked for, no bytes are approved", made, "digest-mismatch")
    # It is the digest of something, and whoever asks for that gets an answer about it.
    made = World(payload=approval(REPOSITORY, nothing, {}), digest=nothing)
    yield world("D14", "no bytes are asked for and approved", made, "yes")


def cases() -> Iterator[Case]:
    """Return the cases of these rows."""
    yield from _texts()
    yield from _maps()
    yield from _empty()
