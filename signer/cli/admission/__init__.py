"""`sealbook admission ACTION`: a cluster asks us before it runs an image."""

from __future__ import annotations

from signer.cli.actions import run

USAGE = """\
usage: sealbook admission ACTION [options]        sealbook admission ACTION --help

  manifests  print everything that a cluster needs for it, as YAML
  serve      answer the API server's reviews over TLS, in the foreground

A pod runs only images that may: tags are resolved once and pinned to the digest that was
judged. Whatever goes wrong is a refusal, with its reason, in time.

example:
  sealbook admission manifests --image registry.example/sealbook@sha256:9f86…0a08 \\
      --trust trust.json --service https://sealbook.example --ca-bundle ca.crt > admission.yaml
  sealbook admission serve /etc/sealbook/admission.toml
"""

_ACTIONS = {"manifests": "manifests", "serve": "serve"}


def main(argv: list[str]) -> int:
    """Run the action that `argv` names."""
    return run(argv, USAGE, _ACTIONS)
