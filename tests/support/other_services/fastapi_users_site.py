"""A database of fastapi-users, as the package makes it; prints the password of each user by email.

It runs in an environment of its own: `python fastapi_users_site.py uuid|integer`, with DATABASE as for SQLAlchemy.
"""

import asyncio
import json
import os
import sys
from typing import Any

from fastapi_users import BaseUserManager, IntegerIDMixin, UUIDIDMixin, schemas
from fastapi_users.password import PasswordHelper
from fastapi_users_db_sqlalchemy import (
    SQLAlchemyBaseOAuthAccountTable,
    SQLAlchemyBaseUserTable,
    SQLAlchemyBaseUserTableUUID,
    SQLAlchemyUserDatabase,
)
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher
from sqlalchemy import ForeignKey
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


if sys.argv[1] == "uuid":

    class User(SQLAlchemyBaseUserTableUUID, Base):
        pass
else:

    class User(SQLAlchemyBaseUserTable[int], Base):
        id: Mapped[int] = mapped_column(primary_key=True)


class OAuthAccount(SQLAlchemyBaseOAuthAccountTable[int], Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[Any] = mapped_column(ForeignKey("user.id", ondelete="cascade"), nullable=False)


class Manager(UUIDIDMixin if sys.argv[1] == "uuid" else IntegerIDMixin, BaseUserManager):
    pass


CHEAP = Argon2Hasher(time_cost=2, memory_cost=4096, parallelism=1)
HASHERS = {"argon2": PasswordHash((CHEAP,)), "bcrypt": PasswordHash((BcryptHasher(rounds=5),))}


async def fill():
    engine = create_async_engine(os.environ["DATABASE"])
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    passwords = {}
    async with async_sessionmaker(engine, expire_on_commit=False)() as session:
        for number, (name, hasher) in enumerate(HASHERS.items()):
            users = Manager(SQLAlchemyUserDatabase(session, User), PasswordHelper(hasher))
            email, password = f"by.{name}@example.com", f"Right password of {name}"
            user = await users.create(
                schemas.BaseUserCreate(email=email, password=password, is_verified=number == 0, is_superuser=number == 1)
            )
            passwords[email] = password
        session.add(
            OAuthAccount(user_id=user.id, oauth_name="a service", access_token="a token", account_id="7", account_email=email)
        )
        await session.commit()
    await engine.dispose()
    return passwords


print(json.dumps(asyncio.run(fill())))
