"""The keys that sign checkpoints: a new one beside the old one, and the post-quantum one."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from signer.keys.memory import MemoryKey
from tests.signer.asking import ORIGIN, REPOSITORY, digest
from tests.signer.running import running
from tests.signer.world import World, found_in
from verifier import cosignature
from verifier import note as notes
from verifier.errors import UntrustedLogError
from verifier.note import ML_DSA, Note, NoteKey
from verifier.trust import TrustRoot
from verifier.trust.listed import TrustedLog
from verifier.verify import Verifier


def with_log(trust: TrustRoot, *logs: TrustedLog) -> TrustRoot:
    """Return `trust` with exactly these logs."""
    return trust._replace(logs=logs)


def rotate_in(world: World) -> TrustedLog:
    """Let a second log key sign too, and verifiers know it."""
    key = MemoryKey.generate("ed25519")
    key.save(world.directory / "keys" / "next.pem")
    world.edit(
        'log = "file:keys/log.pem"\n',
        'log = "file:keys/log.pem"\nlog_also = ["file:keys/next.pem"]\n',
    )
    row = TrustedLog(ORIGIN, NoteKey.of(ORIGIN, key.public))
    trust = world.trust
    (world.directory / "trust.json").write_bytes(with_log(trust, *trust.logs, row).json())
    done = world.command("trusted-root", "trust.json")
    (world.directory / "trusted_root.json").write_text(done.stdout)
    return row


def test_rotation(world: World) -> None:
    """
    While the log key rotates, every bundle verifies for who knows the old key, who knows the new
    one, and who knows both.
    """
    old = world.trust.logs[0]
    new = rotate_in(world)
    with running(world) as service:
        signed = service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        bundle, trust = signed.bundle(), world.trust
        only_new = new._replace(promise_key=None)

        for logs in ([old], [old, new]):
            verdict = Verifier(with_log(trust, *logs)).verify(bundle, digest(1), REPOSITORY)
            assert signed.record.index == verdict.index
        # The bundle names its log by the first key; the checkpoint is by both.
        assert (new.checkpoint_key,) == notes.verify(
            Note.parse(signed.note), [only_new.checkpoint_key]
        )


def test_key_that_nobody_knows(world: World) -> None:
    """
    A second log key that the trust file does not list keeps the service from starting.
    """
    trust = world.trust
    rotate_in(world)
    (world.directory / "trust.json").write_bytes(trust.json())

    with pytest.raises(UntrustedLogError), running(world):
        pass


def test_post_quantum_line(world: World) -> None:
    """
    The public checkpoint bears a post-quantum signature of the log with a fresh time, and
    bundles do not.
    """
    quantum = world.trust.logs[1].checkpoint_key
    with running(world) as service:
        signed = service.asking(lambda client: client.sign(digest(1), REPOSITORY))
        before = int(service.ledger.clock.now())
        answer = httpx.get(f"http://{service.addresses.http}/checkpoint")
        again = httpx.get(f"http://{service.addresses.http}/checkpoint")
        note = Note.parse(answer.text)
        [line] = [one for one in note.signatures if one.key_id == quantum.key_id]

        assert ML_DSA == quantum.kind
        assert (quantum,) == notes.verify(note, [quantum])
        assert before <= cosignature.time_of(line) <= before + 60
        assert answer.text == again.text
        assert quantum.key_id not in {one.key_id for one in Note.parse(signed.note).signatures}


def test_brought_keys_need_no_post_quantum_one(world: World, tmp_path: Path) -> None:
    """
    A service that is founded on keys without a post-quantum one serves without it.
    """
    other = found_in(tmp_path / "first")
    (other.directory / "keys" / "log-post-quantum.pem").unlink()
    second = found_in(tmp_path / "second", keys_from=other.directory / "keys")
    with running(second) as service:
        note = Note.parse(httpx.get(f"http://{service.addresses.http}/checkpoint").text)

        assert 1 == len(note.signatures) == len(second.trust.logs)
