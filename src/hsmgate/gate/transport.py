"""What HTTP sees as its transport: plaintext in, and one connection's gate below."""

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hsmgate.gate.protocol import GateProtocol


class TlsTransport(asyncio.Transport):
    """Hands everything to the gate, which collects what is written in one turn of the loop."""

    def __init__(self, below: "GateProtocol", raw: asyncio.Transport) -> None:
        super().__init__()
        self._below = below
        self._raw = raw

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's signature
        """As of the TCP transport; "sslcontext" says that this is TLS."""
        return True if name == "sslcontext" else self._raw.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        self._below.write(bytes(data))

    def close(self) -> None:
        """Send what is queued and close_notify, then close."""
        self._below.close()

    def abort(self) -> None:
        """Close at once."""
        self._below.abort()

    def is_closing(self) -> bool:
        """Whether `close` was called or the connection is gone."""
        return self._below.closing

    def pause_reading(self) -> None:
        """Stop decrypting and reading."""
        self._below.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        self._below.resume_reading()
