"""certomancer as an OCSP responder that shares no code with ours: good, revoked, and certificates it never issued."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from asn1crypto import ocsp
from certomancer.registry import ArchLabel, CertLabel, CertomancerConfig, ServiceLabel
from certomancer.services import CertomancerServiceError
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from support import certs
from support.certs import Made
from support.responder import OCSP_TYPE

_FOREVER = {"valid-from": "2000-01-01T00:00:00+0000", "valid-to": "2100-01-01T00:00:00+0000"}
_AIA = {
    "id": "authority_information_access",
    "smart-value": {"schema": "aia-urls", "params": {"ocsp-responder-names": ["root"]}},
}
_CLIENT = {"issuer": "root", "validity": _FOREVER, "extensions": [_AIA]}
_NAMES = ("root", "delegate", "good", "revoked")
_ARCHITECTURE = {
    "keyset": "lab",
    "entities": {name: {"common-name": f"certomancer {name}"} for name in _NAMES},
    "certs": {
        "root": {
            "subject": "root",
            "subject-key": "root",
            "issuer": "root",
            "authority-key": "root",
            "validity": _FOREVER,
            "extensions": [{"id": "basic_constraints", "critical": True, "value": {"ca": True}}],
        },
        "delegate": {"issuer": "root", "validity": _FOREVER, "profiles": ["ocsp-responder"]},
        "good": _CLIENT,
        "revoked": {
            **_CLIENT,
            "revocation": {"revoked-since": "2020-12-01T00:00:00+0000", "reason": "key_compromise"},
        },
    },
    "services": {
        "ocsp": {"root": {"for-issuer": "root", "responder-cert": "delegate", "signing-key": "delegate"}}
    },
}  # fmt: skip


class _Frank:
    """Says "unknown" where certomancer would refuse to speak."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def get_issuer_cert(self) -> Any:
        return self._inner.get_issuer_cert()

    def check_revocation_status(self, cert_id: ocsp.CertId, at_time: datetime) -> tuple[ocsp.CertStatus, list[Any]]:
        try:
            return self._inner.check_revocation_status(cert_id, at_time)  # type: ignore[no-any-return]
        except CertomancerServiceError:
            return ocsp.CertStatus(name="unknown"), []


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        return


class CertomancerResponder:
    """`made` gives its certificates by label: root, good, revoked."""

    def __init__(self, folder: Path) -> None:
        for name in _NAMES:
            private = certs.key("p256", f"certomancer {name}")
            pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            (folder / f"{name}.pem").write_bytes(pem)
        self._folder = folder
        self._server: WSGIServer = make_server("127.0.0.1", 0, self._app, handler_class=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        config = {
            "external-url-prefix": self.url,
            "keysets": {"lab": {"path-prefix": ".", "keys": {name: {"path": f"{name}.pem"} for name in _NAMES}}},
            "pki-architectures": {"lab": _ARCHITECTURE},
        }
        self._architectures = CertomancerConfig(config, key_search_dir=str(folder)).pki_archs

    def _app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        request = ocsp.OCSPRequest.load(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        at_time = datetime.now(UTC).replace(microsecond=0)
        services = self._architectures[ArchLabel("lab")].service_registry
        responder = services.summon_responder(ServiceLabel("root"), at_time)
        responder.revinfo_interface = _Frank(responder.revinfo_interface)
        answer = responder.build_ocsp_response(request).dump()
        start_response("200 OK", [("Content-Type", OCSP_TYPE), ("Content-Length", str(len(answer)))])
        return [answer]

    def made(self, label: str) -> Made:
        der = self._architectures[ArchLabel("lab")].get_cert(CertLabel(label)).dump()
        subject = x509.load_der_x509_certificate(der).subject.public_bytes()
        return Made(der, certs.key("p256", f"certomancer {label}"), subject)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()
