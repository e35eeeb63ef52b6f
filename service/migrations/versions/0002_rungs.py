"""Trials dropped at a rung are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the count to jobs."""
    op.add_column(
        "jobs", sa.Column("trials_dropped", sa.Integer(), server_default="0", nullable=False)
    )
