"""Images that a registry shows to nobody before something signs them: content trust.

Named by digest they can be signed nevertheless. A legacy signature needs nothing else; once it
is attached the registry shows the image, and all the rest is signed and attached as always.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from ledger import labels
from signer.attach import Attaching
from signer.cli.attaching import Shelf, attaches, patience
from signer.cli.images import Target, looked_at
from signer.cli.signing import Signing
from signer.client import Client
from verifier.errors import SealbookError
from verifier.verify import Verifier

Refused = list[tuple[str, SealbookError]]


def uncovered(
    targets: Sequence[Target],
    args: argparse.Namespace,
    client: Client,
    verifier: Verifier | None,
    annotations: Mapping[str, str],
) -> tuple[list[Target], Refused]:
    """Return the targets as they are shown now, and those that stay hidden, with the reason.

    Where the command does not attach, hidden ones stay as they are, which is said.
    """
    hidden = [one for one in targets if one.hidden is not None and attaches(args, one)]
    for one in targets:
        if one.hidden is not None and one not in hidden:
            print(f"note: {one.given} is hidden: what is under it is not signed", file=sys.stderr)
    if not hidden:
        return list(targets), []
    other = {"forms": [labels.SIMPLESIGNING], "out": None, "idempotency_key": ""}
    first = argparse.Namespace(**{**vars(args), **other})
    with Attaching(patience(args)) as attaching:
        shelf = Shelf(attaching)
        results = Signing(first, client, verifier, annotations, shelf).sign(hidden)
        outcomes = shelf.outcomes()
    errors = {r.target.given: r.answer for r in results if isinstance(r.answer, SealbookError)}
    for r in results:
        for signed in r.signatures():
            end = outcomes.get((r.target.repository, r.digest, signed.record.index))
            if end is not None and end.error is not None:
                errors[r.target.given] = end.error
    shown: list[Target] = []
    refused: Refused = []
    for one in targets:
        try:
            now = looked_at(one) if one in hidden else one
        except SealbookError as e:
            refused.append((one.given, e))
            continue
        if now.hidden is not None and one in hidden:
            refused.append((one.given, errors.get(one.given, now.hidden)))
        else:
            shown.append(now)
    return shown, refused
