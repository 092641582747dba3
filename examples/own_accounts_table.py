"""Accounts in a table of one's own: other names, columns of one's own, and SQL of one's own that joins it.

python examples/own_accounts_table.py [DIRECTORY]
"""

import sys
import tempfile
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    false,
    func,
    insert,
    select,
    update,
)

from vestibule import Settings, build
from vestibule.adapters.database import AccountsTable

METADATA = MetaData()
NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows itself only where the type is INTEGER

MEMBERS = Table(
    "members",
    METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    # What Vestibule knows nothing of: it may be empty, or has a default.
    Column("birthday", Text),
    Column("newsletter", Boolean, nullable=False, server_default=false()),
    # What Vestibule keeps here. Keys are what has to be unique; beside each stands the text as it was written.
    Column("nick", Text, nullable=False),
    Column("nick_key", Text, nullable=False, unique=True),
    Column("full_name", Text, nullable=False),
    Column("email", Text),
    Column("canonical_email", Text, unique=True),
    Column("mobile", Text),
    Column("canonical_mobile", Text, unique=True),
    Column("email_verified", Boolean, nullable=False),
    Column("mobile_verified", Boolean, nullable=False),
    Column("owner_verified", Boolean, nullable=False),
    Column("password_hash", Text),
    Column("is_active", Boolean, nullable=False),
    Column("is_staff", Boolean, nullable=False),
    Column("is_superuser", Boolean, nullable=False),
    Column("image", Text),
    Column("created_at", Double, nullable=False),
    sqlite_autoincrement=True,  # a number is never given twice
)
ORDERS = Table(
    "orders",
    METADATA,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("member", NUMBER, ForeignKey(MEMBERS.c.number), nullable=False),
    Column("item", Text, nullable=False),
)
RENAMED = {
    "id": MEMBERS.c.number,
    "username": MEMBERS.c.nick,
    "canonical_username": MEMBERS.c.nick_key,
    "name": MEMBERS.c.full_name,
}
ACCOUNTS = AccountsTable({**MEMBERS.columns, **RENAMED})


def make_tables(url: str) -> None:
    """As the migrations of one's own program would."""
    engine = create_engine(url)
    METADATA.create_all(engine)
    engine.dispose()


def main(directory: Path) -> None:
    url = f"sqlite:///{directory / 'shop.db'}"
    make_tables(url)
    engine = create_engine(url)
    secret = "the engine weaves algebra"
    with build(Settings(data_dir=directory, database_url=url), accounts=ACCOUNTS, deliver=False) as vestibule:
        ada = vestibule.register(username="ada", name="Ada Lovelace", email="ada@example.com", password=secret)
        vestibule.log_in(username="ada", password=secret)
        with engine.begin() as own:
            own.execute(update(MEMBERS).where(MEMBERS.c.number == ada.id).values(newsletter=True))
            own.execute(insert(ORDERS), [{"member": ada.id, "item": item} for item in ("a loom", "punched cards")])
        with engine.connect() as own:
            orders = func.count(ORDERS.c.number)
            ordered = select(MEMBERS.c.nick, MEMBERS.c.newsletter, orders).join(ORDERS).group_by(MEMBERS.c.number)
            for nick, newsletter, number in own.execute(ordered):
                print(f"{nick} ordered {number} things; newsletter: {newsletter}")
        vestibule.set_active(who="ada", active=False)
    with engine.connect() as own:
        print(f"active: {own.scalar(select(MEMBERS.c.is_active))}, newsletter: {own.scalar(select(MEMBERS.c.newsletter))}")
    engine.dispose()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
