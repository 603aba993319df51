"""Bundles under a certificate, judged by PyPI's sigstore, and by us where it looks away.

The one module that imports `sigstore`. No network is asked and no TUF: whom to trust is
handed in. The library says whether the certificate was issued by an authority of the
trusted root, is in a log of certificates, and was valid when a timestamp says that it
signed. Checked here, about the same bytes, is what it leaves open:

* the signature, the log entry, its proof, checkpoint and promise (`verifier.sigstore`);
* that authority, transparency log and ledger counted at every time that the bundle tells,
  by their windows in the trusted root, which is how a revoked one ends;
* that the certificate is for code signing and nothing else, and names exactly one signer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any, TypeVar

from cryptography import x509

from verifier._strict import b64encode
from verifier.certified import Certified
from verifier.dsse import IN_TOTO, Envelope
from verifier.entry import certified_key
from verifier.errors import (
    CertificateError,
    KeyWindowError,
    MissingExtraError,
    UnsupportedError,
    UntrustedLogError,
    VerificationError,
)
from verifier.pull.identity import identity_of, issuer_of
from verifier.pull.profile import check_purpose, check_times, refuse_root, witnessed_by
from verifier.sigstore.artifact import Artifact, check_signed
from verifier.sigstore.bundle import ForeignBundle, Message
from verifier.sigstore.trusted_root import TrustedRoot
from verifier.sigstore.verify import logged as in_log

try:
    from rfc3161_client import decode_timestamp_response
    from sigstore.hashes import Hashed
    from sigstore.models import Bundle, ClientTrustConfig
    from sigstore.verify import Verifier
    from sigstore_models.common.v1 import HashAlgorithm
except ModuleNotFoundError as e:
    raise MissingExtraError(f"certificates are judged by {e.name}, which is not installed") from e

_T = TypeVar("_T")
_CONFIG = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
_SIGNING = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
_HASH = "sha256"


class SigstoreJudge:
    """Judges bundles under a certificate; the `CertificateJudge` of a verifier.

    Safe in many threads.
    """

    def __init__(self, *trusted_roots: bytes, clock: Callable[[], float] = time.time) -> None:
        """Believe whom any of these `trusted_root.json` names; `clock` gives POSIX seconds.

        Raises:
            VerificationError: one of them cannot be read.
        """
        self._roots = [TrustedRoot.parse(data) for data in trusted_roots]
        self._clock = clock
        self._library = cache(_library)

    def certified(self, data: bytes) -> Certified:
        """Return what the bundle `data` of an envelope proves; see `CertificateJudge`.

        Raises:
            VerificationError: it proves nothing, or what it signs is no envelope.
        """
        return self._certified(data, None)

    def signed(self, data: bytes, artifact: Artifact) -> Certified:
        """Return what the bundle `data` proves of `artifact`, which it signs or is about.

        Raises:
            VerificationError: nothing, or it is about something else.
        """
        return self._certified(data, artifact)

    def _certified(self, data: bytes, artifact: Artifact | None) -> Certified:
        bundle = ForeignBundle.parse(data)
        if not bundle.certificate:
            raise UnsupportedError("expected a certificate, found the hint of a managed key")
        if isinstance(bundle.signed, Message) and artifact is None:
            raise UnsupportedError("expected an envelope, found the signature of a message")
        for above in bundle.above:
            _asked(partial(refuse_root, above))
        roots = [root for root in self._roots if _knows(root, bundle)]
        refusal: VerificationError = UntrustedLogError("no trusted root knows the bundle's log")
        for root in roots:
            try:
                return self._under(root, bundle, data, artifact)
            except VerificationError as e:
                refusal = e
        raise refusal

    def _under(
        self, root: TrustedRoot, bundle: ForeignBundle, data: bytes, artifact: Artifact | None
    ) -> Certified:
        """Judge under one trusted root: our half, then the library's."""
        key = certified_key(bundle.certificate)
        certificate = x509.load_der_x509_certificate(bundle.certificate)
        times = _asked(lambda: _times(bundle))
        now = self._clock()
        # Older clients sign SHA-256 by larger curves; of those the library alone is asked.
        ours = key if key.algorithm.hash_name == _HASH else None
        check_signed(bundle, ours, artifact)
        logged = in_log(bundle, key, root, artifact, now=now, times=times)
        if logged.integrated_at:
            times.append(logged.integrated_at)
        check_times(certificate, times, now)
        _asked(lambda: check_purpose(certificate))
        identity = _asked(lambda: identity_of(certificate))
        issuer = _asked(lambda: issuer_of(certificate))
        witnessed = _asked(lambda: witnessed_by(certificate, root))
        refusal: VerificationError = KeyWindowError(
            "no certificate authority of the trusted root counts when this was signed"
        )
        for place, authority in enumerate(root.authorities):
            if not all(authority.window.covers(at) for at in times):
                continue
            trusted = _alone(root, place, bundle.entries[0].log_id, witnessed)
            try:
                self._ask(trusted, bundle, data, artifact)
            except VerificationError as e:
                refusal = e
                continue
            payload = bundle.signed.payload if isinstance(bundle.signed, Envelope) else b""
            proven = logged.index, logged.tree_size, logged.origin
            return Certified(identity, issuer, payload, *proven)
        raise refusal

    def _ask(
        self,
        trusted: str,
        bundle: ForeignBundle,
        data: bytes,
        artifact: Artifact | None,
    ) -> None:
        library = _asked(lambda: self._library(trusted))
        if isinstance(bundle.signed, Envelope):
            said = _asked(lambda: library.verify_dsse(Bundle.from_json(data), _Anyone()))
            if said != (IN_TOTO, bundle.signed.payload):
                raise CertificateError("sigstore read another payload than we did")
        else:
            assert artifact is not None
            hashed = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=artifact.sha256)
            _asked(lambda: library.verify_artifact(hashed, Bundle.from_json(data), _Anyone()))


