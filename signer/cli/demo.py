"""`sealbook demo`: the whole story in a scratch directory, by the commands a user would type.

Exit code 0 only when the good image was accepted and each tampered one refused.
"""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from signer.cli import demo_image
from signer.cli.arguments import parser
from signer.errors import SigningError
from verifier.digest import Digest
from verifier.statement import APPROVAL

_REPOSITORY = "registry.example/demo/hello"
_TOO_OLD = "nil value in transaction log entry"  # what cosign before 2.6 says of new entries
_TRY_NEXT = """\
  your registry  sealbook check-registry REGISTRY/TEAM/APP    # will your readers find what we sign?
                 sealbook sign REGISTRY/TEAM/APP:TAG          # README, "Sign your first image"
  your runner    sealbook access login --service HOST:PORT --oidc-token-file JWT --out session
                 sealbook sign sha256:DIGEST --repository REGISTRY/TEAM/APP \\
                     --service HOST:PORT --token-file session     # README, "Put it into production"
  your auditor   sealbook audit https://HOST:PORT --trust trust.json --follow \\
                     --client-certificate anna.pem --client-key anna.key
  your hosts     sealbook pull install containerd --help    # podman, crio; then sealbook pull check
  your cluster   sealbook admission manifests --help        # README, "Verify at pull", has both"""


class DemoError(SigningError):
    """A step did not do what the demo says."""

    code = "demo-failed"
    hint = "please report this with the output above"


def main(argv: list[str]) -> int:
    """Run every step; exit code 0 only when each verdict was the right one."""
    made = parser(
        "demo",
        "Make a service, sign a real image, verify it offline, tamper with it, see the refusal.",
        "sealbook demo --keep ./sealbook-demo",
    )
    made.add_argument("--keep", type=Path, metavar="DIR", help="leave everything there afterwards")
    args = made.parse_args(argv[1:])
    with ExitStack() as stack:
        scratch: Path | None = args.keep
        if scratch is None:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sealbook-")))
        else:
            scratch.mkdir(parents=True)
        verdicts = _Demo(scratch, Console(highlight=False, quiet=args.json)).run()
    if args.json:
        print(json.dumps(verdicts))
    return 0


