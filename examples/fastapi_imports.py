"""A FastAPI service that awaits the use cases, and mounts the HTTP API under /accounts next to its own routes.

uvicorn examples.fastapi_imports:app
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Request

import vestibule
from vestibule.entrypoints.http import Mounted


def accounts_of(request: Request) -> vestibule.AsyncVestibule:
    accounts: vestibule.AsyncVestibule = request.app.state.accounts
    return accounts


Accounts = Annotated[vestibule.AsyncVestibule, Depends(accounts_of)]


async def identity_of(accounts: Accounts, authorization: Annotated[str, Header()] = "") -> vestibule.Identity:
    try:
        return await accounts.authenticate(authorization.removeprefix("Bearer "))
    except (vestibule.NotAuthenticated, vestibule.InvalidToken) as refusal:
        raise HTTPException(401, refusal.detail, {"WWW-Authenticate": "Bearer"}) from None


async def greet(identity: Annotated[vestibule.Identity, Depends(identity_of)]) -> str:
    return f"Good day, {identity.account.name}."


async def log_in(request: Request, accounts: Accounts, name: str, password: str) -> str:
    """With a `caller` the limits per address apply here as well."""
    caller = vestibule.Caller(request.client.host if request.client else None, request.headers.get("user-agent"))
    try:
        return (await accounts.log_in(username=name, password=password, caller=caller)).access_token
    except vestibule.Refusal as refusal:
        raise HTTPException(403, refusal.detail) from None


def make_app(directory: Path) -> FastAPI:
    mounted = Mounted(vestibule.build(vestibule.Settings(data_dir=directory, api_prefix="/accounts")))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with mounted as app.state.accounts:
            yield

    app = FastAPI(lifespan=lifespan)
    app.add_api_route("/greeting", greet)
    app.add_api_route("/log-in", log_in, methods=["POST"])
    app.mount("/accounts", mounted)
    return app


app = make_app(Path(os.environ.get("DATA_DIR", "data")))
