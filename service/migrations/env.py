"""Run by Alembic with the connection that `service.schema` hands over."""

from alembic import context

from service.schema import VERSION_TABLE, is_ours
from service.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=is_ours,
    # SQLite cannot alter most columns: Alembic then copies the table.
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