class _Demo:
    """Shows each command, runs it, and checks what it came to."""

    def __init__(self, scratch: Path, console: Console) -> None:
        self._scratch = scratch
        self._console = console
        self._steps = 0

    def run(self) -> dict[str, object]:
        grpc, http = _free_port(), _free_port()
        self._step("Make a service: its keys, a ledger, trust files.")
        self._sealbook("init", "service", "--grpc", grpc, "--http", http)
        self._step("Run it. One process, one file; it listens on this machine only.")
        service = self._serve()
        try:
            return self._story(http)
        finally:
            service.send_signal(signal.SIGTERM)
            if service.wait(30) != 0:
                raise DemoError("the service did not stop cleanly")
            self._console.print("\nThe service has stopped cleanly.")

    def _story(self, http: str) -> dict[str, object]:
        self._step("Build an image: a real OCI layout with an index and two platforms.")
        digest = demo_image.write(self._scratch / "image", "1.0", "hello")
        self._say(f"oci:image:1.0 is {digest}")
        self._step("Sign it: index and platforms, logged, answered with proofs.")
        config = ("--config", "service/sealbook.toml")
        self._sealbook(
            "sign", "oci:image:1.0", "--repository", _REPOSITORY, *config, "--out", "bundles"
        )
        bundle = Path("bundles") / f"sha256-{digest.hex}.bundle.json"

        self._step("Verify it as a runtime does: offline, with what it pinned.")
        self._verify(digest, bundle, refused_as=None)
        self._step("Swap the image for another one: the approval is not about those bytes.")
        other = demo_image.write(self._scratch / "evil", "1.0", "evil")
        self._verify(other, bundle, refused_as="digest-mismatch")
        self._step("Forge the approval to name the other image: the signature does not cover it.")
        forged = Path("forged.json")
        self._forge(bundle, forged, digest, other)
        self._verify(other, forged, refused_as="bad-signature")

        self._step("Let pymerkle, which is not ours, rebuild the ledger's root from its entries.")
        ours = json.loads(self._sealbook("checkpoint", "--json", *config))
        command = [sys.executable, "-m", "ledger.crosscheck", "--json", "service/ledger"]
        theirs = json.loads(self._run("python -m ledger.crosscheck service/ledger", command, 0))
        if (ours["tree_size"], ours["root"]) != (theirs["tree_size"], theirs["root"]):
            raise DemoError(f"the roots differ: {ours['root']} and {theirs['root']}")
        self._console.print(f"  [green]the same root[/] over {ours['tree_size']} entries")
        self._step("Audit it as an outsider: every entry, tile, body and label, over HTTP.")
        words = ["--trust", "service/trust.json", "--token-file", "service/token"]
        output = self._sealbook("audit", f"http://{http}", *words, "--state", "audit.json")
        if f"checked     0 to {ours['tree_size']}" not in output:
            raise DemoError(f"expected an audit of all entries, found {output!r}")
        self._console.print("  [green]it only grew, and hides nothing[/]")
        self._step("Ask who had each entry made: hold the audit trail against the ledger.")
        if "nothing is wrong" not in self._sealbook("audit-log", "verify", *config):
            raise DemoError("expected an audit trail in which nothing is wrong")
        asked = self._cosign(digest, bundle)
        self._step("Take it back: logged, and in the status file that verifiers fetch.")
        self._sealbook("revoke", "--digest", digest, "--reason", "the demo is over", *config)
        self._verify(digest, bundle, refused_as="revoked")
        self._console.print("\n[bold]Try next[/] (sealbook COMMAND --help has an example of each)")
        self._console.print(_TRY_NEXT, markup=False, soft_wrap=True)
        return {
            "accepted": digest,
            "refused": [other, other, digest],
            "root": ours["root"],
            "cosign": asked,
        }

    def _cosign(self, digest: Digest, bundle: Path) -> bool:
        """Let real cosign judge the bundle, if there is one; whether it did."""
        self._step("Let cosign, which is not ours either, judge the image that we signed.")
        words = ["cosign", "verify-blob-attestation", "--key", "service/release.pub"]
        words += ["--trusted-root", "service/trusted_root.json", "--bundle", str(bundle)]
        words += ["--type", APPROVAL, "--digest", digest.hex, "--digestAlg", "sha256"]
        program = shutil.which("cosign")
        if program is None:
            self._show(shlex.join(words))
            self._say("cosign is not installed here; where it is, that line says 'Verified OK'")
            return False
        try:
            self._run(shlex.join(words), [program, *words[1:]], 0)
        except DemoError as e:
            if _TOO_OLD not in e.message:
                raise
            self._say("this cosign is older than 2.6, and reads no entries of Rekor v2")
            return False
        self._console.print("  [green]accepted by cosign[/]")
        return True

    def _verify(self, digest: Digest, bundle: Path, *, refused_as: str | None) -> None:
        words = ["--trust", "service/trust.json", "--status", "service/status.json"]
        words += ["--repository", _REPOSITORY, digest, str(bundle)]
        shown = shlex.join(["sealbook", "verify", *words])
        command = [sys.executable, "-m", "verifier", *words]
        output = self._run(shown, command, 0 if refused_as is None else 1)
        expected = "yes: " if refused_as is None else f"({refused_as})"
        if expected not in output:
            raise DemoError(f"expected {expected!r} in the verdict, found {output!r}")
        word = "accepted" if refused_as is None else "refused, as it must be"
        self._console.print(f"  [green]{word}[/]")

    def _forge(self, bundle: Path, forged: Path, digest: Digest, other: Digest) -> None:
        """Rewrite the payload of a bundle to speak of another image."""
        import base64

        value = json.loads((self._scratch / bundle).read_bytes())
        payload = base64.b64decode(value["dsseEnvelope"]["payload"])
        changed = payload.replace(digest.hex.encode(), other.hex.encode())
        value["dsseEnvelope"]["payload"] = base64.b64encode(changed).decode()
        (self._scratch / forged).write_text(json.dumps(value))

    def _serve(self) -> subprocess.Popen[str]:
        words = ["serve", "--config", "service/sealbook.toml"]
        self._show(shlex.join(["sealbook", *words]) + " &")
        service = subprocess.Popen(
            [sys.executable, "-m", "signer", *words],
            cwd=self._scratch,
            stdout=subprocess.PIPE,
            stderr=(self._scratch / "service.log").open("w"),
            text=True,
        )
        assert service.stdout is not None
        line = service.stdout.readline()
        if not line.startswith("serving"):
            raise DemoError((self._scratch / "service.log").read_text() or "the service is gone")
        self._say(line.strip())
        return service

    def _sealbook(self, *words: str) -> str:
        shown = shlex.join(["sealbook", *words])
        return self._run(shown, [sys.executable, "-m", "signer", *words], 0)

    def _run(self, shown: str, command: list[str], expect: int) -> str:
        """Show and run a command, and return its output; raise unless it exits as expected."""
        self._show(shown)
        done = subprocess.run(
            command, cwd=self._scratch, capture_output=True, text=True, check=False
        )
        if "--json" not in command:
            for line in (done.stdout + done.stderr).splitlines():
                self._say(line)
        if done.returncode != expect:
            raise DemoError(f"expected exit code {expect}, found {done.returncode}: {done.stderr}")
        return done.stdout + done.stderr

    def _step(self, title: str) -> None:
        self._steps += 1
        self._console.print(f"\n[bold]{self._steps}. {title}[/]")

    def _show(self, command: str) -> None:
        self._console.print(f"  $ {command}", style="cyan", markup=False, soft_wrap=True)

    def _say(self, line: str) -> None:
        self._console.print(f"  {line}", style="dim", markup=False, soft_wrap=True)


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
