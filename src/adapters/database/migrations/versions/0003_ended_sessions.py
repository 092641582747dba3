"""Sessions are found by when they were ended, for services that follow the ends.

The program before runs on beside this one. PostgreSQL lets nobody change sessions while it builds the index.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ended = sa.text("ended_at IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        op.f("ix_sessions_ended_at_id"), "sessions", ["ended_at", "id"], postgresql_where=_ended, sqlite_where=_ended
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_sessions_ended_at_id"), "sessions")
