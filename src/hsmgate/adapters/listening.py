"""The listening socket, and how many descriptors the process may hold for what comes in through it."""

import resource
import socket

from hsmgate.errors import Failure, Reason

BACKLOG = 1024
OTHER_DESCRIPTORS = 512  # beside connections: database, stores, audit trail, responders, what Python itself holds


_SERVER = "SERVER_PORT=... takes another port, SERVER_ADDRESS=... another address"


def bind(address: str, port: int, instead: str = _SERVER) -> socket.socket:
    """A socket bound to a name or literal address; nobody can connect yet. `instead`: what to do where it is taken.

    Failure: CONFIG_INVALID, with what to do; its evidence is the errno.
    """
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
    except (OSError, ValueError, TypeError) as error:  # no OSError: a name that DNS could not hold
        made.close()
        raise _refused(address, port, error, instead) from None
    return made


def listen(bound: socket.socket) -> None:
    """From now on clients can connect. Failure: CONFIG_INVALID; two sockets may be bound, only one may listen."""
    try:
        bound.listen(BACKLOG)
    except OSError as error:
        address, port = bound.getsockname()[:2]
        raise _refused(address, port, error) from None


def url_of(listening: socket.socket, scheme: str) -> str:
    """Where it listens, as a URL."""
    address, port = listening.getsockname()[:2]
    return f"{scheme}://[{address}]:{port}" if ":" in address else f"{scheme}://{address}:{port}"


def allow_descriptors(connections: int) -> str:
    """Raise the soft limit of open files to what so many connections need; a warning where the hard one is lower."""
    wanted = connections + OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return ""
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):
        most = soft
    if most >= wanted:
        return ""
    return (
        f"the limit of open files is {most}, too low for hsmgate.limits.connections: {connections}; raise it to"
        f" {wanted} (ulimit -n, LimitNOFILE= or --ulimit nofile=), or allow fewer connections"
    )


def forbid_core_dumps() -> None:
    """A crash must not write the sealing key to disk."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _refused(address: str, port: int, error: Exception, instead: str = _SERVER) -> Failure:
    why, number = str(error), None
    if isinstance(error, OSError):
        why, number = error.strerror or why, error.errno
    return Failure(
        Reason.CONFIG_INVALID,
        f"cannot listen on {address} port {port}: {why.lower()}; {instead}",
        evidence=number,
    )
