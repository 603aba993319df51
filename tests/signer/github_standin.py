"""Stands in for GitHub: an issuer of tokens for jobs, on loopback, over TLS.

It answers what GitHub's issuer does (the discovery document, its keys), and what a runner asks for
the token of a job: ACTIONS_ID_TOKEN_REQUEST_URL with the audience, and a bearer that is the job's.
"""

from __future__ import annotations

import secrets
import urllib.parse
from pathlib import Path
from typing import Any

from tests.signer.issuer_standin import Issuer


class GitHub(Issuer):
    """The issuer, and what runners ask."""

    def __init__(self, folder: Path) -> None:
        """Listen; `close` ends it."""
        self._bearers: dict[str, dict[str, Any]] = {}
        super().__init__(folder)

    def job(self, repository: str, **claims: str) -> dict[str, str]:
        """Begin a job of a repository, and return what a runner finds in its environment."""
        bearer = secrets.token_urlsafe()
        self._bearers[bearer] = {
            "repository": repository,
            "repository_owner": repository.partition("/")[0],
            "sub": f"repo:{repository}:ref:refs/heads/main",
            "ref": "refs/heads/main",
            "ref_protected": "true",
            "event_name": "push",
            **claims,
        }
        return {
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer,
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.issuer}/token?api-version=2.0",
            "GITHUB_REPOSITORY": repository,
        }

    def job_token(self, bearer: str, audience: str) -> str:
        """Return a token of the job that `bearer` belongs to."""
        return self.token(audience, self._bearers[bearer])

    def answer(self, url: urllib.parse.SplitResult, authorization: str) -> dict[str, Any] | None:
        """Return what is at a URL, for this caller; None: nothing."""
        bearer = authorization.removeprefix("bearer ")
        if url.path == "/token" and bearer in self._bearers:
            [audience] = urllib.parse.parse_qs(url.query)["audience"]
            return {"value": self.job_token(bearer, audience)}
        return super().answer(url, authorization)
