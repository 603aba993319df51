"""What the ledger has about an image from scanners, judged by the policy as verifiers do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ledger import labels
from ledger.answer import make_record
from ledger.ledger import Ledger
from ledger.store import SLICE
from signer.errors import ConfigError
from signer.status.in_force import InForce
from verifier.digest import Digest
from verifier.errors import LimitError, PolicyError, RevokedError
from verifier.policy import Policy
from verifier.policy.ages import Ages
from verifier.policy.demands import Images
from verifier.publickey import PublicKey
from verifier.repository import Repository
from verifier.trust import TrustRoot
from verifier.trust.status import Status
from verifier.verify import Verifier
from verifier.vulnerabilities import PREDICATE_TYPE

# What is judged for one image; a report is parsed whole, and takes ten times its size meanwhile.
_MOST_BYTES = 32 << 20


class Reports:
    """The vulnerability reports of one ledger. Safe in many threads."""

    def __init__(
        self,
        ledger: Ledger,
        trust: Callable[[], TrustRoot],
        status: Path,
        in_force: InForce,
    ) -> None:
        """Believe the `trust` in force and the file `status`; count nothing that is revoked."""
        self._ledger = ledger
        self._trust = trust
        self._status = status
        self._in_force = in_force

    def check(self, policy: Policy, digest: Digest, repository: Repository) -> None:
        """Check that the newest report of each scanner meets the rule of `policy`.

        Raises:
            RefusedError: it does not, or there is none that counts.
            VerificationError: it cannot be judged: no rule, trust that is not fresh, too much.
            ConfigError: the status file cannot be read.
            DamagedError: the ledger cannot be read.
        """
        trust = self._trust()
        images = _scanned_alone(policy.of(repository))
        status = Status.parse(self._read_status(), trust)
        now = self._ledger.clock.now
        verifier = Verifier(trust, now, status=status, policy=policy._replace(images=(images,)))
        ages = Ages(status.payload.marks, now())
        bundles = self._bundles(digest, repository, images, trust, ages)
        verifier.judge(bundles, digest, repository)

    def _bundles(
        self, digest: Digest, repository: Repository, images: Images, trust: TrustRoot, ages: Ages
    ) -> Iterator[bytes]:
        """Yield the reports that may count; one that is too old, only if all of them are."""
        published = self._ledger.published
        log_id, tree_size = self._ledger.log_key.log_id, published.checkpoint.tree_size
        assert images.vulnerabilities is not None
        max_age_s = images.vulnerabilities.max_age_s
        listed = self._listed(digest, repository, images, trust, tree_size)
        young = [i for i in listed if max_age_s is None or ages.younger(i, max_age_s)]
        size = 0
        for index in young or listed[-1:]:
            row = self._ledger.row(index)
            size += row.body_size or len(row.body or b"")
            if size > _MOST_BYTES:
                raise LimitError(
                    f"expected at most {_MOST_BYTES} bytes of reports that may count",
                    hint="let the policy's max_age be shorter, or the reports",
                )
            record, proof = make_record(index, row), self._ledger.prove(index, tree_size)
            if not row.body_size:
                yield record.rendered(proof, published.note, log_id)
                continue
            name = labels.body_name(record.entry)
            assert name is not None
            body = self._ledger.bodies.pieces(name, row.body_size)
            yield b"".join(record.pieces(body, proof, published.note, log_id))

    def _listed(
        self,
        digest: Digest,
        repository: Repository,
        images: Images,
        trust: TrustRoot,
        tree_size: int,
    ) -> list[int]:
        """Return where there are reports by keys of the trust file, in force, oldest first.

        By what is written beside the entries: the judge reads the reports themselves. Nobody
        knows what a report said whose body was deleted: those before it are not enough.
        """
        attest = {
            key.public.fingerprint: key.public
            for key in trust.keys.values()
            if key.purpose == "attest"
        }
        names, after = set(images.names(repository)), -1
        found: list[int] = []
        while True:
            page = self._ledger.store.search("digest", digest, after, SLICE, tree_size)
            for index in page:
                row = self._ledger.stored(index)
                about = labels.decode(row.labels)
                public = attest.get(about.get("key", [""])[0])
                if public is None or about.get("predicate_type") != [PREDICATE_TYPE]:
                    continue
                named = about.get("repository", [])
                if not (names.intersection(named) if named else images.unnamed == "allow"):
                    continue
                if row.body is None and not row.body_size:
                    found.clear()
                elif not self._revoked(index, public):
                    found.append(index)
            if len(page) < SLICE:
                return found
            after = page[-1]

    def _revoked(self, index: int, public: PublicKey) -> bool:
        try:
            self._in_force.check_entry(index, public)
        except RevokedError:
            return True
        return False

    def _read_status(self) -> bytes:
        try:
            return self._status.read_bytes()
        except OSError as e:
            raise ConfigError(f"cannot read {self._status}: {e.strerror}") from e


def _scanned_alone(images: Images) -> Images:
    """Return rules that ask for a report and nothing else, and are meant."""
    if images.vulnerabilities is None:
        raise PolicyError(f"the rules for {images.under} ask for no vulnerability report")
    return images._replace(mode="enforce", max_checkpoint_age_s=None, demands=(), break_glass=())
