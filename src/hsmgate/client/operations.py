"""One small function for each thing that a client can ask: arguments in, a call out. Nothing is sent here."""

from urllib.parse import quote

import msgspec

from hsmgate.client import endpoints, key_shapes, shapes
from hsmgate.client.call import Call
from hsmgate.client.call import characters as _characters
from hsmgate.client.call import plain as _plain
from hsmgate.client.call import with_body as _with


def version() -> Call[shapes.VersionInfo]:
    """The version of the wire contract."""
    return _plain(endpoints.VERSION)


def licence() -> Call[shapes.LicenseInfo]:
    """What the service offers, as flags."""
    return _plain(endpoints.LICENCE)


def statistics() -> Call[shapes.KeystoreStatistics]:
    """How many keys there are, and how much space they take."""
    return _plain(endpoints.STATISTICS)


def log() -> Call[bytes]:
    """The end of the service's log, as text."""
    return _plain(endpoints.LOG)


def random(length: int) -> Call[shapes.RandomOctets]:
    """So many random octets of the keystore."""
    return Call(endpoints.RANDOM, endpoints.RANDOM.path.replace("{length}", str(int(length))))


def health() -> Call[shapes.Health]:
    """Whether the keystore answers; else this is refused with status 503."""
    return _plain(endpoints.HEALTH)


def keys() -> Call[list[str]]:
    """The names of all keys, sorted."""
    return _plain(endpoints.LIST_KEYS)


def create(
    label: str,
    algorithm: str,
    *,
    attributes: shapes.Attributes,
    curve_oid: str | None = None,
    key_size: int | None = None,
    password: str | None = None,
    id: str | None = None,  # noqa: A002 - the contract's name
    policy: shapes.Policy | None = None,
    address_format: shapes.AddressFormatName | None = None,
) -> Call[shapes.SignedAttributes]:
    """Make a key. `key_size` in bits or `curve_oid`, by algorithm; `password` is then needed for every use."""
    body = shapes.CreateKeyBody(
        label=label,
        algorithm=algorithm,
        attributes=attributes,
        password=_characters(password),
        id=id,
        curve_oid=curve_oid,
        key_size=key_size,
        policy=policy,
        address_format=shapes.AddressFormat(address_format) if address_format else None,
    )
    return _with(endpoints.CREATE_KEY, body)


def key(label: str, *, password: str | None = None) -> Call[shapes.SignedAttributes]:
    """What a key is, with its attestation."""
    return _with(endpoints.KEY, shapes.KeyBody(label, _characters(password)))


def address(label: str, *, password: str | None = None) -> Call[key_shapes.KeyAddress]:
    """The address of a key that was made with one, without checksum and prefix."""
    return _with(endpoints.ADDRESS, shapes.KeyBody(label, _characters(password)))


def delete(label: str, *, password: str | None = None) -> Call[shapes.Nothing]:
    """Destroy a key; it must be destroyable."""
    return _with(endpoints.DELETE_KEY, shapes.KeyBody(label, _characters(password)))


def attestation_key(name: str = "attestation-key") -> Call[shapes.AttestationKey]:
    """The public key under which attestations verify; `name` is the attestation's `attestation_key_name`."""
    return Call(endpoints.ATTESTATION_KEY, endpoints.ATTESTATION_KEY.path.replace("{keyName}", quote(name, safe="")))


def sign(
    label: str,
    payload: bytes,
    algorithm: str,
    *,
    password: str | None = None,
    form: shapes.SignatureType = "DER",
    payload_type: shapes.PayloadType = "UNSPECIFIED",
    meta_data: bytes | None = None,
    meta_data_signature: bytes | None = None,
    auxiliary_random_data: bytes | None = None,
    taproot_tweak_data: bytes | None = None,
    merkle_root_data: bytes | None = None,
) -> Call[shapes.Signed]:
    """Sign at most 64 KB. `form`: how an ECDSA or DSA signature is written. It is never repeated by itself."""
    encoded = payload.hex() if payload_type == "HEX" else msgspec.to_builtins(payload)
    request = shapes.SignRequest(
        payload=encoded,
        sign_key_name=label,
        signature_algorithm=algorithm,
        payload_type=payload_type,
        key_password=_characters(password),
        signature_type=form,
        meta_data=meta_data,
        meta_data_signature=meta_data_signature,
        auxiliary_random_data=auxiliary_random_data,
        taproot_tweak_data=taproot_tweak_data,
        merkle_root_data=merkle_root_data,
    )
    return _with(endpoints.SIGN, shapes.SignBody(request))


def verify(
    label: str, payload: bytes, signature: bytes, algorithm: str, *, master_key_password: str | None = None
) -> Call[shapes.Verified]:
    """Whether the signature is the key's; DER and RAW are told apart by the service. The answer is true or false."""
    request = shapes.VerifySignatureRequest(label, algorithm, payload, signature, _characters(master_key_password))
    return _with(endpoints.VERIFY, shapes.VerifyBody(request))


