"""Edits JKS, PKCS#12 and PEM truststores: old octets in, new octets out, proven by reading them back."""

import shlex
from collections.abc import Callable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12 as pyca

from hsmgate.errors import Failure, Reason
from hsmgate.pki import jks, pem, pkcs12, truststore
from hsmgate.pki.store_entries import Entry, certificate, name_of, named, printable
from hsmgate.pki.store_formats import DER, JCEKS, JKS, PEM, PKCS12
from hsmgate.pki.store_limits import ALIAS_CHARACTERS, ENTRIES

_ROUNDS = 10_000  # what keytool writes; the certificates are public, the MAC is what counts


def add(
    content: bytes,
    password: str | None,
    alias: str | None,
    der: bytes,
    *,
    name: str = "truststore",
    source: str = "certificate.pem",
    created: int = 0,
) -> bytes:
    """The store with one certificate more. `alias` None: made from the certificate; `created`: Unix milliseconds.

    `name` and `source` are the files that messages speak of. Failure: what reading gives; STORE_UNSUPPORTED for an
    alias or a certificate that is there already, an alias that cannot be kept, and formats that are not edited.
    """
    certificate(der, source)
    wanted = alias if alias is not None else name_of(der, source)
    _check_alias(wanted)
    store = truststore.read(content, password, name)
    command = _keytool_add(wanted, source, name, store)
    _check_editable(store, content, password, name, command)
    entries = _all(store, content, password, name)
    for entry in entries:
        if entry.alias.lower() == wanted.lower():
            raise Failure(Reason.STORE_UNSUPPORTED, f'{name}: the alias "{entry.alias}" is taken')
        if entry.der == der:
            raise Failure(Reason.STORE_UNSUPPORTED, f'{name}: the certificate is there as "{entry.alias}"')
    if len(entries) >= ENTRIES:
        raise Failure(Reason.STORE_UNSUPPORTED, f"{name}: holds {ENTRIES} entries, which is the most")
    kept = wanted if store.format == PEM else wanted.lower()  # keytool looks aliases up in lower case
    added = Entry(alias=kept, der=der)
    changed = _ADDERS[store.format](content, password or "", entries, added, created)
    return _proven(changed, password, name, (*store.entries, added), command)


def remove(content: bytes, password: str | None, alias: str, *, name: str = "truststore") -> bytes:
    """The store without the certificate that `alias` names, every copy of it, whatever alias a copy has.

    Failure: as for `add`; STORE_UNSUPPORTED too for an unknown alias and for the last certificate.
    """
    store = truststore.read(content, password, name)
    command = _keytool_delete(alias, name, store)
    _check_editable(store, content, password, name, command)
    entries = _all(store, content, password, name)
    der = next((entry.der for entry in entries if entry.alias.lower() == alias.lower()), None)
    if der is None:
        raise Failure(Reason.STORE_UNSUPPORTED, f'{name}: no entry has the alias "{alias}"')
    kept = tuple(entry for entry in store.entries if entry.der != der)
    if not kept:
        raise Failure(
            Reason.STORE_UNSUPPORTED,
            f'{name}: "{alias}" is the last certificate; a truststore without any would let the service not start. '
            "Add its successor first",
        )
    changed = _REMOVERS[store.format](content, password or "", entries, der)
    return _proven(changed, password, name, kept, command)


def _all(store: truststore.Truststore, content: bytes, password: str | None, name: str) -> tuple[Entry, ...]:
    """One entry for each place in the file, doubles too, in its order."""
    return named(truststore.contents_of(content, password, store.format, name).found)[0]


def _check_alias(alias: str) -> None:
    if not 1 <= len(alias) <= ALIAS_CHARACTERS or not printable(alias) or alias != alias.strip():
        raise Failure(
            Reason.STORE_UNSUPPORTED,
            f"an alias has 1 to {ALIAS_CHARACTERS} printable characters and no blank at its ends: {ascii(alias)[:80]}",
        )


def _check_editable(
    store: truststore.Truststore, content: bytes, password: str | None, name: str, command: str
) -> None:
    """Refuse what a rewrite would damage: other formats, keys, and PKCS#12 parts that are no trusted certificates."""
    why = ""
    if store.format in (DER, JCEKS):
        why = f"{store.format} stores are not edited"
    elif store.skipped_keys:
        why = "stores that hold key entries are not edited"
    elif store.format == PKCS12:
        parsed = pkcs12.parse(content, password)
        if not parsed.mac_digest or not password:
            why = "PKCS12 stores without MAC or password are not edited"
        elif {bag.kind for bag in parsed.bags} != {"certificate"} or len({b.trusted for b in parsed.bags}) > 1:
            why = "PKCS12 stores that hold more than trusted certificates are not edited"
    if why:
        raise _use_keytool(f"{name}: {why}", command)


def _use_keytool(why: str, command: str) -> Failure:
    return Failure(Reason.STORE_UNSUPPORTED, f"{why}; with the password in STOREPASS run: {command}")


