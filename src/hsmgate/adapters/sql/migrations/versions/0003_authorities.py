"""The PKI: authorities, every certificate that they issued, and their newest CRLs."""

import sqlalchemy as sa

from hsmgate.adapters.sql.columns import name, octets, words
from hsmgate.adapters.sql.migrations.making import make_index, make_table

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    make_table(
        "authority",
        sa.Column("name", name(64), primary_key=True),
        sa.Column("certificate", octets(), nullable=False),
        sa.Column("sha256", name(64), nullable=False, unique=True),
        sa.Column("parent", name(64)),
        sa.Column("signing_key", words(), nullable=False),
        sa.Column("settings", words(), nullable=False),
        sa.Column("crl_number", sa.BigInteger, nullable=False),
        sa.Column("created", sa.Float(53), nullable=False),
    )
    make_table(
        "issued",
        sa.Column("authority", name(64), primary_key=True),
        sa.Column("serial", name(40), primary_key=True),
        sa.Column("profile", name(16), nullable=False),
        sa.Column("subject", words(), nullable=False),
        sa.Column("not_before", sa.Float(53), nullable=False),
        sa.Column("not_after", sa.Float(53), nullable=False),
        sa.Column("certificate", octets()),
        sa.Column("revoked_at", sa.Float(53)),
        sa.Column("reason", name(32)),
        sa.Column("created", sa.Float(53), nullable=False),
    )
    make_index("issued_by_expiry", "issued", ["authority", "not_after"])
    make_index("issued_revoked", "issued", ["authority", "revoked_at"])
    make_table(
        "crl",
        sa.Column("authority", name(64), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("this_update", sa.Float(53), nullable=False),
        sa.Column("next_update", sa.Float(53), nullable=False),
        sa.Column("der", octets(), nullable=False),
    )


def downgrade() -> None:
    """Refuse: certificates that nobody remembers could not be revoked."""
    raise NotImplementedError("issued certificates are never forgotten: restore the backup made before the upgrade")
