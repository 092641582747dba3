"""A profile table of the host application, in Vestibule's database: a foreign key to `accounts.id`, and a join.

python examples/profiles_table.py [DIRECTORY]
"""

import sys
import tempfile
from pathlib import Path

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Table, Text, create_engine, insert, select

from vestibule import Settings, build

METADATA = MetaData()
NUMBER = BigInteger().with_variant(Integer, "sqlite")

# Vestibule migrates its own table; these are the columns that the program reads.
ACCOUNTS = Table("accounts", METADATA, Column("id", NUMBER, primary_key=True), Column("username", Text))
PROFILES = Table(
    "profiles",
    METADATA,
    Column("account_id", NUMBER, ForeignKey(ACCOUNTS.c.id), primary_key=True),
    Column("birthday", Text),
    Column("motto", Text, nullable=False),
)


def main(directory: Path) -> None:
    url = f"sqlite:///{directory / 'shop.db'}"
    secret = "the engine weaves algebra"
    engine = create_engine(url)
    with build(Settings(data_dir=directory, database_url=url), run_workers=False) as vestibule:
        PROFILES.create(engine, checkfirst=True)  # the program's own migrations do this, after Vestibule's
        ada = vestibule.register(username="ada", name="Ada Lovelace", email="ada@example.com", password=secret)
        with engine.begin() as connection:
            connection.execute(insert(PROFILES), {"account_id": ada.id, "birthday": "1815-12-10", "motto": "Think twice."})
        identity = vestibule.authenticate(vestibule.log_in(username="ada", password=secret).access_token)
        profile = select(ACCOUNTS.c.username, PROFILES.c.birthday, PROFILES.c.motto).join(PROFILES)
        with engine.connect() as connection:
            for username, birthday, motto in connection.execute(profile.where(ACCOUNTS.c.id == identity.account.id)):
                print(f"{username}, born {birthday}: {motto}")
    engine.dispose()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
