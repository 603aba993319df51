"""A library of PKCS#11: shared, begun anew when that helps, and never under somebody's call."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from signer.keys.token.library import Library
from tests.signer.asking import PATIENCE_S, eventually, refused
from tests.signer.hsm.softhsm import MODULE, NEEDS_SOFTHSM, SoftToken

pytestmark = NEEDS_SOFTHSM


@pytest.fixture
def library(token: SoftToken) -> Iterator[Library]:
    """The library of a token, begun."""
    library = Library.hold(MODULE)
    with library.entered():
        pass
    yield library
    library.release()


def renewed(library: Library, generation: int) -> None:
    """Begin it anew as soon as that is not too early."""
    eventually(lambda: library.renew(generation))


def test_it_is_not_begun_anew_under_a_call(library: Library) -> None:
    """
    While a call is in the library nobody begins it anew; once the call is back, that is done.
    """
    with library.entered() as generation:
        eventually(lambda: _stuck(library, generation))
        assert generation == library.generation
    renewed(library, generation)

    assert generation + 1 == library.generation


def test_nobody_enters_while_it_is_begun_anew(library: Library) -> None:
    """
    Who comes while the library is waited for gets in afterwards, in the next generation.
    """
    inside, leave = threading.Event(), threading.Event()

    def call() -> int:
        with library.entered() as generation:
            inside.set()
            leave.wait(PATIENCE_S)
            return generation

    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(call)
        inside.wait(PATIENCE_S)
        library._not_before = 0.0
        renewal = threads.submit(library.renew, library.generation)
        eventually(lambda: library._beginning)
        late = threads.submit(call)
        leave.set()

        assert renewal.result()
        assert first.result() + 1 == late.result()


def test_what_somebody_else_did_is_not_done_again(library: Library) -> None:
    """
    Whoever asks for another generation than an old one has it already.
    """
    old = library.generation
    renewed(library, old)

    assert library.renew(old)
    assert old + 1 == library.generation
    assert not library.renew(old + 1)  # too early


def test_many_threads_at_once(token: SoftToken) -> None:
    """
    Sixteen sessions sign at the same time, which SoftHSM does only for those who announce it.
    """
    token.make("EC:prime256v1", "release", "01")
    with token.key("object=release", "sessions=16") as key, ThreadPoolExecutor(16) as threads:
        for message, signature in threads.map(
            lambda n: (b"%d" % n, key.sign(b"%d" % n)), range(500)
        ):
            key.public.verify(signature, message)


def _stuck(library: Library, generation: int) -> bool:
    """Say whether a renewal is refused for a call that does not come back, and not as too early."""
    library._not_before = 0.0
    return (
        "does not come back"
        in refused("key-unavailable", lambda: library.renew(generation)).message
    )
