"""The tables as the newest migration leaves them; a test holds both together."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Table, UniqueConstraint

from hsmgate.adapters.sql.columns import name, octets, words

metadata = MetaData()

# one row: what the sealing key is checked against
keystore = Table(
    "keystore",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("database_id", octets(16), nullable=False),
    Column("kdf", words()),  # JSON: how a passphrase becomes the sealing key; null: the key is a file
    Column("check_value", octets(32), nullable=False),
    Column("created", BigInteger, nullable=False),
)

# every column but use_count is bound into the seal
stored_key = Table(
    "stored_key",
    metadata,
    Column("uuid", name(36), primary_key=True),
    Column("tenant", name(64), nullable=False),
    Column("label", name(255), nullable=False),
    Column("purpose", name(16), nullable=False),  # client | attestation | requests
    Column("key_id", name(255)),
    Column("algorithm", name(64), nullable=False),
    Column("curve_oid", name(64)),
    Column("key_size", Integer),
    Column("attributes", words(), nullable=False),  # JSON
    Column("policy", words()),  # JSON
    Column("origin", name(16), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("public_key", octets()),
    Column("password_kdf", words()),  # JSON; null: no password
    Column("sealed", octets(), nullable=False),
    Column("use_count", BigInteger, nullable=False),
    UniqueConstraint("label", "tenant", name="stored_key_label"),
)

# a proven REVOKED, kept until a newer GOOD is proven; times in Unix seconds
revocation = Table(
    "revocation",
    metadata,
    Column("question", name(160), primary_key=True),
    Column("asked_at", Float(53), nullable=False),
    Column("this_update", Float(53), nullable=False),
    Column("detail", words(), nullable=False),
)

# an authority of the PKI; times in Unix seconds
authority = Table(
    "authority",
    metadata,
    Column("name", name(64), primary_key=True),
    Column("certificate", octets(), nullable=False),  # DER
    Column("sha256", name(64), nullable=False, unique=True),  # of the certificate
    Column("parent", name(64)),  # the authority that signed it; null: itself, or one that is not here
    Column(
        "signing_key", words(), nullable=False
    ),  # where its private key is: file:PATH or keystore:LABEL; empty: not here
    Column("settings", words(), nullable=False),  # JSON
    Column("crl_number", BigInteger, nullable=False),  # of the newest CRL, 0 before the first
    Column("created", Float(53), nullable=False),
)

# every certificate that an authority issued, never deleted; times in Unix seconds
issued = Table(
    "issued",
    metadata,
    Column("authority", name(64), primary_key=True),
    Column("serial", name(40), primary_key=True),  # lower-case hex without leading zeros
    Column("profile", name(16), nullable=False),  # authority | server | client | responder | imported
    Column("subject", words(), nullable=False),  # RFC 4514
    Column("not_before", Float(53), nullable=False),
    Column("not_after", Float(53), nullable=False),
    Column("certificate", octets()),  # DER; null: imported without it
    Column("revoked_at", Float(53)),
    Column("reason", name(32)),
    Column("created", Float(53), nullable=False),
    Index("issued_by_expiry", "authority", "not_after"),
    Index("issued_revoked", "authority", "revoked_at"),
)

# the newest CRL of each authority
crl = Table(
    "crl",
    metadata,
    Column("authority", name(64), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("this_update", Float(53), nullable=False),
    Column("next_update", Float(53), nullable=False),
    Column("der", octets(), nullable=False),
)

# a request that is answered later; times in Unix seconds; details and result are encrypted and bound to the rest
request = Table(
    "request",
    metadata,
    Column("id", name(36), primary_key=True),
    Column("tenant", name(64), nullable=False),
    Column("kind", name(32), nullable=False),
    Column("label", name(255), nullable=False),  # of the key
    Column("status", name(16), nullable=False),
    Column("created", Float(53), nullable=False),
    Column("execution_time", Float(53), nullable=False),
    Column("node", name(36)),  # the process that has claimed it
    Column("claimed_until", Float(53), nullable=False),  # an open one is given up then
    Column("details", octets(2**20), nullable=False),
    Column("result", octets(2**20)),
    Index("request_by_time", "tenant", "status", "created"),
)

# the certificate of a key, which goes when the key goes
key_certificate = Table(
    "key_certificate",
    metadata,
    Column("key_uuid", name(36), primary_key=True),
    Column("tenant", name(64), nullable=False),
    Column("certificate", octets(2**17), nullable=False),  # DER
    Column("seal", octets(32), nullable=False),  # a MAC over key_uuid and certificate
)
