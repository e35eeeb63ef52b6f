"""Finalists are trained again, and what comes of it is kept with the job."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add both to jobs."""
    op.add_column("jobs", sa.Column("finalists", sa.Integer(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("confirmation", sa.JSON(none_as_null=True), nullable=True))
