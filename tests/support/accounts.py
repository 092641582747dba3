"""A table of people that somebody had before Vestibule came: other names, some of them crosswise, and more in it."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text, UniqueConstraint, make_url
from sqlalchemy.schema import CreateIndex, CreateTable

from vestibule.adapters.database import AccountsTable

PEOPLE = Table(
    "people",
    MetaData(),
    Column("account_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("department", Text, nullable=False, server_default="none"),
    Column("name", Text, nullable=False),  # the username
    Column("username", Text, nullable=False, unique=True),  # its key
    Column("full_name", Text, nullable=False),
    Column("mail", Text),
    Column("mail_key", Text),
    Column("phone", Text),
    Column("key", Text),
    Column("mail_proven", Boolean, nullable=False),
    Column("phone_proven", Boolean, nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("password", Text),
    Column("active", Boolean, nullable=False),
    Column("staff", Boolean, nullable=False),
    Column("root", Boolean, nullable=False),
    Column("photo", Text),
    Column("joined", Double, nullable=False),
    UniqueConstraint("mail_key"),
    sqlite_autoincrement=True,
)
_PHONE = Index("one_phone", PEOPLE.c.key, unique=True)


COLUMNS = {
    "id": PEOPLE.c.account_id,
    "username": PEOPLE.c.name,
    "canonical_username": PEOPLE.c.username,
    "name": PEOPLE.c.full_name,
    "email": PEOPLE.c.mail,
    "canonical_email": PEOPLE.c.mail_key,
    "mobile": PEOPLE.c.phone,
    "canonical_mobile": PEOPLE.c.key,
    "email_verified": PEOPLE.c.mail_proven,
    "mobile_verified": PEOPLE.c.phone_proven,
    "owner_verified": PEOPLE.c.settled,
    "password_hash": PEOPLE.c.password,
    "is_active": PEOPLE.c.active,
    "is_staff": PEOPLE.c.staff,
    "is_superuser": PEOPLE.c.root,
    "image": PEOPLE.c.photo,
    "created_at": PEOPLE.c.joined,
}

ACCOUNTS = AccountsTable(COLUMNS)


def made_by(dialect: str) -> list[str]:
    """The statements that make the table where it is not there, for `sqlite` or `postgresql+psycopg`."""
    spoken = make_url(f"{dialect}://").get_dialect()()
    made = CreateTable(PEOPLE, if_not_exists=True), CreateIndex(_PHONE, if_not_exists=True)
    return [str(statement.compile(dialect=spoken)) for statement in made]
