"""All forms, for a service that has what they need."""

from __future__ import annotations

from signer.authority import Issuer
from signer.forms import Form, Forms
from signer.forms.bundle import BundleForm
from signer.forms.certificate import CertificateForm
from signer.forms.notation import NotationForm
from signer.forms.simplesigning import SimpleSigningForm


def all_forms(origin: str, issuer: Issuer | None) -> Forms:
    """Return every form; one that lacks something says so when it is asked for."""
    forms: tuple[Form, ...] = (
        BundleForm(),
        SimpleSigningForm(),
        CertificateForm(origin, issuer),
        NotationForm(),
    )
    return Forms({form.name: form for form in forms})
