"""Forms: the shapes that one approval can take, each its own signature, record and entry.

`bundle` is an in-toto statement in a DSSE envelope, which cosign 3 and
sigstore-js read. What is signed is a function of the request, so the request
itself is what an approval is recognised by, never its signature bytes.
"""

from __future__ import annotations

from signer.errors import UnknownFormError
from verifier import dsse

BUNDLE = "bundle"
FORMS = (BUNDLE,)


def body(form: str, payload: bytes) -> bytes:
    """Return the message to be signed for an approval with this statement payload.

    Raises:
        UnknownFormError: no such form.
    """
    if form != BUNDLE:
        raise UnknownFormError(
            f"expected one of {', '.join(FORMS)}, found {form[:40]!r}",
            hint="leave forms empty for the key's own",
        )
    return dsse.pae(dsse.IN_TOTO, payload)
