"""How the uploaded file held its table is kept with a dataset."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add it to datasets; those from before were CSV."""
    # In quotes: PostgreSQL would read `format JSON` as a clause of its own.
    name = sa.quoted_name("format", quote=True)
    op.add_column("datasets", sa.Column(name, sa.JSON(none_as_null=True), nullable=True))
