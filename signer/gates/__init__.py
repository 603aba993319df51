"""Gates: what has to hold by the policy before anything is approved under a scope.

    [[gates]]
    under = "registry.bank/payments"
    demand = ["vulnerabilities", "requester"]

`vulnerabilities`: the rule of that name, of the policy that is handed out, is met by what the
ledger has about the very image: reports by keys that the trust file lists, in force and fresh.
`requester`: who calls is somebody whose approval the policy counts.

The rules are the verifier's, and so is the judge: what passes here passes there, as far as it
was asked. The glass that a policy breaks lets an image run, and nothing be approved. Whatever
cannot be judged is refused.

    rules       which gates there are, and which policy they ask
    reports     the ledger's reports about an image, judged
    requesting  who calls, judged
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from signer.access import Principal
from signer.errors import GateError
from signer.gates.reports import Reports
from signer.gates.requesting import check_requester
from signer.gates.rules import Rules
from verifier.digest import Digest
from verifier.errors import VerificationError
from verifier.repository import Repository

_NAME_IT = "name the repository that it is for"
_HINT = "what is demanded before an approval is in the policy: policy.toml"


class Gates:
    """Judges what is to be approved. Runs on one event loop."""

    def __init__(self, rules: Callable[[], Rules], reports: Reports | None) -> None:
        """Ask the `rules` in force, of what `reports` finds."""
        self._rules = rules
        self._reports = reports
        self._turn = asyncio.Semaphore(1)  # reports are large when they are parsed

    @classmethod
    def open(cls) -> Gates:
        """Return gates that demand nothing."""
        return cls(Rules, None)

    def guard(self, repository: Repository) -> bool:
        """Whether anything has to hold for images of `repository`."""
        return bool(self._rules().demanded(repository))

    async def check(
        self,
        principal: Principal,
        keys: Sequence[str],
        digest: Digest,
        repository: Repository | None,
    ) -> None:
        """Return once all holds that has to before `keys` approve `digest` for `principal`.

        `keys` are called as the trust file calls them. What names no repository could be for
        any, and is refused where there is a gate at all.

        Raises:
            GateError: it does not; the code is the policy's own.
            LedgerError: what is logged about the image cannot be read.
        """
        rules = self._rules()
        if repository is None:
            if rules.gates:
                raise GateError("gate", f"{digest} may be for a repository with a gate", _NAME_IT)
            return
        demanded = rules.demanded(repository)
        if not demanded:
            return
        assert rules.policy is not None, "gates have a policy"
        assert self._reports is not None
        try:
            if "requester" in demanded:
                check_requester(rules.policy, principal, keys, digest, repository)
            if "vulnerabilities" in demanded:
                async with self._turn:
                    await asyncio.to_thread(self._reports.check, rules.policy, digest, repository)
        except VerificationError as e:
            raise GateError(
                e.code, f"{digest} in {repository}: {e.message}", e.hint or _HINT
            ) from e
