"""Free ports on loopback."""

import random
import socket

LOOPBACK = "127.0.0.1"
_random = random.SystemRandom()


def free_port() -> int:
    """A port that nobody listened on a moment ago; whoever takes it must cope with losing the race."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def free_port_pair(distance: int) -> int:
    """A port whose partner, `distance` above it, is free as well; both below the range of outgoing connections."""
    for _ in range(1000):
        port = _random.randrange(10_000, 32_000 - distance)
        if is_free(port) and is_free(port + distance):
            return port
    raise OSError("no pair of free ports on loopback")


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