class _Anyone:
    """What the library asks about the signer. We ask ourselves, and compare whole strings."""

    def verify(self, cert: x509.Certificate) -> None:
        """Do nothing."""


def _asked(ask: Callable[[], _T]) -> _T:
    """Return what foreign code answers; however it fails, that is a refusal.

    Raises:
        CertificateError: it raised anything at all, even what Rust panics with.
        VerificationError: it raised one of ours.
    """
    try:
        return ask()
    except VerificationError:
        raise
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as e:
        raise CertificateError(f"sigstore says no: {type(e).__name__}: {e}") from e


def _library(trusted: str) -> Verifier:
    """Return the library's verifier under a trusted root, without any file or network."""
    signing = {"mediaType": _SIGNING}  # it wants one, and signs nothing here
    config = f'{{"mediaType":"{_CONFIG}","trustedRoot":{trusted},"signingConfig":'
    read = ClientTrustConfig.from_json(config + json.dumps(signing) + "}")
    return Verifier(trusted_root=read.trusted_root)


def _alone(root: TrustedRoot, place: int, log_id: bytes, witnessed: bytes) -> str:
    """Render `root` with one authority and one log of each kind: the library tries any key."""
    content = dict(root.content)
    content["certificateAuthorities"] = [content["certificateAuthorities"][place]]
    for name, wanted in (("tlogs", log_id), ("ctlogs", witnessed)):
        ids = {"keyId": b64encode(wanted)}
        content[name] = [one for one in content[name] if one["logId"] == ids]
    content["timestampAuthorities"] = [
        _through_its_end(one) for one in content.get("timestampAuthorities", ())
    ]
    return json.dumps(content)


def _through_its_end(authority: dict[str, Any]) -> dict[str, Any]:
    """Let a window of whole seconds contain its end, which the library leaves out."""
    window = dict(authority["validFor"])
    if "end" in window and "." not in window["end"]:
        window["end"] = window["end"].replace("Z", ".000001Z")
    return {**authority, "validFor": window}


def _knows(root: TrustedRoot, bundle: ForeignBundle) -> bool:
    ids = {log.log_id for log in root.logs}
    return any(entry.log_id in ids for entry in bundle.entries)


def _times(bundle: ForeignBundle) -> list[float]:
    """Return when each timestamp says that it was made; that of a promise comes later."""
    found = [decode_timestamp_response(stamp) for stamp in bundle.timestamps]
    return [one.tst_info.gen_time.timestamp() for one in found]
