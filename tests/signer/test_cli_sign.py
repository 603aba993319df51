"""`sealbook sign`, `verify` and what looks at the ledger, on a service that runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.signer.asking import OTHER_REPOSITORY, REPOSITORY, digest
from tests.signer.commands import bundle_path, check_refused, lines, one, sealbook
from tests.signer.running import Process
from tests.signer.world import init
from tests.verifier.laid_out import LaidOut, tagged

TRUST = ("--trust", "trust.json")


@pytest.fixture
def image(tmp_path: Path) -> tuple[LaidOut, list[str]]:
    """A layout with an index tagged 1.4, its two children, and another image."""
    layout = LaidOut(tmp_path / "image")
    children = [layout.image(str(tmp_path)), layout.image("arm64")]
    index = layout.index(*children)
    layout.top(tagged(index, "1.4"), tagged(layout.image("other"), "1.3"))
    return layout, [str(d["digest"]) for d in (index, *children)]


def test_sign_and_verify(site: Process, tmp_path: Path) -> None:
    """
    A digest is signed, its bundle written, and verified by the next command.
    """
    where = ("--repository", REPOSITORY, digest(1))
    done = site.spawn("sign", *where, "--out", tmp_path)
    path = bundle_path(tmp_path, digest(1))
    verdict = site.spawn("verify", *TRUST, *where, path)

    assert (0, f"signed {digest(1)}") == (done.returncode, done.stdout.split("\n")[0])
    assert f"bundle {path}" in done.stdout
    assert (0, True) == (verdict.returncode, verdict.stdout.startswith(f"yes: {digest(1)} is"))
    assert digest(1) == site.verifier.verify(path.read_bytes(), digest(1), REPOSITORY).digest


def test_verify_says_no(site: Process, tmp_path: Path) -> None:
    """
    Another image, another repository and another trust file are a no, with exit code 1.
    """
    site.sign(digest(2), "--out", tmp_path)
    path = bundle_path(tmp_path, digest(2))
    image = site.command("verify", *TRUST, "--repository", REPOSITORY, digest(3), path)
    repository = site.command("verify", *TRUST, "--repository", OTHER_REPOSITORY, digest(2), path)
    other = init(tmp_path / "other").command(
        "verify", *TRUST, "--repository", REPOSITORY, digest(2), path, "--json"
    )

    assert "no: " in check_refused(image, "digest-mismatch")
    check_refused(repository, "repository-mismatch")
    assert (1, "no", "unknown-key") == (
        other.returncode,
        one(other)["verdict"],
        one(other)["code"],
    )


def test_sign_again(site: Process, tmp_path: Path) -> None:
    """
    The same command again has the same answer; an option that is signed makes another entry.
    """
    out = ("--json", "--out", tmp_path)
    options = ("-a", "env=prod", "-a", "team=a=b", "--tag", "1.4", "--reason", "release")
    first = one(site.sign(digest(4), *options, *out))
    again = one(site.sign(digest(4), *options, *out))
    other = one(site.sign(digest(4), *out))
    renewed = one(site.sign(digest(4), *options, "--renew", *out))
    key = one(site.sign(digest(4), *options, "--key", "release", *out))
    told = site.verifier.verify(
        bundle_path(tmp_path, digest(4)).read_bytes(), digest(4), REPOSITORY
    ).annotations

    assert {"digest": digest(4), "index": first["index"]} == {
        name: first[name] for name in ("digest", "index")
    }
    assert first == again == key
    assert first["index"] < other["index"] < renewed["index"]
    assert ("prod", "a=b", "1.4") == (told["env"], told["team"], told["sealbook.tag"])


def test_sign_with_idempotency_key(site: Process, tmp_path: Path) -> None:
    """
    An idempotency key that is used for another request is refused.
    """
    options = ("--idempotency-key", "job-7", "--out", tmp_path)

    assert 0 == site.sign(digest(5), *options).returncode
    assert 0 == site.sign(digest(5), *options).returncode
    check_refused(site.sign(digest(6), *options), "idempotency-conflict")
    refused = site.sign(digest(6), *options, "--json")
    assert (1, "idempotency-conflict") == (refused.returncode, one(refused)["error"])
    assert not bundle_path(tmp_path, digest(6)).exists()


def test_layout(site: Process, image: tuple[LaidOut, list[str]], tmp_path: Path) -> None:
    """
    An index is signed with both its children, in one commit, and each of them verifies.
    """
    layout, digests = image
    size = one(site.command("checkpoint", "--json"))["tree_size"]
    options = ("--repository", REPOSITORY, "--json", "--out", tmp_path)
    done = site.spawn("sign", f"oci:{layout.directory}:1.4", *options)
    found = lines(done)
    verified = [
        site.verifier.verify(bundle_path(tmp_path, d).read_bytes(), d, REPOSITORY) for d in digests
    ]

    assert 0 == done.returncode, done.stderr
    assert digests == [line["digest"] for line in found]
    assert [size, size + 1, size + 2] == [line["index"] for line in found]
    assert {size + 3} == {one_of.tree_size for one_of in verified}
    assert ["application/vnd.oci.image.index.v1+json"] + [
        "application/vnd.oci.image.manifest.v1+json"
    ] * 2 == [one_of.annotations["sealbook.media-type"] for one_of in verified]


def test_layout_in_text(site: Process, image: tuple[LaidOut, list[str]], tmp_path: Path) -> None:
    """
    People are told of each manifest and where its bundle is; a relative directory will do.
    """
    layout, digests = image
    shutil.copytree(layout.directory, site.directory / "local", dirs_exist_ok=True)
    done = site.sign("oci:local:1.4", "--out", tmp_path)

    assert [f"signed {d}" for d in digests] == [
        line for line in done.stdout.splitlines() if line.startswith("signed ")
    ]


def test_bad_layout(site: Process, image: tuple[LaidOut, list[str]], tmp_path: Path) -> None:
    """
    A layout that is not whole is refused before anything is signed.
    """
    layout, digests = image
    size = one(site.command("checkpoint", "--json"))["tree_size"]
    where = f"oci:{layout.directory}"
    told = check_refused(site.sign(where), "no-image")
    check_refused(site.sign(f"{where}:2.0"), "no-image")
    check_refused(site.sign(f"oci:{tmp_path / 'none'}"), "bad-layout")
    check_refused(site.sign(f"{where}:1.4", "--idempotency-key", "k"), "bad-request")
    layout.path(digests[2]).write_bytes(b"{}")
    check_refused(site.sign(f"{where}:1.4"), "wrong-content")
    (layout.directory / "index.json").unlink()
    check_refused(site.sign(f"{where}:1.4"), "bad-layout")

    assert "tags: 1.3, 1.4" in told
    assert "hint:  name one, as in oci:DIR:TAG" in told
    assert size == one(site.command("checkpoint", "--json"))["tree_size"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["latest", "--repository", REPOSITORY], "bad-digest"),
        ([digest(1), "--repository", "team/app"], "bad-repository"),
        ([digest(1), "--repository", REPOSITORY, "-a", "env"], "bad-request"),
        ([digest(1), "--repository", REPOSITORY, "-a", "sealbook.tag=x"], "malformed"),
        ([digest(1), "--repository", REPOSITORY, "--key", "none"], "unknown-key"),
        ([digest(1), "--repository", REPOSITORY, "--token-file", "none"], "key-file"),
        ([digest(1), "--repository", REPOSITORY, "--service", "127.0.0.1:1"], "unreachable"),
    ],
)
def test_refused(site: Process, words: list[str], code: str) -> None:
    """
    What is refused, here or by the service, is told with its code.
    """
    check_refused(site.command("sign", *words), code)


@pytest.mark.parametrize("option", ["--trust", "--ca", "--out"])
def test_bad_option(site: Process, tmp_path: Path, option: str) -> None:
    """
    An option that names a file that cannot be used is refused with a sentence, before signing.
    """
    (tmp_path / "file").write_text("no directory")
    path = tmp_path / "file" / "out" if option == "--out" else tmp_path / "none"
    size = one(site.command("checkpoint", "--json"))["tree_size"]
    done = site.sign(digest(70), option, path)

    assert (1, "") == (done.returncode, done.stdout)
    assert "Traceback" not in done.stderr
    assert str(path) in done.stderr
    assert size == one(site.command("checkpoint", "--json"))["tree_size"]


def test_other_trust_file(site: Process, tmp_path: Path) -> None:
    """
    An answer that the named trust file does not accept is refused, and no bundle is written.
    """
    trust = init(tmp_path / "other").directory / "trust.json"

    check_refused(site.sign(digest(8), "--trust", trust, "--out", tmp_path), "unknown-key")
    assert not bundle_path(tmp_path, digest(8)).exists()


def test_from_another_machine(site: Process, tmp_path: Path) -> None:
    """
    A machine with the address, the token and the trust file needs no configuration.
    """
    shutil.copy(site.directory / "token", tmp_path / "token")
    shutil.copy(site.directory / "trust.json", tmp_path / "trust.json")
    where = ("--service", site.addresses.grpc, "--token-file", "token")
    options = ("--repository", REPOSITORY, "--trust", "trust.json", *where)
    done = sealbook("sign", digest(9), *options, cwd=tmp_path)
    (tmp_path / "token").write_text("x" * 40)
    refused = sealbook("sign", digest(9), *options, cwd=tmp_path)

    assert 0 == done.returncode, done.stderr
    assert bundle_path(tmp_path, digest(9)).exists()
    check_refused(refused, "unauthenticated")
