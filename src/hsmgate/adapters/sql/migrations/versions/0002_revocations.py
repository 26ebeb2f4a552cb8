"""Remembered revocations: a REVOKED outlives restarts and outages until a newer GOOD is proven."""

import sqlalchemy as sa

from hsmgate.adapters.sql.columns import name, words
from hsmgate.adapters.sql.migrations.making import make_table

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    make_table(
        "revocation",
        sa.Column("question", name(160), primary_key=True),
        sa.Column("asked_at", sa.Float(53), nullable=False),
        sa.Column("this_update", sa.Float(53), nullable=False),
        sa.Column("detail", words(), nullable=False),
    )


def downgrade() -> None:
    """Refuse: forgetting a revocation would let revoked clients in."""
    raise NotImplementedError("revocations are never forgotten: restore the backup that was made before the upgrade")
