"""What Alembic runs: it migrates the connection that `migrate` hands over, inside that connection's transaction."""

from alembic import context

from fairstall.records.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
