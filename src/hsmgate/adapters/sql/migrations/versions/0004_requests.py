"""Requests that are answered later, with their results."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "request",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created", sa.Float(53), nullable=False),
        sa.Column("execution_time", sa.Float(53), nullable=False),
        sa.Column("node", sa.String(36)),
        sa.Column("claimed_until", sa.Float(53), nullable=False),
        sa.Column("details", sa.LargeBinary(2**20), nullable=False),
        sa.Column("result", sa.LargeBinary(2**20)),
    )
    op.create_index("request_by_time", "request", ["tenant", "status", "created"])


def downgrade() -> None:
    """Refuse: results that were promised would be lost."""
    raise NotImplementedError("requests are never dropped: restore the backup that was made before the upgrade")
