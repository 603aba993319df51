"""`python -m verifier`: one question, one verdict, on the base install.

Exit code 0 means yes. Everything else, our own bugs included, means no.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from verifier import telling
from verifier.asking import USAGE, Asked, UsageError
from verifier.errors import VerificationError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from verifier.certified import CertificateJudge, Certified
    from verifier.policy import Policy
    from verifier.trust import TrustRoot
    from verifier.trust.status import Status


class _Certificates:
    """Judges certificates, ours and those of another root; loads what that needs when it must."""

    def __init__(self, asked: Asked, trust: TrustRoot, status: Status | None) -> None:
        self._asked, self._trust, self._status = asked, trust, status
        self._judge: CertificateJudge | None = None

    def certified(self, data: bytes) -> Certified:
        """Answer as `CertificateJudge` says; raise `MissingExtraError` without the extra."""
        if self._judge is None:
            from verifier import limits
            from verifier.pull.keyless import SigstoreJudge
            from verifier.trusted_root import trusted_root

            path = self._asked.trusted_root
            others = [] if path is None else [_read(path, limits.TRUST_FILE)]
            revocations = self._status.payload.revocations if self._status else ()
            self._judge = SigstoreJudge(trusted_root(self._trust, revocations), *others)
        return self._judge.certified(data)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the verdict and return the exit code: 0 only for yes."""
    argv = sys.argv[1:] if argv is None else argv
    as_json = "--json" in argv
    try:
        asked = Asked(argv)
        if asked.help:
            print(USAGE, end="")
        elif asked.evidence:
            telling.say_proven(_proven(asked), as_json=as_json)
        else:
            _answer(asked)
        sys.stdout.flush()  # a yes that nobody can read is none
    except UsageError as e:
        telling.say_no(e.code, e.message, e.hint, as_json=as_json)
        return 2
    except VerificationError as e:
        telling.say_refused(e, as_json=as_json)
        return 1
    except OSError as e:
        why = printable(f"{e.filename}: {e.strerror}")
        telling.say_no("unreadable", why, "", as_json=as_json)
        return 1
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as e:  # noqa: BLE001  a bug must not look like a yes, nor like a crash
        why = printable(f"{type(e).__name__}: {e}")
        telling.say_no("internal-error", why, "please report this", as_json=as_json)
        return 1
    return 0


def _answer(asked: Asked) -> None:
    from verifier import limits
    from verifier.digest import Digest
    from verifier.repository import Repository
    from verifier.verify import Verifier

    digest = Digest(asked.digest)
    repository = None if asked.repository is None else Repository(asked.repository)
    trust, status, policy = _trusted(asked)
    judge = _Certificates(asked, trust, status)
    verifier = Verifier(trust, status=status, policy=policy, certificates=judge)
    if policy is None and len(asked.bundles) == 1:
        verified = verifier.verify(_read(asked.bundles[0], limits.BUNDLE), digest, repository)
        telling.say_yes(verified, verifier.warnings(), as_json=asked.json)
        return
    if repository is None:
        raise UsageError("a policy needs --repository")
    bundles = [_read(path, limits.ATTESTATION) for path in asked.bundles]
    telling.say_verdict(verifier.judge(bundles, digest, repository), as_json=asked.json)


def _proven(asked: Asked) -> str:
    """Return in one sentence what the evidence proves."""
    from verifier import limits

    trust, _, _ = _trusted(asked)
    data = _read(asked.file, limits.DOSSIER)
    if data.startswith(b"PK"):
        from verifier.dossier import Dossier

        return Dossier.parse(data).verify(trust)
    from verifier.evidence import Evidence

    return Evidence.parse(data).verify(trust)


def _trusted(asked: Asked) -> tuple[TrustRoot, Status | None, Policy | None]:
    """Return what to believe; files that are named count instead of those in a directory."""
    import os

    from verifier import limits
    from verifier.trust import TrustRoot

    status: Status | None = None
    policy: Policy | None = None
    if os.path.isdir(asked.trust):  # noqa: PTH112  pathlib costs 5 ms of cold start
        from verifier.pull.trust_directory import TrustDirectory

        trust, status, policy = TrustDirectory(asked.trust).load()
    else:
        trust = TrustRoot.parse(_read(asked.trust, limits.TRUST_FILE))
    if asked.status is not None:
        from verifier.trust.status import Status

        status = Status.parse(_read(asked.status, limits.STATUS_FILE), trust)
    if asked.policy is not None:
        from verifier.policy import Policy

        policy = Policy.parse(_read(asked.policy, limits.POLICY))
    if not asked.example_keys:
        for public in trust.publics():
            public.refuse_example()
    return trust, status, policy


def _read(path: str, limit: int) -> bytes:
    """Read one byte more than allowed, so that the parser can refuse what is too long."""
    if path == "-":
        return sys.stdin.buffer.read(limit + 1)
    with open(path, "rb") as file:  # noqa: PTH123  pathlib costs 5 ms of cold start
        return file.read(limit + 1)


if __name__ == "__main__":
    sys.exit(main())
