"""The first tables: sealed keys, and what their sealing key is checked against."""

import sqlalchemy as sa

from hsmgate.adapters.sql.columns import name, octets, words
from hsmgate.adapters.sql.migrations.making import make_table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    make_table(
        "keystore",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("database_id", octets(16), nullable=False),
        sa.Column("kdf", words()),
        sa.Column("check_value", octets(32), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    make_table(
        "stored_key",
        sa.Column("uuid", name(36), primary_key=True),
        sa.Column("tenant", name(64), nullable=False),
        sa.Column("label", name(255), nullable=False),
        sa.Column("purpose", name(16), nullable=False),
        sa.Column("key_id", name(255)),
        sa.Column("algorithm", name(64), nullable=False),
        sa.Column("curve_oid", name(64)),
        sa.Column("key_size", sa.Integer),
        sa.Column("attributes", words(), nullable=False),
        sa.Column("policy", words()),
        sa.Column("origin", name(16), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("public_key", octets()),
        sa.Column("password_kdf", words()),
        sa.Column("sealed", octets(), nullable=False),
        sa.Column("use_count", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("label", "tenant", name="stored_key_label"),
    )


def downgrade() -> None:
    """Refuse: going back would destroy keys; restore the backup made before the upgrade."""
    raise NotImplementedError("keys are never dropped: restore the backup that was made before the upgrade")
