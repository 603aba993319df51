"""Backup, mirror and restore of a ledger with every form in it, and with large bodies."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.audit.test_forms import FORMS, MANIFEST, attest, check, sbom, upload
from tests.signer.asking import REPOSITORY, digest
from tests.signer.running import running
from tests.signer.world import found_in


def test_all_of_it_comes_back(tmp_path: Path) -> None:
    """
    What was in the backup and what only the mirror has are there again after a restore, each
    form with its promise, timestamp and certificates, and each large body in its file.
    """
    world = found_in(tmp_path / "service", forms=FORMS)
    file, mirror = tmp_path / "backup" / "ledger.db", tmp_path / "mirror"
    file.parent.mkdir()
    with running(world) as service:
        for n in (1, 2):
            service.asking(
                lambda client, n=n: client.sign(digest(n), REPOSITORY, **MANIFEST)  # type: ignore[misc]
            )
            attest(service, sbom(20_000 + n))
            upload(service, b"something of a stranger's %d" % n)
            if n == 1:
                done = world.command("ledger", "backup", file)
                assert 0 == done.returncode, done.stderr
    with running(world) as service:  # going down, it had logged a segment of the audit trail
        rows = service.ledger.store.rows(0, service.tree_size)
        where = ("--service", service.addresses.grpc, "--token-file", world.directory / "token")
        done = world.command("ledger", "mirror", mirror, *where)
        assert 0 == done.returncode, done.stderr
    for kept in (file.parent, mirror):
        assert (kept / "bodies" / "sha256").is_dir()
    shutil.rmtree(world.directory / "ledger")
    done = world.command("ledger", "restore", file, "--from", mirror)
    assert 0 == done.returncode, done.stderr
    with running(world) as service:
        assert rows == service.ledger.store.rows(0, service.tree_size)
        assert [] == check(service)
        assert 2 == len(list((world.directory / "ledger" / "bodies" / "sha256").iterdir()))
        assert 2 * (4 + 1 + 2) + 2 == service.tree_size


def test_mirror_that_lost_a_body(tmp_path: Path) -> None:
    """
    A restore from a mirror whose file of a large body is gone or altered is refused.
    """
    world = found_in(tmp_path / "service")
    file, mirror = tmp_path / "ledger.db", tmp_path / "mirror"
    with running(world) as service:
        assert 0 == world.command("ledger", "backup", file).returncode
        attest(service, sbom(20_000))
    with running(world) as service:  # going down, it had logged a segment of the audit trail
        where = ("--service", service.addresses.grpc, "--token-file", world.directory / "token")
        assert 0 == world.command("ledger", "mirror", mirror, *where).returncode
    [path] = (mirror / "bodies" / "sha256").iterdir()
    kept = path.read_bytes()
    shutil.rmtree(world.directory / "ledger")

    path.write_bytes(kept[:-1] + b"?")
    altered = world.command("ledger", "restore", file, "--from", mirror)
    path.unlink()
    gone = world.command("ledger", "restore", file, "--from", mirror)
    path.write_bytes(kept)
    good = world.command("ledger", "restore", file, "--from", mirror)

    assert (1, 1, 0) == (altered.returncode, gone.returncode, good.returncode)
    assert "ledger-damaged" in altered.stderr
    assert "ledger-damaged" in gone.stderr
