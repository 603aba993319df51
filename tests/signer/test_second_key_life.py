"""The life of a key that signs also: made by a command, put beside another, replaced, revoked."""

from __future__ import annotations

from signer.client.answer import key_of
from tests.signer.asking import digest, refused
from tests.signer.revoking import Key, offline, revoke
from tests.signer.rotating import create, install, retire, rotate, switch
from tests.signer.running import running
from tests.signer.second import SECOND, made
from tests.signer.world import World


def test_life_of_a_second_key(world: World) -> None:
    """
    A key of ML-DSA-65 is made, announced and trusted, then named in `also`, and rotates by itself.
    """
    with running(world) as service:
        create(service, SECOND, algorithm="ml-dsa-65")
        install(service)
        switch(service, SECOND)
        assert 1 == len(made(service, 1))
        refused("unsupported-key", lambda: made(service, 1, key=SECOND))
    world.edit("[signing.keys.release]\n", f'[signing.keys.release]\nalso = ["{SECOND}"]\n')
    with running(world) as service:
        signed = {n: made(service, n) for n in (1, 2)}
        rotate(service, SECOND)
        signed[3] = made(service, 3)
        rotate(service)
        signed[4] = made(service, 4)
        retire(service, SECOND)
        retire(service)
        install(service)
        signed[5] = made(service, 5)

        keys = [[key_of(one.record) for one in pair] for pair in signed.values()]
        assert [2] * 5 == [len({*pair}) for pair in keys]
        assert (2, 2) == tuple(len({pair[place] for pair in keys}) for place in (0, 1))
        verifier = offline(world)
        for n, pair in signed.items():
            for one in pair:
                assert verifier.verify(one.bundle(), digest(n), None).digest == digest(n)


def test_revoked_second_key(world: World) -> None:
    """
    Once the second key is revoked without another, nothing is signed until it is taken out.
    """
    with running(world) as service:
        create(service, SECOND, algorithm="ml-dsa-65")
        install(service)
        switch(service, SECOND)
    world.edit("[signing.keys.release]\n", f'[signing.keys.release]\nalso = ["{SECOND}"]\n')
    with running(world) as service:
        assert 2 == len(made(service, 1))
        revoke(service, key=Key(name=SECOND))
        before = service.tree_size
        refused("revoked", lambda: made(service, 2))
        assert before == service.tree_size
    with running(world) as service:
        refused("revoked", lambda: made(service, 2))
    world.edit(f'also = ["{SECOND}"]\n', "")
    with running(world) as service:
        assert 1 == len(made(service, 2))
