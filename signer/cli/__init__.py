"""`sealbook`: one command, a module for each group of subcommands, imported on use.

The dispatcher needs the standard library alone, so `sealbook verify` works on
the base install; a command whose libraries are missing names their extra. Every command but
that one keeps its memory to itself, before it reads anything.
"""

from __future__ import annotations

import importlib
import sys

USAGE = """\
usage: sealbook COMMAND [options]        sealbook COMMAND --help

start here
  demo         sign, verify, tamper, refuse: the whole story in a scratch directory
  init         make a service: its keys, ledger, token and trust files
  serve        run it

sign and verify
  sign         approve images in registries, in layouts or by digest, and attach to them
  attest       say more about images: provenance, an SBOM, a scanner's report
  publish      have the service attach it to images in registries; list, retry, drop
  approve      agree to what others want signed or changed, where one alone may not
  verify       check a bundle offline; exit code 0 means yes
  verify-bundle check any Sigstore bundle of a file, by key or by identity

look
  bundles      list what was signed about an image, and fetch it
  search       list entries by digest, repository, key, requester, form
  checkpoint   print the ledger's signed checkpoint
  proof        print the proof that an entry is in the ledger
  status       say how the service is
  pulls        list what hosts let run and refused, as they told

registries
  check-registry try what a registry lets signatures do, and say what to configure
  inventory    list its images with what signs them: how much is covered
  copy         carry images with all that is attached: registries, layouts, one tar
  promote      approve an image in the next repository, once it is approved in the last
  push         the gate before a registry: only what is approved goes through

at pull time
  pull         what may run on this host: install, check, daemon

clusters
  admission    manifests, serve: Kubernetes asks before it runs an image

audit
  audit        check from outside that the ledger only grew, and that nothing is hidden
  evidence     write all that proves one entry into a zip that a stranger can check
  report       say what was signed in a time: per repository, key and requester
  access-review list who could do what, where, at a position or a time
  audit-log    who was refused, what was decided for whom: verify, query, purge
  witness      be a witness: cosign what only grew (init, add-log, serve)

who may do what
  access       login, whoami, bindings, bind, unbind; ca, certificate
  apikey       create, list, revoke: for what cannot have a token of an issuer

take care
  config       check, show, reload: the service's one file
  revoke       take an entry, a key or an image back, for offline verifiers too
  detach       take what was revoked out of registries, for those who read no status file
  migrate      raise the database's schema after an upgrade
  fsck         hash everything again and compare; repair indexes from entries
  key          list, show, create, rotate, announce, retire, revoke, import, ceremony
  trust        create, sign, diff, install, sync, show: whom verifiers believe; podman,
               kyverno, policy-controller, connaisseur
  policy       check, try: what an image needs before it may run
  trusted-root print what cosign pins, after trust.json changed
  ledger       info, export, backup, mirror, restore, adopt, freeze, accept-clock; delete-body,
               make-kek, rotate-data-key
"""

_COMMANDS = {
    "demo": "demo",
    "init": "init",
    "serve": "serve",
    "sign": "sign",
    "attest": "attest",
    "publish": "publish",
    "approve": "approve",
    "verify-bundle": "verify_bundle",
    "bundles": "bundles",
    "search": "look",
    "checkpoint": "look",
    "proof": "look",
    "status": "look",
    "pulls": "pulls",
    "check-registry": "check_registry",
    "inventory": "inventory",
    "copy": "copy",
    "promote": "promote",
    "pull": "pull",
    "push": "push",
    "access": "access",
    "admission": "admission",
    "access-review": "access_review",
    "apikey": "apikey",
    "config": "config",
    "revoke": "revoke",
    "detach": "detach",
    "migrate": "migrate",
    "key": "key",
    "trust": "trust",
    "policy": "policy",
    "trusted-root": "trusted_root",
    "ledger": "ledger",
    "fsck": "fsck",
    "audit": "audit",
    "audit-log": "audit_log",
    "evidence": "evidence",
    "report": "report",
    "witness": "witness",
}
_EXTRAS = {"pymerkle": "crosscheck"}
# What a command needs that runs on other machines than the service's.
_OWN_EXTRAS = {
    "admission": "admission",
    "audit": "audit",
    "check-registry": "pull",
    "inventory": "pull",
    "copy": "pull",
    "pull": "pull",
    "push": "pull",
    "evidence": "audit",
    "report": "audit",
    "trust": "audit",
    "witness": "witness",
}


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 refused or failed, 2 asked wrongly."""
    is_program = argv is None  # and the process is this command's own
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0 if argv else 2
    if argv[0] == "--version":
        from signer import __version__

        print(f"sealbook {__version__}")
        return 0
    if argv[0] == "verify":
        from verifier.__main__ import main as verify

        return verify(argv[1:])
    if argv[0] not in _COMMANDS:
        print(f"error: there is no command {argv[0]!r}; see sealbook --help", file=sys.stderr)
        return 2
    return _run(argv, is_program=is_program)


def _run(argv: list[str], *, is_program: bool) -> int:
    from signer.hardening import harden
    from verifier.errors import SealbookError

    try:
        if is_program:
            harden()  # before anything could read a key, a PIN or a token
        module = importlib.import_module(f"signer.cli.{_COMMANDS[argv[0]]}")
        code: int = module.main(argv)
    except ModuleNotFoundError as e:
        usual = _OWN_EXTRAS.get(argv[0], "server")
        extra = _EXTRAS.get((e.name or "").partition(".")[0], usual)
        print(f"error: `sealbook {argv[0]}` needs {e.name}", file=sys.stderr)
        print(f"hint:  pip install 'sealbook[{extra}]'", file=sys.stderr)
        return 1
    except SealbookError as e:
        if "--json" in argv:
            import json

            told = {"error": e.code, "message": e.message, "hint": e.hint}
            # Of the service's: what others have to approve first, and the call in the trail.
            more = {name: getattr(e, name, "") for name in ("request", "reference")}
            print(json.dumps(told | {name: value for name, value in more.items() if value}))
        print(f"error: {e.message} ({e.code})", file=sys.stderr)
        if e.hint:
            print(f"hint:  {e.hint}", file=sys.stderr)
        if reference := getattr(e, "reference", ""):
            print(f"ref:   {reference}", file=sys.stderr)
        return 1
    except OSError as e:
        print(f"error: {e.filename}: {e.strerror} (unreadable)", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return code