def _keytool_add(alias: str, source: str, name: str, store: truststore.Truststore) -> str:
    """A DER or PEM file is no keystore: there the command makes a PKCS#12 truststore beside it."""
    if store.format == PEM:
        return _import(alias, source, name + ".p12", PKCS12)
    if store.format == DER:
        first = _import(store.entries[0].alias, name, name + ".p12", PKCS12)
        return f"{first} && {_import(alias, source, name + '.p12', PKCS12)}"
    return _import(alias, source, name, store.format)


def _import(alias: str, source: str, name: str, kind: str) -> str:
    words = ["keytool", "-importcert", "-noprompt", "-alias", alias, "-file", source, "-keystore", name]
    return shlex.join([*words, "-storetype", kind, "-storepass:env", "STOREPASS"])


def _keytool_delete(alias: str, name: str, store: truststore.Truststore) -> str:
    """From a DER or PEM file keytool deletes nothing; the certificates that stay are imported into a new store."""
    if store.format in (DER, PEM):
        return _import("ALIAS", "CERTIFICATE-THAT-STAYS", name + ".p12", PKCS12)
    words = ["keytool", "-delete", "-alias", alias, "-keystore", name, "-storetype", store.format]
    return shlex.join([*words, "-storepass:env", "STOREPASS"])


def _proven(content: bytes, password: str | None, name: str, wanted: Sequence[Entry], command: str) -> bytes:
    """The new octets, if reading them gives exactly the wanted certificates; PKCS#12 aliases may not survive pyca."""
    store = truststore.read(content, password, name)
    same = [entry.der for entry in store.entries] == [entry.der for entry in wanted]
    if store.format == PKCS12:
        same = same and [e.alias.lower() for e in store.entries] == [e.alias.lower() for e in wanted]
    if not same:
        raise _use_keytool(f"{name}: this change cannot keep every entry and alias", command)
    return content


def _add_jks(content: bytes, password: str, _entries: Sequence[Entry], added: Entry, created: int) -> bytes:
    store = jks.parse(content, password)
    entry = jks.certificate_entry(added.alias, added.der, created, store.version)
    return jks.serialise([*(e.raw for e in store.entries), entry], password, store.version)


def _remove_jks(content: bytes, password: str, _entries: Sequence[Entry], der: bytes) -> bytes:
    store = jks.parse(content, password)
    kept = [entry.raw for entry in store.entries if entry.certificates[0] != der]
    return jks.serialise(kept, password, store.version)


def _add_pkcs12(content: bytes, password: str, entries: Sequence[Entry], added: Entry, _created: int) -> bytes:
    return _write_pkcs12(content, password, [*entries, added])


def _remove_pkcs12(content: bytes, password: str, entries: Sequence[Entry], der: bytes) -> bytes:
    return _write_pkcs12(content, password, [entry for entry in entries if entry.der != der])


def _write_pkcs12(old: bytes, password: str, entries: Sequence[Entry]) -> bytes:
    """Rewrite with the strength the file had: a Java too old for AES and SHA-256 made the SHA-1 ones and reads them."""
    legacy = pkcs12.parse(old, password).mac_digest == "sha1"
    scheme = pyca.PBES.PBESv1SHA1And3KeyTripleDESCBC if legacy else pyca.PBES.PBESv2SHA256AndAES256CBC
    digest: hashes.HashAlgorithm = hashes.SHA1() if legacy else hashes.SHA256()  # noqa: S303
    builder = serialization.PrivateFormat.PKCS12.encryption_builder().kdf_rounds(_ROUNDS)
    certificates = [
        pyca.PKCS12Certificate(x509.load_der_x509_certificate(entry.der), entry.alias.encode()) for entry in entries
    ]
    try:
        encryption = builder.key_cert_algorithm(scheme).hmac_hash(digest).build(password.encode())
        return pyca.serialize_java_truststore(certificates, encryption)
    except ValueError:
        raise Failure(Reason.STORE_UNSUPPORTED, "this PKCS12 store cannot be written with its password") from None


def _add_pem(content: bytes, _password: str, _entries: Sequence[Entry], added: Entry, _created: int) -> bytes:
    gap = b"" if not content or content.endswith((b"\n", b"\r")) else b"\n"
    return content + gap + pem.armour(added.der, added.alias)


def _remove_pem(content: bytes, _password: str, _entries: Sequence[Entry], der: bytes) -> bytes:
    """Cut the block with its friendlyName line, which would else name the next block."""
    kept, at = b"", 0
    for block in pem.blocks(content):
        if block.label in truststore.CERTIFICATE_LABELS and truststore.pem_certificate(block) == der:
            if block.name_end:
                kept += content[at : block.name_start]
                at = block.name_end
            kept += content[at : block.start]
            at = block.end
    return kept + content[at:]


_ADDERS: dict[str, Callable[[bytes, str, Sequence[Entry], Entry, int], bytes]] = {
    JKS: _add_jks,
    PKCS12: _add_pkcs12,
    PEM: _add_pem,
}
_REMOVERS: dict[str, Callable[[bytes, str, Sequence[Entry], bytes], bytes]] = {
    JKS: _remove_jks,
    PKCS12: _remove_pkcs12,
    PEM: _remove_pem,
}
