"""The next trust file, as a draft for the roots to sign: what became of keys since the last one.

It is made of the trust file in force and of what the ledger says, so that making it again makes
the same one: keys that were announced are listed from their announcement on, and retired and
revoked ones get their end. Everything else stays as it was. It does not count before enough
roots signed it.
"""

from __future__ import annotations

from pathlib import Path

from ledger.durable import write_durably
from signer.errors import KeyBookError
from signer.life.standing import Known
from signer.status.in_force import InForce
from verifier import limits
from verifier.errors import VerificationError
from verifier.trust import PAYLOAD_TYPE, TrustRoot
from verifier.trust.listed import TrustedKey, keys_by_hint
from verifier.trust.signed import SignedFile

NAME = "trust-next.json"

_MODE = 0o644  # whoever serves files may serve these


def next_version(trust: TrustRoot, known: Known, in_force: InForce, now: int) -> TrustRoot | None:
    """Return the trust file that says of keys what the ledger says, or None if `trust` does.

    It is issued `now`, POSIX seconds, for as long as the one in force was.
    """
    listed = [_ended(key, known, in_force) for key in trust.keys.values()]
    listed += [
        one.announcement.trusted(one.index)
        for hint, one in known.announced.items()
        if hint not in trust.keys and hint not in known.retired
    ]
    keys = keys_by_hint(listed)
    if keys == trust.keys:
        return None
    expires = now + trust.expires - trust.issued
    return trust._replace(version=trust.version + 1, issued=now, expires=expires, keys=keys)


class Draft:
    """The file with the draft, beside the trust file in force."""

    def __init__(self, path: Path) -> None:
        """Keep it at `path`."""
        self.path = path

    def write(self, trust: TrustRoot, known: Known, in_force: InForce, now: int) -> bool:
        """Return whether there is a draft of what follows `trust`, durably; else there is no file.

        One that says the same already stays, with whatever roots have signed it.

        Raises:
            KeyBookError: it cannot be written.
        """
        new = next_version(trust, known, in_force, now) if trust.roots else None
        try:
            if new is None:
                self.path.unlink(missing_ok=True)
                return False
            if not self._says(new):
                unsigned = SignedFile(PAYLOAD_TYPE, new.json(), {})
                write_durably(self.path, unsigned.json(), _MODE)
        except OSError as e:
            raise KeyBookError(
                f"cannot write {self.path}: {e.strerror}",
                hint="what was asked for is logged; `sealbook trust create` writes a draft too",
            ) from e
        return True

    def _says(self, new: TrustRoot) -> bool:
        try:
            with self.path.open("rb") as file:
                data = file.read(limits.TRUST_FILE + 1)
            found = TrustRoot.read(SignedFile.parse(data, PAYLOAD_TYPE, limits.TRUST_FILE).payload)
        except (FileNotFoundError, VerificationError):
            return False
        return found._replace(issued=new.issued, expires=new.expires) == new


def _ended(key: TrustedKey, known: Known, in_force: InForce) -> TrustedKey:
    """Return a key of the trust file with the first end that the ledger says, if there is one."""
    hint, retired = key.public.hint, known.retired.get(key.public.hint)
    said = [
        key.valid_through_tree_size,
        retired.valid_through_tree_size if retired else None,
        in_force.end_of(hint),
    ]
    end = min((one for one in said if one is not None), default=None)
    if end is None:
        return key
    return key._replace(valid_through_tree_size=max(end, key.valid_from_tree_size))
