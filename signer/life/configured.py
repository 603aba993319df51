"""What the keys that callers may ask for have to be able to do, as configured."""

from __future__ import annotations

from collections.abc import Collection, Container

from ledger import labels
from signer.config.keys import SigningSection
from signer.errors import ConfigError
from signer.forms import Forms
from signer.forms.algorithms import check_also
from signer.keys import SigningKey


def check_algorithms(key: SigningKey, signing: SigningSection, forms: Forms) -> None:
    """Check that the readers of all that `key` is to make under its name can take it.

    One that signs also needs no more than that; so may one that a command made, which the
    configuration does not name yet. Asked for by name, it makes what every reader takes.

    Raises:
        UnsupportedKeyError, UnknownFormError: it cannot sign in a form that it is to make.
    """
    made = {labels.BUNDLE, *key.forms}  # a bundle is what everything else is at least
    seconds = {name for section in signing.keys.values() for name in section.also}
    defaults = {signing.default_key, signing.default_attest_key}
    if key.name not in defaults and (key.name in seconds or key.name not in signing.keys):
        check_also(key)
        made.remove(labels.BUNDLE)
    for form in sorted(made):
        forms.named(form).check(key)


def check_seconds(keys: Collection[SigningKey], names: Container[str]) -> None:
    """Check that each of `keys` names keys that can sign also; `names` are of all that there are.

    One that is there and signs no more, as it was retired, keeps no service from starting: it
    refuses each signature, until it is taken out of `also`.

    Raises:
        ConfigError: one is not there, or is for something else.
    """
    by_name = {key.name: key for key in keys}
    for key in keys:
        for name in key.also:
            second = by_name.get(name)
            if second is None and name not in names:
                raise ConfigError(
                    f"no key is called {name!r}, which {key.name} has sign also",
                    hint="make it first: sealbook key create",
                )
            if second and (second.raw, second.purpose) != (key.raw, key.purpose):
                raise ConfigError(f"{name!r}, which {key.name} has sign also, is for another use")
