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
from collections.abc import Callable, Sequence
from datetime import UTC
from functools import cache
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from verifier._strict import b64encode
from verifier.certified import Certified
from verifier.dsse import IN_TOTO, Envelope
from verifier.entry import certified_key
from verifier.errors import (
    CertificateError,
    KeyWindowError,
    MissingExtraError,
    NotYetValidError,
    UnsupportedError,
    UntrustedLogError,
    VerificationError,
)
from verifier.pull.identity import identity_of, issuer_of
from verifier.sigstore.artifact import Artifact
from verifier.sigstore.bundle import ForeignBundle, Message
from verifier.sigstore.trusted_root import TrustedRoot
from verifier.sigstore.verify import judge

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
_SKEW_S = 60  # by how much the clock of who dates signatures may be ahead of ours


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
        logged = judge(bundle, key, root, artifact, now=now, times=times)
        if logged is None:
            raise UntrustedLogError("a certificate counts at a time that a log or a stamp tells")
        if logged.integrated_at:
            times.append(logged.integrated_at)
        _check_times(certificate, times, now)
        _asked(lambda: _check_purpose(certificate))
        identity = _asked(lambda: identity_of(certificate))
        issuer = _asked(lambda: issuer_of(certificate))
        witnessed = _asked(lambda: _witnessed_by(certificate, root))
        refusal: VerificationError = KeyWindowError(
            "no certificate authority of the trusted root counts when this was signed"
        )
        for place, authority in enumerate(root.authorities):
            if not all(authority.window.covers(one) for one in times):
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
    return json.dumps(content)


def _knows(root: TrustedRoot, bundle: ForeignBundle) -> bool:
    ids = {log.log_id for log in root.logs}
    return any(entry.log_id in ids for entry in bundle.entries)


def _times(bundle: ForeignBundle) -> list[float]:
    """Return when each timestamp says that it was made; that of a promise comes later."""
    found = [decode_timestamp_response(stamp) for stamp in bundle.timestamps]
    return [one.tst_info.gen_time.timestamp() for one in found]


def _check_times(certificate: x509.Certificate, times: Sequence[float], now: float) -> None:
    """Check all times, of which the library believes at least one: so none can be slipped in."""
    if not times:
        raise CertificateError("expected a timestamp or a promise, found neither")
    start = certificate.not_valid_before_utc.timestamp()
    end = certificate.not_valid_after_utc.timestamp()
    for one in times:
        if not start <= one <= end:
            raise CertificateError(
                f"the certificate is not valid at {one:.0f}, when this was signed"
            )
        if one > now + _SKEW_S:
            raise NotYetValidError(f"this was signed at {one:.0f}, which is to come")


def _check_purpose(certificate: x509.Certificate) -> None:
    """Check that it is a certificate for code signing, and for nothing else."""
    extensions = certificate.extensions
    purposes = list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    if purposes != [ExtendedKeyUsageOID.CODE_SIGNING]:
        raise CertificateError(f"expected codeSigning alone, found {len(purposes)} purposes")
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    if not usage.digital_signature or usage.key_cert_sign or usage.crl_sign:
        raise CertificateError("expected a certificate that signs, and signs no certificates")


def _witnessed_by(certificate: x509.Certificate, root: TrustedRoot) -> bytes:
    """Return the id of the certificates' log that signed, once it is seen to have counted then."""
    found = list(
        certificate.extensions.get_extension_for_class(
            x509.PrecertificateSignedCertificateTimestamps
        ).value
    )
    if len(found) != 1:
        raise CertificateError(f"expected one certificate timestamp, found {len(found)}")
    at = found[0].timestamp.replace(tzinfo=UTC).timestamp()
    for log in root.transparency:
        if log.log_id == found[0].log_id:
            if not log.window.covers(at):
                raise KeyWindowError(f"the certificates' log does not count at {at:.0f}")
            return log.log_id
    raise CertificateError("the certificate is in no log that the trusted root names")
