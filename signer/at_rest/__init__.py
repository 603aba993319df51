"""Data at rest: what we store is encrypted, with keys that a key-encryption key (KEK) wraps.

kek        the KEK: 32 bytes in a file, or an AES key that does not leave a token
book       the data keys, each wrapped by the KEK, in a file beside the database
keeping    the data keys in use: made anew in time, and wrapped anew after the KEK changed
sealing    one content encrypted for its row: what a table of ours asks for

How a content looks, and that it belongs to its row, is `ledger.at_rest`'s.
"""

from signer.at_rest.sealing import Sealing

__all__ = ["Sealing"]
