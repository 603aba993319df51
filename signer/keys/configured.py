"""What the keys that callers may ask for have to be able to do, as configured."""

from __future__ import annotations

from ledger import labels
from signer.config import SigningSection
from signer.forms import Forms
from signer.forms.algorithms import check_also
from signer.keys import SigningKey


def check_algorithms(key: SigningKey, signing: SigningSection, forms: Forms) -> None:
    """Check that the readers of all that `key` is to make under its name can take it.

    Raises:
        UnsupportedKeyError, UnknownFormError: it cannot sign in a form that it is to make.
    """
    made = {labels.BUNDLE, *key.forms}  # a bundle is what everything else is at least
    beside = {name for section in signing.keys.values() for name in section.also}
    if key.name in beside - {signing.default_key, signing.default_attest_key}:
        check_also(key)
        made.remove(labels.BUNDLE)
    for form in sorted(made):
        forms.named(form).check(key)
