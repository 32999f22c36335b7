"""Ports on loopback."""

import socket

from local.ports import free_port_pair, is_free


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert not is_free(server.getsockname()[1])


def test_a_pair_of_ports_can_be_listened_on_together() -> None:
    port = free_port_pair(10_000)
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", port))
        second.bind(("127.0.0.1", port + 10_000))
