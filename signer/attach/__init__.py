"""Attach: signatures at images, in registries, layouts and archives, where their readers look.

    from signer.attach import Attaching, Made

    with Attaching() as attaching:
        for image in images:
            attaching.start(repository, image, made)
        for attached in attaching.finish():
            print(attached.subject.digest, attached.added, attached.refused)

What is there is never taken away, whoever put it there, and whoever writes at the same time.
"""

from __future__ import annotations

from signer.attach.attaching import Attached, Attaching
from signer.attach.making import Made
from signer.attach.settling import Patience

__all__ = ["Attached", "Attaching", "Made", "Patience"]
