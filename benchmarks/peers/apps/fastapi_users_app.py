"""fastapi-users as in its documentation: SQLAlchemy, a JWT strategy, uvicorn; the database is `DATABASE_URL`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, IntegerIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.password import PasswordHelper
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTable, SQLAlchemyUserDatabase
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SECRET = "a secret of the benchmark that protects nothing at all"
PASSES, KIB, LANES = (int(word) for word in os.environ["COST"].split(","))

engine = create_async_engine(os.environ["DATABASE_URL"])
new_session = async_sessionmaker(engine, expire_on_commit=False)
hashing = PasswordHelper(PasswordHash((Argon2Hasher(time_cost=PASSES, memory_cost=KIB, parallelism=LANES),)))


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTable[int], Base):
    id: Mapped[int] = mapped_column(primary_key=True)


class UserManager(IntegerIDMixin, BaseUserManager[User, int]):
    reset_password_token_secret = SECRET
    verification_token_secret = SECRET


async def get_manager():
    async with new_session() as session:
        yield UserManager(SQLAlchemyUserDatabase(session, User), hashing)


backend = AuthenticationBackend(
    name="jwt", transport=BearerTransport(tokenUrl="login"), get_strategy=lambda: JWTStrategy(SECRET, lifetime_seconds=3600)
)
users = FastAPIUsers[User, int](get_manager, [backend])
current = users.current_user(active=True)


class UserRead(schemas.BaseUser[int]):
    pass


class UserCreate(schemas.BaseUserCreate):
    pass


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield


app = FastAPI(lifespan=lifespan)
app.include_router(users.get_auth_router(backend))
app.include_router(users.get_register_router(UserRead, UserCreate))
app.include_router(users.get_users_router(UserRead, UserCreate), prefix="/users")


@app.get("/ready")
async def ready() -> dict[str, str]:
    return {"status": "ok"}
