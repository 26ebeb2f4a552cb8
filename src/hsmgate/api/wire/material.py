"""Bodies of import and export (endpoints.md sections 2.5 and 2.6)."""

from hsmgate.api.wire.fields import Password, armoured, encoded, password
from hsmgate.api.wire.keys import AddressFormat, RequestedAttributes
from hsmgate.api.wire.policies import PolicyShape, policy_of
from hsmgate.errors import Reason
from hsmgate.record import WireRecord
from hsmgate.usecases.bring_in import Exported, ImportKey


class ImportBody(WireRecord):
    """POST /v1/key/import/plain."""

    label: str
    algorithm: str
    password: Password = None
    private_key: str | None = None
    public_key: str | None = None
    secret_key: str | None = None
    certificate: str | None = None
    address_format: AddressFormat | None = None
    attributes: RequestedAttributes | None = None
    policy: PolicyShape | None = None

    def command(self) -> ImportKey:
        """Failure: KEY_ENCODING, CERTIFICATE_ENCODING, INVALID_INPUT."""
        return ImportKey(
            label=self.label,
            algorithm=self.algorithm,
            attributes=None if self.attributes is None else self.attributes.value(),
            password=password(self.password),
            private=_key(self.private_key, "privateKey"),
            public=_key(self.public_key, "publicKey"),
            secret=_key(self.secret_key, "secretKey"),
            certificate=armoured(self.certificate, "certificate", Reason.CERTIFICATE_ENCODING),
            address_format=self.address_format.format if self.address_format else None,
            policy=policy_of(self.policy),
        )


class ExportAnswer(WireRecord):
    label: str
    algorithm: str
    private_key: str | None
    public_key: str | None
    secret_key: str | None
    certificate: str | None


def export_answer(exported: Exported) -> ExportAnswer:
    """The answer for a key that may leave."""
    material = exported.material
    return ExportAnswer(
        label=exported.key.label,
        algorithm=exported.key.algorithm,
        private_key=_text(material.private),
        public_key=_text(material.public),
        secret_key=_text(material.secret),
        certificate=_text(exported.certificate),
    )


def _key(text: str | None, name: str) -> bytes | None:
    return armoured(text, name, Reason.KEY_ENCODING)


def _text(data: bytes | None) -> str | None:
    return None if data is None else encoded(data)
