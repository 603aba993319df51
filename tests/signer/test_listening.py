"""Listening sockets."""

from __future__ import annotations

import socket

import pytest

from signer.address import listen


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
def test_no_answer_waits_for_an_acknowledgement(address: str) -> None:
    """
    The protocol is named, without which asyncio leaves Nagle's algorithm on: 40 ms an answer.
    """
    listener, _ = listen(address)
    with listener:
        assert socket.IPPROTO_TCP == listener.proto
