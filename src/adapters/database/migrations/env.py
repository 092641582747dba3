"""Runs the migrations over the connection and in the transaction of `migrate`."""

from alembic import context


def run() -> None:
    attributes = context.config.attributes
    context.configure(connection=attributes["connection"], target_metadata=attributes["metadata"], render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name that Alembic gives; an import must run nothing
    run()
