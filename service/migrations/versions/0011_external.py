"""Jobs whose trials somebody else trains have no dataset."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Let jobs be without one."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.alter_column("dataset_id", existing_type=sa.String(36), nullable=True)
