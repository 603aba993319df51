"""Test vectors of others: data that lives beside this repository, never in it.

`SEALBOOK_VECTORS` names the folder; a relative name counts from the repository's
root. Expected below it: `merkle/` (transparency-dev/merkle), `wycheproof/`
(C2SP/wycheproof) and `cctv/` (C2SP/CCTV), each as published.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parent.parent


def vectors(name: str) -> Any:
    """Return the JSON in the file `name`, or skip the test and say what is missing."""
    folder = _ROOT / os.environ.get("SEALBOOK_VECTORS", "../shared/vectors")
    file = folder / name
    if not file.is_file():
        pytest.skip(f"no vectors {name}: set SEALBOOK_VECTORS to their folder")
    return json.loads(file.read_bytes())
