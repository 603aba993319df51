"""`sealbook ledger rotate-data-key`: encrypt what is stored from now on with a new key."""

from __future__ import annotations

from signer.cli import operator
from signer.cli.arguments import add_operating, parser, show
from signer.v1 import operator_pb2


def main(argv: list[str]) -> int:
    """Have the service make a new data key."""
    made = parser(
        "ledger rotate-data-key",
        "Make a new data key, by which bodies and API keys are encrypted from now on. The service\n"
        "does so by itself after 30 days or a million uses. What is stored stays readable. To\n"
        "change the key-encryption key: name the new one as at_rest.key and the old one as\n"
        "at_rest.previous, and restart; the log says when the old one can go.",
        "sealbook ledger rotate-data-key",
    )
    add_operating(made)
    args = made.parse_args(argv)
    answer = operator.ask(
        operator.place(args),
        "RotateDataKey",
        operator_pb2.RotateDataKeyRequest(),
        operator_pb2.RotateDataKeyResponse,
    )
    wrapping = f", {answer.wrapping} are being wrapped anew" if answer.wrapping else ""
    show(
        {"key": answer.key, "wrapping": answer.wrapping},
        as_json=args.json,
        text=f"data key {answer.key} is used from now on{wrapping}",
    )
    return 0
