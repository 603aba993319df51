"""May this image run: what is asked at pull time, and what is answered. It is always answered.

    Question   the digest that is about to run, and the repository that it was pulled from
    Source     where bundles about it may be found: a file, the service, the registry, a layout
    Decision   yes, or no with the reason that the user is shown

Whatever goes wrong is a no: a source that is away, a bundle that cannot be read, a bug of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from verifier.digest import Digest
from verifier.errors import printable
from verifier.repository import Repository

if TYPE_CHECKING:
    from verifier.verdict import Verdict


class Question(NamedTuple):
    """The image `digest`, which is what will run, as pulled from `repository`."""

    digest: Digest
    repository: Repository


class Decision(NamedTuple):
    """An answer. `code`, `message` and `hint` are empty in a plain yes.

    `sources` are those that were asked, in their order; none when it was remembered. A yes
    with a `code` is one that only warns: the policy would have refused it.
    """

    allowed: bool
    digest: str
    repository: str
    code: str = ""
    message: str = ""
    hint: str = ""
    sources: tuple[str, ...] = ()
    remembered: bool = False
    verdict: Verdict | None = None

    @property
    def line(self) -> str:
        """What a runtime shows to its user, in one line."""
        where = f"{self.repository}@{self.digest}"
        if self.allowed and not self.code:
            return printable(f"sealbook: {where} may run")
        hint = f"; {self.hint}" if self.hint else ""
        said = "may run, with a warning" if self.allowed else "refused"
        return printable(f"sealbook: {where} {said}: {self.message} ({self.code}){hint}")


class Source(Protocol):
    """One place where bundles may be found. Safe in many threads."""

    @property
    def name(self) -> str:
        """What it is called in answers and settings: file, service, registry or layout."""

    def bundles(self, question: Question, left_s: float) -> Iterator[bytes]:
        """Yield bundles about the image, approvals and attestations, the likeliest first.

        Nothing of them is trusted. None at all means that there are none.

        Raises:
            VerificationError: it is away, or has more than is read. What was yielded counts.
        """
