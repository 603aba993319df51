"""Every published failure of systems like this one, and the test that it has here.

A test bears the name of the failure, as in `test_cve_2022_36056_entry_of_another_signature`.
They lie by theme in test_known_failures_*.py beside this file, in tests/audit and in
tests/ledger; those about certificates need an extra and lie in tests/interop.

What these are about is not done here, so that there is nothing to test:

    CVE-2023-33957                  endless answers of a registry: no registry is read here
    CVE-2026-24117, CVE-2026-24845  addresses that a registry chooses: no registry is read here
    CVE-2026-33540, CVE-2025-27403  the same
    CVE-2019-10214, CVE-2024-3727   the same, and credentials for another host
    CVE-2026-24408                  an OIDC log-in without state: nobody logs in here
    CVE-2026-49478, PyJWT-GHSA-993g discovery and key sets by URL: no token is read here
    CVE-2024-5798, CVE-2020-26160   audiences of tokens: no token is read here
    CVE-2024-53861                  issuers of tokens compared in part: no token is read here
    PyJWT-GHSA-jq35, PyJWT-GHSA-fhv5, PyJWT-GHSA-2gx3, PyJWT-GHSA-r6x4, PyJWT-GHSA-pxh4
                                    algorithms, key sets and secrets of tokens: the same
    CVE-2026-49835                  metric labels without bound: this counts nothing by name

And these are of the service, where they have tests of other names:

    GHSA-hrxh-6v49-42gf             methods by another spelling: tests/signer/test_bad_calls.py
    GHSA-xr7q-jx4m-x55m             tokens in logs: nothing logs metadata
    rekor-2799                      another entry than was sent: tests/signer/test_wrong_answer.py
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

FAILURES = """
CVE-2022-23649 CVE-2022-36056 CVE-2026-22703 CVE-2024-51746 CVE-2023-47122 CVE-2026-49834
CVE-2026-54787 sigstore-go-609 sigstore-go-611 sigstore-python-1652 sigstore-go-635
CVE-2026-39395 CVE-2022-35929 sigstore-python-1247 sigstore-python-1492 GHSA-r2xv-vpr2-42m9
CVE-2026-44310 CVE-2026-44309 kyverno-0b4d37bd

CVE-2023-46737 CVE-2024-29902 CVE-2023-33957 CVE-2024-45395 sigstore-go-630 CVE-2023-30551
CVE-2025-66506 CVE-2026-49835 CVE-2026-23831 cosign-4648 CVE-2025-4565 CVE-2026-69249
PyJWT-GHSA-8wjv rekor-2799

CVE-2026-24122 CVE-2026-39984 CVE-2026-22772 CVE-2026-49478 PyJWT-GHSA-993g CVE-2026-24117
CVE-2026-24845 CVE-2026-33540 CVE-2025-27403 CVE-2019-10214 CVE-2024-3727 CVE-2023-33959
CVE-2023-47630 CVE-2024-23332 CVE-2024-56138 CVE-2024-51491 go-witness CVE-2025-62375
CVE-2021-41087 GHSA-pmwq-pjrm-6p5r CVE-2023-32076 CVE-2026-24686 CVE-2021-41131
CVE-2022-29173 GHSA-3633-5h82-39pq CVE-2026-23992 CVE-2020-15163 CVE-2020-6174 go-tuf
CVE-2026-24408 CVE-2025-24976 CVE-2024-5798 CVE-2020-26160 CVE-2024-53861 CVE-2026-32597
PyJWT-GHSA-jq35 PyJWT-GHSA-fhv5 PyJWT-GHSA-2gx3 PyJWT-GHSA-r6x4 PyJWT-GHSA-pxh4
GHSA-hrxh-6v49-42gf GHSA-xr7q-jx4m-x55m

CVE-2026-56865 CVE-2026-56864 CVE-2022-36111 pymerkle-6-1-0 Sunlight-88EWBS43
Sunlight-SAPGR4D6 Tessera-1035 CT-Yeti-2022 Tessera-885 tlog-witness-race cosign-4917
CVE-2012-2459
"""

# Of one kind with another, whose test is theirs too.
ALIKE = {
    "CVE-2023-25656": "CVE-2023-46737",
    "CVE-2023-33958": "CVE-2023-46737",
    "CVE-2024-28180": "CVE-2023-30551",
    "CVE-2024-36129": "CVE-2023-30551",
    "CVE-2026-48702": "CVE-2023-30551",
    "CVE-2025-30204": "CVE-2025-66506",
    "CVE-2025-61920": "CVE-2025-66506",
    "CVE-2025-66564": "CVE-2025-66506",
    "CVE-2024-29903": "CVE-2024-29902",
    "CVE-2023-33199": "CVE-2026-23831",
    "CVE-2026-0994": "CVE-2025-4565",
    "CVE-2022-35930": "CVE-2022-35929",
    "CVE-2025-59420": "CVE-2026-32597",
    "CVE-2026-27962": "CVE-2025-24976",
    "CVE-2022-47633": "CVE-2023-33959",
    "CVE-2026-24137": "CVE-2021-41131",
    "CVE-2026-33186": "GHSA-hrxh-6v49-42gf",
    "GHSA-5qp5-ph6r-qj9f": "CVE-2026-39984",
}

FUNCTION = re.compile(r"^def test_(\w+)\(", re.MULTILINE)


@pytest.fixture(scope="module", name="names")
def names_() -> set[str]:
    """The names of all tests of known failures."""
    if not (TESTS / "audit").is_dir():
        pytest.skip("only the verifier's tests are here")
    found: set[str] = set()
    for path in TESTS.glob("*/test_known_failures*.py"):
        found |= set(FUNCTION.findall(path.read_text()))
    return found


@pytest.mark.parametrize("failure", FAILURES.split())
def test_each_has_its_test(names: set[str], failure: str) -> None:
    """
    A published failure has a test of its name, or a reason above why there is none.
    """
    assert __doc__ is not None
    said = re.search(rf"(?<![\w-]){failure}(?![\w-])", __doc__) is not None
    name = failure.lower().replace("-", "_")
    tested = any(one == name or one.startswith(f"{name}_") for one in names)

    assert said != tested


def test_those_alike() -> None:
    """
    What is like another one leads to one that is in the list, and is not there itself.
    """
    listed = set(FAILURES.split())

    assert listed >= set(ALIKE.values())
    assert listed.isdisjoint(ALIKE)


def test_each_name_is_one_of_them(names: set[str]) -> None:
    """
    No test is named after a failure that is not in the list.
    """
    listed = tuple(failure.lower().replace("-", "_") for failure in FAILURES.split())
    claimed = {name for name in names if re.match(r"cve_|ghsa_", name)}

    assert [] == sorted(name for name in claimed if not name.startswith(listed))
