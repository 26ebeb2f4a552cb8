"""Certificates of keys."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "key_certificate",
        sa.Column("key_uuid", sa.String(36), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("certificate", sa.LargeBinary(2**17), nullable=False),
        sa.Column("seal", sa.LargeBinary(32), nullable=False),
    )


def downgrade() -> None:
    """Refuse: certificates that others may rely on would be lost."""
    raise NotImplementedError("certificates are never dropped: restore the backup that was made before the upgrade")
