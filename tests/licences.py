"""No GPL distribution in any extra but `crosscheck`, whose program nothing else imports.

    python tests/licences.py

Walks what the base install and each extra pull in, by the metadata of what is
installed here, and fails on a GPL licence or classifier. LGPL is another matter.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution

_EXTRAS = (
    *("", "admission", "audit", "witness", "server", "keyless", "timestamp"),
    *("pkcs11", "openbao", "cosign"),
)
_GPL = re.compile(r"(?<!L)(?<!Lesser )(?:\bA?GPL|General Public License)")
_LESSER = re.compile(r"LGPL|Lesser General Public License")


def required(name: str, extra: str) -> set[str]:
    """Return the distributions that `name`, with `extra`, pulls in, itself included."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    waiting = [(name, extra)]
    while waiting:
        current, with_extra = waiting.pop()
        try:
            requires = distribution(current).requires or []
        except PackageNotFoundError:
            continue  # for another platform
        found.add(current.lower())
        for line in requires:
            requirement = Requirement(line)
            if requirement.marker and not requirement.marker.evaluate({"extra": with_extra}):
                continue
            waiting.extend(
                (requirement.name, wanted)
                for wanted in requirement.extras or {""}
                if requirement.name.lower() not in found or wanted
            )
    return found


def is_gpl(found: Distribution) -> bool:
    """Whether the metadata of a distribution names the GPL or AGPL."""
    metadata = found.metadata
    named = [metadata.get("License-Expression") or "", (metadata.get("License") or "")[:200]]
    named += [c for c in metadata.get_all("Classifier") or [] if c.startswith("License ::")]
    return any(_GPL.search(_LESSER.sub("", text)) for text in named)


def main() -> int:
    """Print what is wrong; exit code 0 only when nothing is."""
    wrong = [
        f"extra {extra or 'base'!r} pulls in {name}, which is GPL"
        for extra in _EXTRAS
        for name in sorted(required("sealbook", extra))
        if is_gpl(distribution(name))
    ]
    if not is_gpl(distribution("pymerkle")):
        wrong.append("pymerkle no longer looks like GPL: is this check still looking?")
    print("\n".join(wrong) or "licences: no GPL outside the extra crosscheck")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
