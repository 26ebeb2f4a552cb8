"""Certificates of keys."""

import sqlalchemy as sa

from hsmgate.adapters.sql.columns import name, octets
from hsmgate.adapters.sql.migrations.making import make_table

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    make_table(
        "key_certificate",
        sa.Column("key_uuid", name(36), primary_key=True),
        sa.Column("tenant", name(64), nullable=False),
        sa.Column("certificate", octets(2**17), nullable=False),
        sa.Column("seal", octets(32), nullable=False),
    )


def downgrade() -> None:
    """Refuse: certificates that others may rely on would be lost."""
    raise NotImplementedError("certificates are never dropped: restore the backup that was made before the upgrade")
