"""Summaries of jobs that have ended are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add a place for them."""
    op.create_table(
        "summaries",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("made_of", sa.String(200), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_summaries_job_id_jobs"),
        sa.PrimaryKeyConstraint("job_id", name="pk_summaries"),
    )
