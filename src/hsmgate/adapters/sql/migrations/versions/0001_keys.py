"""The first tables: sealed keys, and what their sealing key is checked against."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "keystore",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("database_id", sa.LargeBinary(16), nullable=False),
        sa.Column("kdf", sa.Text),
        sa.Column("check_value", sa.LargeBinary(32), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "stored_key",
        sa.Column("uuid", sa.String(36), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("key_id", sa.String(255)),
        sa.Column("algorithm", sa.String(64), nullable=False),
        sa.Column("curve_oid", sa.String(64)),
        sa.Column("key_size", sa.Integer),
        sa.Column("attributes", sa.Text, nullable=False),
        sa.Column("policy", sa.Text),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("public_key", sa.LargeBinary),
        sa.Column("password_kdf", sa.Text),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("use_count", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("label", "tenant", name="stored_key_label"),
    )


def downgrade() -> None:
    """Refuse: going back would destroy keys; restore the backup made before the upgrade."""
    raise NotImplementedError("keys are never dropped: restore the backup that was made before the upgrade")
