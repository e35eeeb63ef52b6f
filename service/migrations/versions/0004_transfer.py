"""A job keeps what it takes from earlier ones."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add it to jobs; those there are take nothing, as some of them are half done."""
    op.add_column("jobs", sa.Column("transferred", sa.JSON(none_as_null=True), nullable=True))
    op.execute("UPDATE jobs SET transferred = '[]'")
