"""`python -m signer`: the command `sealbook`."""

import sys

from signer.cli import main

if __name__ == "__main__":
    sys.exit(main())
