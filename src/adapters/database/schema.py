"""The tables, as the migrations make them (a test compares the two). Times are seconds since the epoch."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, MetaData, String, Table, Text, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Key = Text().with_variant(Text(collation="C"), "postgresql")
"""A text that is ordered by its bytes on both databases, so that an index finds the texts that begin with another one."""

_Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite generates numbers for INTEGER only


def _where(condition: str) -> dict[str, Any]:
    """The condition of an index on some rows alone, in both dialects."""
    return {"postgresql_where": text(condition), "sqlite_where": text(condition)}


accounts = Table(
    "accounts",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("username", Text, nullable=False),
    Column("canonical_username", _Key, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("canonical_email", _Key, unique=True),
    Column("mobile", Text),
    Column("canonical_mobile", _Key, unique=True),
    Column("email_verified", Boolean, nullable=False),
    Column("mobile_verified", Boolean, nullable=False),
    Column("ever_verified", Boolean, nullable=False),
    Column("recovery_email", _Key),  # the canonical forms of those in `recovery`, for look-ups
    Column("recovery_mobile", _Key),
    Column("recovery", Text),  # JSON; null without a recovery address
    Column("password_hash", Text),
    Column("is_active", Boolean, nullable=False),
    Column("is_staff", Boolean, nullable=False),
    Column("is_superuser", Boolean, nullable=False),
    Column("roles", Text),  # JSON; null without roles
    Column("suspended_at", Double),
    Column("suspended_until", Double),
    Column("suspension_reason", Text),
    Column("image", Text),
    Column("created_at", Double, nullable=False),
    Column("deletion_due_at", Double),
    Index(None, "recovery_email", **_where("recovery_email IS NOT NULL")),
    Index(None, "recovery_mobile", **_where("recovery_mobile IS NOT NULL")),
    Index(None, "deletion_due_at", **_where("deletion_due_at IS NOT NULL")),
    Index(None, "created_at", "id"),
    Index(None, "ever_verified", "created_at", "id"),
    Index("ix_accounts_staff", "created_at", "id", postgresql_where=text("is_staff"), sqlite_where=text("is_staff = 1")),
    Index(
        "ix_accounts_inactive", "created_at", "id", postgresql_where=text("NOT is_active"), sqlite_where=text("is_active = 0")
    ),
    Index(None, "suspended_until", **_where("suspended_until IS NOT NULL")),
    Index("ix_accounts_suspended", "created_at", "id", **_where("suspended_at IS NOT NULL")),
    Index("ix_accounts_to_delete", "created_at", "id", **_where("deletion_due_at IS NOT NULL")),
    sqlite_autoincrement=True,
)

account_words = Table(
    "account_words",  # the words of each account's name, as they are searched
    metadata,
    Column("word", _Key, primary_key=True),
    Column("account_id", _Number, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

challenges = Table(
    "challenges",
    metadata,
    Column("address_kind", String(8), primary_key=True),
    Column("canonical_address", Text, primary_key=True),
    Column("purpose", String(16), primary_key=True),
    Column("from_known_network", Boolean, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("address", Text, nullable=False),
    Column("on_behalf_of", Text),
    Column("reference", Text, nullable=False),
    Column("is_decoy", Boolean, nullable=False),
    Column("sent_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    Column("failed_attempts", Integer, nullable=False),
    Column("failed_attempts_elsewhere", Integer, nullable=False),
    Column("network", Text),
    Column("used_at", Double),
    Index(None, "on_behalf_of"),
)

proofs = Table(
    "proofs",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("address_kind", String(8), nullable=False),
    Column("address", Text, nullable=False),
    Column("canonical_address", Text, nullable=False),
    Column("verified_at", Double, nullable=False, index=True),
    Column("network", Text),
    Index(None, "canonical_address", "verified_at"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("address_kind", String(8), primary_key=True),
    Column("canonical_address", Text, primary_key=True),
    Column("address", Text, nullable=False),
    Column("id", Text, nullable=False, unique=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("invited_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    Column("invited_by", _Number),
    Index(None, "invited_by", **_where("invited_by IS NOT NULL")),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", _Number, ForeignKey(accounts.c.id), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("refreshed_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("previous_generation", Integer, nullable=False),
    Column("revoked_at", Double),
    Column("ip_address", Text),
    Column("user_agent", Text),
    Column("device", Text),
    Column("network", Text),  # null once it is forgotten
    Index(None, "created_at", "account_id"),
    Index(None, "account_id", "created_at"),
    Index(None, "account_id", "network"),
    Index(None, "revoked_at", "id", **_where("revoked_at IS NOT NULL")),
)

rate_limits = Table(
    "rate_limits",
    metadata,
    Column("key", _Key, primary_key=True),
    Column("timestamps", Text, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
)

outbox = Table(
    "outbox",
    metadata,
    Column("position", _Number, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("channel", String(8), nullable=False),
    Column("recipient", Text),
    Column("template", Text, nullable=False),
    Column("challenge", Text),
    Column("parameters", Text, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("failed_attempts", Integer, nullable=False),
    Column("due_at", Double, index=True),  # when a worker may lease it: not_before, or the end of a lease; null if failed
    Column("failure_reason", Text),
    Column("account_id", _Number),  # no foreign key: the last notice outlives its account
    Column("priority", Integer, nullable=False),  # 0 goes first
    Column("turn", Double, nullable=False),  # within a priority the lowest goes first
    Index(None, "channel", "priority", "turn", "position", "due_at"),
    Index(None, "account_id", "channel", "priority", "turn", **_where("account_id IS NOT NULL")),
    sqlite_autoincrement=True,
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("position", _Number, primary_key=True, autoincrement=True),
    Column("occurred_at", Double, nullable=False),
    Column("type", Text, nullable=False),
    Column("account_id", _Number),
    Column("session_id", Text),
    Column("caller_ip_address", Text),
    Column("caller_user_agent", Text),
    Column("request_id", Text),
    Column("detail", Text, nullable=False),
    Column("actor", Text),
    Column("reason", Text),
    Index(None, "account_id", "position"),
    Index("ix_audit_log_failed_logins", "occurred_at", **_where("type = 'login_failed'")),
    sqlite_autoincrement=True,
)

keys = Table(
    "keys", metadata, Column("id", Integer, primary_key=True, autoincrement=False), Column("document", Text, nullable=False)
)

cursors = Table(
    "cursors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", _Number, nullable=False),
    Column("moved_at", Double, nullable=False),
    Column("leased_until", Double, nullable=False),
)

mobile_region = Table(
    "mobile_region",  # the region that mobiles were read with; no row before the first mobile
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("region", Text, nullable=False),  # empty for none
)

imports = Table(
    "imports",  # the rows of other systems that became accounts
    metadata,
    Column("source", Text, primary_key=True),
    Column("key", _Key, primary_key=True),
    Column("account_id", _Number, nullable=False),  # no foreign key: the row outlives its account, which no import makes again
    Column("digests", Text, nullable=False),
    Column("imported_at", Double, nullable=False),
    Column("image", Text),  # the name in the source of an image that is to be imported
    Index(None, "account_id"),
    Index("ix_imports_images", "source", "key", **_where("image IS NOT NULL")),
)

alembic_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
