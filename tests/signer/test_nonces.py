"""References and salts: each value is given out once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from signer.nonces import Nonces


def test_each_once() -> None:
    """
    However many threads take values, each gets its own, of the size that was asked for.
    """
    nonces = Nonces(8)
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: nonces.take(), range(5_000)))

    assert 5_000 == len(set(taken))
    assert {8} == {len(one) for one in taken}
