"""The initial schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _where(condition: str) -> dict[str, Any]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", _number, primary_key=True, autoincrement=True),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("canonical_username", _key, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("canonical_email", _key, unique=True),
        sa.Column("mobile", sa.Text),
        sa.Column("canonical_mobile", _key, unique=True),
        sa.Column("email_verified", sa.Boolean, nullable=False),
        sa.Column("mobile_verified", sa.Boolean, nullable=False),
        sa.Column("ever_verified", sa.Boolean, nullable=False),
        sa.Column("recovery_email", _key),
        sa.Column("recovery_mobile", _key),
        sa.Column("recovery", sa.Text),
        sa.Column("password_hash", sa.Text),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("is_staff", sa.Boolean, nullable=False),
        sa.Column("is_superuser", sa.Boolean, nullable=False),
        sa.Column("roles", sa.Text),
        sa.Column("suspended_at", sa.Double),
        sa.Column("suspended_until", sa.Double),
        sa.Column("suspension_reason", sa.Text),
        sa.Column("image", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("deletion_due_at", sa.Double),
        sqlite_autoincrement=True,
    )
    for column in ("recovery_email", "recovery_mobile", "deletion_due_at", "suspended_until"):
        op.create_index(op.f(f"ix_accounts_{column}"), "accounts", [column], **_where(f"{column} IS NOT NULL"))
    op.create_index(op.f("ix_accounts_created_at_id"), "accounts", ["created_at", "id"])
    op.create_index(op.f("ix_accounts_ever_verified_created_at_id"), "accounts", ["ever_verified", "created_at", "id"])
    for name, on_postgres, on_sqlite in (
        ("staff", "is_staff", "is_staff = 1"),
        ("inactive", "NOT is_active", "is_active = 0"),
        ("suspended", "suspended_at IS NOT NULL", "suspended_at IS NOT NULL"),
        ("to_delete", "deletion_due_at IS NOT NULL", "deletion_due_at IS NOT NULL"),
    ):
        op.create_index(
            op.f(f"ix_accounts_{name}"),
            "accounts",
            ["created_at", "id"],
            postgresql_where=sa.text(on_postgres),
            sqlite_where=sa.text(on_sqlite),
        )
    op.create_table(
        "account_words",
        sa.Column("word", _key, primary_key=True),
        sa.Column("account_id", _number, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "challenges",
        sa.Column("address_kind", sa.String(8), primary_key=True),
        sa.Column("canonical_address", sa.Text, primary_key=True),
        sa.Column("purpose", sa.String(16), primary_key=True),
        sa.Column("from_known_network", sa.Boolean, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("on_behalf_of", sa.Text, index=True),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("is_decoy", sa.Boolean, nullable=False),
        sa.Column("sent_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False, index=True),
        sa.Column("failed_attempts", sa.Integer, nullable=False),
        sa.Column("failed_attempts_elsewhere", sa.Integer, nullable=False),
        sa.Column("network", sa.Text),
        sa.Column("used_at", sa.Double),
    )
    op.create_table(
        "proofs",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("address_kind", sa.String(8), nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("canonical_address", sa.Text, nullable=False),
        sa.Column("verified_at", sa.Double, nullable=False, index=True),
        sa.Column("network", sa.Text),
    )
    op.create_index(op.f("ix_proofs_canonical_address_verified_at"), "proofs", ["canonical_address", "verified_at"])
    op.create_table(
        "invitations",
        sa.Column("address_kind", sa.String(8), primary_key=True),
        sa.Column("canonical_address", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("invited_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False, index=True),
        sa.Column("invited_by", _number),
    )
    op.create_index(op.f("ix_invitations_invited_by"), "invitations", ["invited_by"], **_where("invited_by IS NOT NULL"))
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("account_id", _number, sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("refreshed_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("previous_generation", sa.Integer, nullable=False),
        sa.Column("revoked_at", sa.Double),
        sa.Column("ip_address", sa.Text),
        sa.Column("user_agent", sa.Text),
        sa.Column("device", sa.Text),
        sa.Column("network", sa.Text),
    )
    op.create_index(op.f("ix_sessions_created_at_account_id"), "sessions", ["created_at", "account_id"])
    op.create_index(op.f("ix_sessions_account_id_created_at"), "sessions", ["account_id", "created_at"])
    op.create_index(op.f("ix_sessions_account_id_network"), "sessions", ["account_id", "network"])
    op.create_index(op.f("ix_sessions_revoked_at_id"), "sessions", ["revoked_at", "id"], **_where("revoked_at IS NOT NULL"))
    op.create_table(
        "rate_limits",
        sa.Column("key", _key, primary_key=True),
        sa.Column("timestamps", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False, index=True),
    )
    op.create_table(
        "outbox",
        sa.Column("position", _number, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("channel", sa.String(8), nullable=False),
        sa.Column("recipient", sa.Text),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("challenge", sa.Text),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("not_before", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("failed_attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Double, index=True),
        sa.Column("failure_reason", sa.Text),
        sa.Column("account_id", _number),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("turn", sa.Double, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_outbox_channel_priority_turn_position_due_at"), "outbox", ["channel", "priority", "turn", "position", "due_at"]
    )
    op.create_index(
        op.f("ix_outbox_account_id_channel_priority_turn"),
        "outbox",
        ["account_id", "channel", "priority", "turn"],
        **_where("account_id IS NOT NULL"),
    )
    op.create_table(
        "audit_log",
        sa.Column("position", _number, primary_key=True, autoincrement=True),
        sa.Column("occurred_at", sa.Double, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("account_id", _number),
        sa.Column("session_id", sa.Text),
        sa.Column("caller_ip_address", sa.Text),
        sa.Column("caller_user_agent", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("reason", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_log_account_id_position"), "audit_log", ["account_id", "position"])
    op.create_index(op.f("ix_audit_log_failed_logins"), "audit_log", ["occurred_at"], **_where("type = 'login_failed'"))
    op.create_table(
        "keys",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "cursors",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("position", _number, nullable=False),
        sa.Column("moved_at", sa.Double, nullable=False),
        sa.Column("leased_until", sa.Double, nullable=False),
    )
    op.create_table(
        "mobile_region",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("region", sa.Text, nullable=False),
    )
    op.create_table(
        "imports",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("key", _key, primary_key=True),
        sa.Column("account_id", _number, nullable=False),
        sa.Column("digests", sa.Text, nullable=False),
        sa.Column("imported_at", sa.Double, nullable=False),
        sa.Column("image", sa.Text),
    )
    op.create_index(op.f("ix_imports_account_id"), "imports", ["account_id"])
    op.create_index(op.f("ix_imports_images"), "imports", ["source", "key"], **_where("image IS NOT NULL"))


def downgrade() -> None:
    tables = (
        "imports",
        "mobile_region",
        "cursors",
        "keys",
        "audit_log",
        "outbox",
        "rate_limits",
        "sessions",
        "invitations",
        "proofs",
        "challenges",
        "account_words",
        "accounts",
    )
    for table in tables:
        op.drop_table(table)
