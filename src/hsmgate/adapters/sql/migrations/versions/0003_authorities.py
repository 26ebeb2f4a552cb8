"""The PKI: authorities, every certificate that they issued, and their newest CRLs."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "authority",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("parent", sa.String(64)),
        sa.Column("signing_key", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("crl_number", sa.BigInteger, nullable=False),
        sa.Column("created", sa.Float(53), nullable=False),
    )
    op.create_table(
        "issued",
        sa.Column("authority", sa.String(64), primary_key=True),
        sa.Column("serial", sa.String(40), primary_key=True),
        sa.Column("profile", sa.String(16), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("not_before", sa.Float(53), nullable=False),
        sa.Column("not_after", sa.Float(53), nullable=False),
        sa.Column("certificate", sa.LargeBinary),
        sa.Column("revoked_at", sa.Float(53)),
        sa.Column("reason", sa.String(32)),
        sa.Column("created", sa.Float(53), nullable=False),
    )
    op.create_index("issued_by_expiry", "issued", ["authority", "not_after"])
    op.create_index("issued_revoked", "issued", ["authority", "revoked_at"])
    op.create_table(
        "crl",
        sa.Column("authority", sa.String(64), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("this_update", sa.Float(53), nullable=False),
        sa.Column("next_update", sa.Float(53), nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Refuse: certificates that nobody remembers could not be revoked."""
    raise NotImplementedError("issued certificates are never forgotten: restore the backup made before the upgrade")
