"""Jobs have a name and a place among their owner's."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add both to jobs; those from before have no name and are like any other."""
    op.add_column("jobs", sa.Column("name", sa.String(64), nullable=True))
    op.add_column("jobs", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
