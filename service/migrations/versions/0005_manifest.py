"""What each attempt of a job ran with is kept with the job."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add it to jobs."""
    op.add_column("jobs", sa.Column("attempts", sa.JSON(none_as_null=True), nullable=True))
