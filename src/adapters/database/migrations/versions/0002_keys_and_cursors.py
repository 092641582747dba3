"""Keys in the database, readers that remember how far they came, and sessions of accounts that are kept elsewhere.

The program before runs on beside this one: it asks for neither table, and does not need the foreign key.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_account = "fk_sessions_account_id_accounts"


def upgrade() -> None:
    op.create_table(
        "keys",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "number", name=op.f("pk_keys")),
    )
    op.create_table(
        "cursors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", _number, nullable=False),
        sa.Column("moved_at", sa.Double(), nullable=False),
        sa.Column("held_until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cursors")),
    )
    with op.batch_alter_table("sessions") as sessions:
        sessions.drop_constraint(op.f(_account), type_="foreignkey")


def downgrade() -> None:
    with op.batch_alter_table("sessions") as sessions:
        sessions.create_foreign_key(op.f(_account), "accounts", ["account_id"], ["id"])
    op.drop_table("cursors")
    op.drop_table("keys")
