"""Tells the service manager how the service is, where there is one that listens (systemd's sd_notify(3))."""

import os
import socket
from collections.abc import Mapping

_LONGEST_STATUS = 200


class ServiceManager:
    """Where to send messages. Nothing that goes wrong here keeps the service from its work."""

    def __init__(self, address: str = "", watchdog_seconds: float = 0.0) -> None:
        """`address`: a path, or `@name` of an abstract socket; empty: nobody listens."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds  # within which it wants to hear that we are alive; 0: it does not

    def ready(self, status: str) -> None:
        """It serves. `status` is what `systemctl status` shows."""
        line = "".join(char for char in status if char.isprintable())[:_LONGEST_STATUS]
        self._tell("READY=1", f"STATUS={line}")

    def reloading(self, monotonic: float) -> None:
        """The stores are looked at anew; `ready` says that it is done."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={int(monotonic * 1_000_000)}")

    def stopping(self) -> None:
        """The end was asked for."""
        self._tell("STOPPING=1", "STATUS=requests in flight are finished")

    def alive(self) -> None:
        """Still there."""
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sending:
                sending.setblocking(False)
                sending.connect(self._address)
                sending.sendall("\n".join(lines).encode())
        except OSError:
            pass  # a manager that does not listen will notice by itself


def service_manager(environ: Mapping[str, str]) -> ServiceManager:
    """As sd_notify(3) and sd_watchdog_enabled(3) say; what is no address or time counts as none."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")) or len(address) < 2 or "\0" in address:
        return ServiceManager()
    microseconds, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    mine = pid in {"", str(os.getpid())}
    given = mine and microseconds.isascii() and microseconds.isdigit() and len(microseconds) < 20
    return ServiceManager(address, int(microseconds) / 1_000_000 if given else 0.0)
