"""Tells the formats of a store apart by content, and knows the keytool command that converts what is refused."""

import shlex

from hsmgate.errors import Failure, Reason
from hsmgate.pki import der, jks
from hsmgate.pki.store_limits import FILE_BYTES

JKS, JCEKS, PKCS12, PEM, DER = "JKS", "JCEKS", "PKCS12", "PEM", "DER"
_MAGIC = {jks.JKS_MAGIC: JKS, jks.JCEKS_MAGIC: JCEKS}
_BOUNCY = {bytes.fromhex("00000002"): "BKS", bytes.fromhex("00000001"): "UBER"}
_HINTS = {"P12": PKCS12, "PFX": PKCS12, "PKCS#12": PKCS12, "CRT": PEM, "X509": PEM, "X.509": PEM}


def format_of(content: bytes, name: str) -> str:
    """The format that the content has. Failure: STORE_UNREADABLE, STORE_UNSUPPORTED; the text lacks the name."""
    if not content:
        raise Failure(Reason.STORE_UNREADABLE, "is empty")
    if len(content) > FILE_BYTES:
        raise Failure(Reason.STORE_UNREADABLE, f"is larger than {FILE_BYTES} bytes")
    magic = content[:4]
    if magic in _MAGIC:
        return _MAGIC[magic]
    if magic in _BOUNCY:
        kind = _BOUNCY[magic]
        provider = "-providerclass org.bouncycastle.jce.provider.BouncyCastleProvider -providerpath bcprov.jar"
        command = f"{_import_command(name, kind)} {provider}"
        raise Failure(Reason.STORE_UNSUPPORTED, f"is a {kind} store, which is not read; convert it: {command}")
    if magic[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Failure(Reason.STORE_UNREADABLE, "is UTF-16 text; save the PEM file as ASCII")
    text = b"BEGIN" in content or b"END " in content
    if magic[:1] == b"0" and not (text and magic[1:2] < b"\x80"):  # a PEM file may begin with a comment, even "0 s:..."
        return _der_kind(content, name)
    if not text:
        raise Failure(Reason.STORE_UNREADABLE, "is no store: neither JKS, JCEKS, PKCS12, PEM nor a DER certificate")
    return PEM


def _der_kind(content: bytes, name: str) -> str:
    """What the first field tells: a version (PKCS12), an object identifier (PKCS#7), or a sequence (certificate)."""
    first = der.head(content, "the file").body[:1]
    if first == bytes([der.OID]):
        raise pkcs7(name, "DER")
    return PKCS12 if first == bytes([der.INTEGER]) else DER


def pkcs7(name: str, encoding: str) -> Failure:
    """The refusal of a PKCS#7 bundle."""
    command = f"openssl pkcs7 -inform {encoding} -in {shlex.quote(name)} -print_certs -out {shlex.quote(name + '.pem')}"
    return Failure(Reason.STORE_UNSUPPORTED, f"is a PKCS#7 bundle, which is not read; convert it: {command}")


def refusal(failure: Failure, name: str, kind: str | None) -> Failure:
    """The failure with the name of the file before it and, for an unsupported binary store, the way out behind."""
    text = f"{name}: {failure.detail}"
    if failure.reason is Reason.STORE_UNSUPPORTED and kind in (JKS, JCEKS, PKCS12):
        text += f"; convert it: {_import_command(name, kind)}"
    return Failure(failure.reason, text)


def _import_command(name: str, kind: str) -> str:
    source, target = shlex.quote(name), shlex.quote(name + ".p12")
    return (
        f"keytool -importkeystore -srckeystore {source} -srcstoretype {kind} "
        f"-destkeystore {target} -deststoretype PKCS12"
    )


def hint_warning(hint: str | None, kind: str) -> tuple[str, ...]:
    """A warning where the configured type differs from the content, which wins."""
    named = (hint or kind).strip().upper()
    if _HINTS.get(named, named) in (kind, PEM if kind == DER else kind):
        return ()
    return (f"the configured type is {ascii(hint)[1:-1][:40]} but the content is {kind}; the content counts",)