def encrypt(
    label: str,
    payload: bytes,
    cipher: str,
    *,
    password: str | None = None,
    tag_length: int | None = None,
    aad: bytes | None = None,
) -> Call[shapes.Encrypted]:
    """Encrypt at most 64 KB; the service makes the initialization vector. `tag_length` in bits."""
    request = shapes.EncryptRequest(payload, label, cipher, _characters(password), tag_length, aad)
    return _with(endpoints.ENCRYPT, shapes.EncryptBody(request))


def decrypt(
    label: str,
    encrypted_payload: bytes,
    cipher: str,
    *,
    iv: bytes | None = None,
    password: str | None = None,
    tag_length: int | None = None,
    aad: bytes | None = None,
) -> Call[shapes.Decrypted]:
    """Decrypt what `encrypt` gave: its `encrypted_payload`, and its `initialization_vector` as `iv`."""
    request = shapes.DecryptRequest(encrypted_payload, label, cipher, _characters(password), iv, tag_length, aad)
    return _with(endpoints.DECRYPT, shapes.DecryptBody(request))


def hmac(label: str, payload: bytes, *, password: str | None = None) -> Call[key_shapes.Hmac]:
    """The HMAC of at most 64 KB; its hash is that of the key's algorithm."""
    return _with(endpoints.HMAC, key_shapes.HmacBody(key_shapes.HmacRequest(label, payload, _characters(password))))


def wrap(
    label: str, wrapping: str, method: str, *, password: str | None = None, wrapping_password: str | None = None
) -> Call[key_shapes.Wrapped]:
    """Encrypt the key `label` with the key `wrapping`."""
    request = key_shapes.WrapKeyRequest(label, wrapping, method, _characters(password), _characters(wrapping_password))
    return _with(endpoints.WRAP, key_shapes.WrapBody(request))


def unwrap(
    label: str,
    wrapped_key: bytes,
    wrapping: str,
    method: str,
    *,
    attributes: shapes.Attributes,
    password: str | None = None,
    wrapping_password: str | None = None,
    policy: shapes.Policy | None = None,
    algorithm: str | None = None,
) -> Call[shapes.SignedAttributes]:
    """Make the key `label` of a wrapped one. `algorithm`: of a secret key that is not AES; `password`: its own."""
    request = key_shapes.UnwrapKeyRequest(
        wrapped_key=wrapped_key,
        label=label,
        attributes=attributes,
        unwrap_key_name=wrapping,
        wrap_method=method,
        password=_characters(password),
        unwrap_key_password=_characters(wrapping_password),
        policy=policy,
        algorithm=algorithm,
    )
    return _with(endpoints.UNWRAP, key_shapes.UnwrapBody(request))


def block(label: str, *, password: str | None = None) -> Call[shapes.Nothing]:
    """Refuse every use of a key that has a policy."""
    return _with(endpoints.BLOCK, key_shapes.BlockBody(key_shapes.BlockRequest(label, _characters(password))))


def unblock(label: str, *, password: str | None = None) -> Call[shapes.Nothing]:
    """Allow it again."""
    return _with(endpoints.UNBLOCK, key_shapes.UnblockBody(key_shapes.UnblockRequest(label, _characters(password))))


def modify(label: str, rules: key_shapes.NewRules, *, password: str | None = None) -> Call[shapes.Nothing]:
    """Put new rules in the place of those of a key's policy."""
    return _with(endpoints.MODIFY, key_shapes.ModifyBody(key_shapes.ModifyRequest(label, rules, _characters(password))))


def import_key(
    label: str,
    algorithm: str,
    *,
    attributes: shapes.Attributes | None = None,
    private_key: bytes | None = None,
    public_key: bytes | None = None,
    secret_key: bytes | None = None,
    certificate: bytes | None = None,
    password: str | None = None,
    policy: shapes.Policy | None = None,
    address_format: shapes.AddressFormatName | None = None,
) -> Call[shapes.SignedAttributes]:
    """Make a key of one from elsewhere: DER, or the octets of a secret key. `password` is then needed for every use."""
    body = key_shapes.ImportBody(
        label=label,
        algorithm=algorithm,
        password=_characters(password),
        private_key=private_key,
        public_key=public_key,
        secret_key=secret_key,
        certificate=certificate,
        attributes=attributes,
        policy=policy,
        address_format=shapes.AddressFormat(address_format) if address_format else None,
    )
    return _with(endpoints.IMPORT, body)


def export(label: str, *, password: str | None = None) -> Call[key_shapes.Exported]:
    """The key itself; it must be extractable and not sensitive."""
    return _with(endpoints.EXPORT, shapes.KeyBody(label, _characters(password)))


def change_password(label: str, *, password: str | None = None, new: str | None = None) -> Call[shapes.Nothing]:
    """Put another password in the place of a key's; without a new one it has none any more."""
    return _with(endpoints.CHANGE_PASSWORD, key_shapes.PasswordBody(label, _characters(password), _characters(new)))
