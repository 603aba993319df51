"""Where our verifier and @sigstore/verify answer differently, and why.

A row is about mutations by the names of their field and change. One that is `always` true is
wrong as soon as one of its mutations is judged alike; of the others, where it depends on the
bytes of a bundle or on its kind, one difference must be left.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tests.interop.specimens import CERTIFICATES, FOREIGN, OURS

_OUTER = r"(?!document)[^/]*"  # of the bundle itself, not of a document within it
_MATERIAL = r"verificationMaterial"
_ENTRY = _MATERIAL + r"\.tlogEntries\[\]"
_PROOF = _ENTRY + r"\.inclusionProof"
_NOTE = _PROOF + r"\.checkpoint\.envelope"
_STAMPS = _MATERIAL + r"\.timestampVerificationData"
_BASE64 = (
    r"(dsseEnvelope\.(payload|signatures\[\]\.sig)"
    r"|messageSignature\.(signature|messageDigest\.digest)"
    rf"|{_MATERIAL}\.certificate\.rawBytes|{_STAMPS}\.rfc3161Timestamps\[\]\.signedTimestamp"
    rf"|{_ENTRY}\.(canonicalizedBody|logId\.keyId|inclusionProof\.hashes\[\]))"
)
_ANY = r".*"


class Difference(NamedTuple):
    """Mutations, by patterns of their whole names, that one judge accepts and the other not."""

    field: str
    change: str
    reason: str
    always: bool = True
    by: str = ""  # only for bundles that this judge of ours judges

    def covers(self, field: str, change: str, by: str) -> bool:
        """Whether this row is about such a mutation of a bundle that `by` judges."""
        return bool(
            by.startswith(self.by)
            and re.fullmatch(self.field, field)
            and re.fullmatch(self.change, change)
        )


# What they accept and we refuse.
_LENIENT = "Node skips in Base64 what it does not know, and asks for no padding"
_UNUSED = "the signed checkpoint says it too, and they use only that copy"
_PROVEN = "they use the index in the proof, and never compare this one"
_SPELLING = "Node's BigInt takes more spellings of a number than one"
_JOINED = "JavaScript makes the text of a list of one text out of that text"
_UNKNOWN = "they drop what they do not know"
_TWICE = "the last of two equal keys counts in JavaScript"
_OTHER_LINES = "only lines that look like signatures are read, and only that of the log"
_UNANCHORED = "any text is a media type in which one of the known ones occurs"
_TEXTS = r"text: (BOM before|NUL after|line end after|one more|space after|space before)"
THEY_ACCEPT: Sequence[Difference] = (
    Difference(_OUTER, r"field: (unknown.*|__proto__|content)", _UNKNOWN),
    Difference(r"document", r"(?!NaN).* unknown field", _UNKNOWN),
    Difference(rf"{_MATERIAL}\.publicKey", r"field: keyid", _UNKNOWN),
    Difference(_OUTER, r"twice(, other first)?: .*", _TWICE),
    Difference(
        rf"{_ENTRY}|{_PROOF}", r"twice, other last: .*", f"{_TWICE}; they do not look", always=False
    ),
    Difference(
        _MATERIAL,
        r"field: (certificate|x509CertificateChain)",
        "of two kinds of key they take the first that they look for",
        always=False,
    ),
    Difference(
        _MATERIAL,
        r"field: timestampVerificationData",
        "an object without its list is an empty list to them",
        always=False,
    ),
    Difference(_ENTRY, r"field: integratedTime", "nobody signed it; they let it be no time"),
    Difference(
        _BASE64,
        rf"Base64: (foreign character|line end|space) inside|Base64: more padding|{_TEXTS}",
        _LENIENT,
    ),
    Difference(
        _BASE64,
        r"Base64: (no padding|of URLs|stray bits)|text: (one less|twice)",
        _LENIENT,
        always=False,
    ),
    Difference(
        rf"{_PROOF}\.rootHash",
        r"gone|null|(in )?a list|(flip|bytes|Base64|text|swap): .*",
        _UNUSED,
    ),
    Difference(rf"{_PROOF}\.treeSize", _ANY, _UNUSED),
    Difference(rf"{_ENTRY}\.logIndex", _ANY, _PROVEN),
    Difference(
        rf"{_ENTRY}|{_PROOF}", r"renamed: .*", f"{_UNKNOWN}; this they never use", always=False
    ),
    Difference(
        rf"{_PROOF}\.logIndex",
        r"number: of JSON|spelling: (hexadecimal|octal|plus|zero before)|in a list"
        r"|text: (BOM before|line end after|space after|space before)",
        _SPELLING,
    ),
    Difference(
        rf"{_PROOF}\.(logIndex|hashes)",
        _ANY,
        "what is left out, or has no length, is 0 and no hashes, which a tree of one entry has",
        always=False,
    ),
    Difference(
        rf"mediaType|dsseEnvelope\.payloadType|{_MATERIAL}\.publicKey\.hint|{_NOTE}"
        rf"|{_ENTRY}\.kindVersion\.(kind|version)",
        r"in a list",
        _JOINED,
    ),
    Difference(
        r"mediaType", r"text: (NUL after|line end after|one more|space after|twice)", _UNANCHORED
    ),
    Difference(_NOTE, r"text: (NUL after|line end after|space after|one more|twice)", _OTHER_LINES),
    Difference(_NOTE, r"text: (half|one less)", _OTHER_LINES, always=False),
    Difference(rf"{_NOTE}/(blank|root)", r"text: line end after|empty line after", _OTHER_LINES),
    Difference(rf"{_NOTE}/blank", r"twice", _OTHER_LINES),
    Difference(
        rf"{_NOTE}/note",
        r"line end at the end|signed again below|text at the end|two empty lines",
        _OTHER_LINES,
    ),
    Difference(
        rf"{_NOTE}/note",
        r"no line end at the end|stranger: (four bytes|no Base64)",
        _OTHER_LINES,
        always=False,
    ),
    Difference(
        rf"{_NOTE}/note",
        r"false signature: (first|last)",
        "one good signature of the log is enough, whatever else claims to be by the same key",
    ),
    Difference(
        rf"{_NOTE}/signature",
        r"name, text: (first gone|half|one less)|name: .*",
        "any part of the log's address is its name",
        always=False,
    ),
    Difference(rf"{_NOTE}/signature", _ANY, f"{_OTHER_LINES}; {_LENIENT}", always=False),
    Difference(
        rf"{_MATERIAL}(\.publicKey(\.hint)?)?",
        r"a number|true|an object|(in )?a list|in an object|text: NUL after"
        r"|(renamed|twice, other last): (hint|publicKey).*",
        "of a key that the caller names the hint is not looked at",
        always=False,
        by=FOREIGN,
    ),
    Difference(
        r"messageSignature\.messageDigest(\.algorithm)?",
        r"gone|null|a number|renamed: algorithm .*",
        "the name of the only hash is not looked at",
        always=False,
    ),
    Difference(
        rf"{_MATERIAL}\.certificate(\.rawBytes)?",
        r"swap: .*",
        "a certificate of the same key and identity will do, though another one was logged",
        by=CERTIFICATES,
    ),
    Difference(
        rf"({_MATERIAL}\.certificate\.rawBytes|{_STAMPS}.*)",
        r"flip: .*",
        "some bits of a certificate or a timestamp are read by no one but a strict parser of DER",
        always=False,
    ),
)

# What we accept and they refuse. Each row says why that is safe.
WE_ACCEPT: Sequence[Difference] = (
    Difference(
        rf"{_STAMPS}.*",
        _ANY,
        "under a managed key we look at no timestamp: when a key counts is decided by the place "
        "in the ledger, which is proven, and revocations name places too",
        always=False,
        by=OURS,
    ),
    Difference(
        r"messageSignature\.messageDigest",
        r"gone|null",
        "what was signed is the file that the caller names, which we hash; a copy of that hash "
        "beside the signature is optional by the format, and compared when it is there",
        by=FOREIGN,
    ),
)
