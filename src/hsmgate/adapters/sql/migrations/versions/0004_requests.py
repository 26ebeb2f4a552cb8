"""Requests that are answered later, with their results."""

import sqlalchemy as sa

from hsmgate.adapters.sql.columns import name, octets
from hsmgate.adapters.sql.migrations.making import make_index, make_table

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    make_table(
        "request",
        sa.Column("id", name(36), primary_key=True),
        sa.Column("tenant", name(64), nullable=False),
        sa.Column("kind", name(32), nullable=False),
        sa.Column("label", name(255), nullable=False),
        sa.Column("status", name(16), nullable=False),
        sa.Column("created", sa.Float(53), nullable=False),
        sa.Column("execution_time", sa.Float(53), nullable=False),
        sa.Column("node", name(36)),
        sa.Column("claimed_until", sa.Float(53), nullable=False),
        sa.Column("details", octets(2**20), nullable=False),
        sa.Column("result", octets(2**20)),
    )
    make_index("request_by_time", "request", ["tenant", "status", "created"])


def downgrade() -> None:
    """Refuse: results that were promised would be lost."""
    raise NotImplementedError("requests are never dropped: restore the backup that was made before the upgrade")
