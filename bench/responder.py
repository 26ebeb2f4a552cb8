"""A small OCSP responder for the benchmark: always good, nonce echoed; a process of its own."""

import datetime as dt
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp


class Handler(BaseHTTPRequestHandler):
    """Answers every POST for the one certificate of the benchmark."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    cert: x509.Certificate
    issuer: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def do_POST(self) -> None:
        request = ocsp.load_der_ocsp_request(self.rfile.read(int(self.headers["Content-Length"])))
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                self.cert,
                self.issuer,
                request.hash_algorithm,
                ocsp.OCSPCertStatus.GOOD,
                now,
                now + dt.timedelta(hours=1),
                None,
                None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, self.issuer)
        )
        for extension in request.extensions:
            builder = builder.add_extension(extension.value, critical=False)
        body = builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)
        self.send_response(200)
        self.send_header("Content-Type", "application/ocsp-response")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


def main() -> None:
    """usage: python -m bench.responder PORT CERT ISSUER KEY"""
    port, cert, issuer, key = sys.argv[1:]
    Handler.cert = x509.load_pem_x509_certificate(Path(cert).read_bytes())
    Handler.issuer = x509.load_pem_x509_certificate(Path(issuer).read_bytes())
    loaded = load_pem_private_key(Path(key).read_bytes(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    Handler.key = loaded
    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
