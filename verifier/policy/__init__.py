r"""Policies: what an image needs before it may run, in words that can be read aloud.

    type = "urn:sealbook:policy:v1"
    max_trust_age = "7 days"

    [[images]]
    under = "harbor.bank/payments"
    witnesses = 1
    max_checkpoint_age = "1 day"

    [images.approval]
    keys = ["release", "qa"]
    signers = 2
    max_age = "90 days"
    requester = { issuer = "https://gitlab.bank", project_id = "4711", ref_protected = "true" }

    [[images.attestation]]
    type = "https://slsa.dev/provenance/v1"
    keys = ["attest"]

    [images.vulnerabilities]
    max_severity = "medium"
    fixed_only = true
    max_age = "7 days"
    allow = [{ cve = "CVE-2026-1234", until = 2026-12-31, why = "the parser is not built in" }]

Of the `[[images]]` that cover a repository, the one with the longest `under` rules, alone:
nothing is inherited. Who may sign is `keys`, by their names in trust.json, and
`identities = [{ identity = "…", issuer = "…" }]` of certificates, as whole strings;
without either, whatever key trust.json has for the purpose. Of several `[[images.approval]]`,
as of several attestations, all are needed: one of the keys here and one of the keys there.
What a file may say, and no more, is in `verifier.policy.demands`. A time is a day, until
whose end it lasts, or a moment in UTC.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Self

from verifier import limits
from verifier._strict import Fields
from verifier.errors import MalformedError, NoRuleError, PolicyError
from verifier.policy.demands import Demand, Images
from verifier.policy.reading import read_images, read_span
from verifier.repository import EVERYWHERE, Repository, Scope
from verifier.statement import APPROVAL
from verifier.trust.freshness import MAX_AGE_S

TYPE = "urn:sealbook:policy:v1"


class Policy(NamedTuple):
    """A parsed policy; `sha256` is of the file, for trust.json to pin."""

    images: tuple[Images, ...]
    max_trust_age_s: int = MAX_AGE_S
    sha256: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Parse a policy file.

        Raises:
            PolicyError: no TOML; a field that is unknown, missing or of another kind; rules
                for one prefix twice; no rule at all, or one that asks for nothing.
        """
        if len(data) > limits.POLICY:
            raise PolicyError(f"expected at most {limits.POLICY} bytes, found {len(data)}")
        import tomllib  # who has no policy starts sooner

        try:
            fields = Fields(tomllib.loads(data.decode()), "policy")
            policy = cls._read(fields, hashlib.sha256(data).digest())
        except (ValueError, RecursionError) as e:  # of TOML, of UTF-8, of a number too long
            raise PolicyError(f"not a policy in TOML: {str(e)[:200]}") from e
        except MalformedError as e:
            raise PolicyError(e.message, hint=e.hint) from e
        return policy

    @classmethod
    def anything_approved(cls) -> Self:
        """Return what holds without a policy: one approval by any key that may give it."""
        return cls((Images(Scope(EVERYWHERE), demands=(Demand(APPROVAL),)),))

    def of(self, repository: Repository) -> Images:
        """Return the rules for `repository`.

        Raises:
            NoRuleError: there are none.
        """
        found = [one for one in self.images if one.under.covers(repository)]
        if not found:
            raise NoRuleError(f"no rule of the policy covers {repository}")
        return max(found, key=lambda one: 0 if one.under == EVERYWHERE else len(one.under))

    @classmethod
    def _read(cls, fields: Fields, sha256: bytes) -> Self:
        kind = fields.text("type")
        if kind != TYPE:
            raise PolicyError(f"expected type {TYPE}, found {kind[:80]!r}")
        age = read_span(fields, "max_trust_age") or MAX_AGE_S
        images = read_images(fields)
        fields.done()
        return cls(images, age, sha256)
