"""A FastAPI service that imports the use cases, awaited, and mounts the HTTP door under /accounts beside its own routes.

uvicorn examples.fastapi_imports:app
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Request

from vestibule.application import Caller, Identity, InvalidToken, NotAuthenticated, Refusal
from vestibule.entrypoints import AsyncVestibule, Settings, build
from vestibule.entrypoints.http import Mounted


def vestibule_of(request: Request) -> AsyncVestibule:
    vestibule: AsyncVestibule = request.app.state.vestibule
    return vestibule


Vestibule = Annotated[AsyncVestibule, Depends(vestibule_of)]


async def identity_of(vestibule: Vestibule, authorization: Annotated[str, Header()] = "") -> Identity:
    try:
        return await vestibule.authenticate(authorization.removeprefix("Bearer "))
    except (NotAuthenticated, InvalidToken) as refusal:
        raise HTTPException(401, refusal.detail, {"WWW-Authenticate": "Bearer"}) from None


async def greet(identity: Annotated[Identity, Depends(identity_of)]) -> str:
    return f"Good day, {identity.account.name}."


async def log_in(request: Request, vestibule: Vestibule, name: str, password: str) -> str:
    """The limits per address hold here as well, for it is said who asks."""
    caller = Caller(request.client.host if request.client else None, request.headers.get("user-agent"))
    try:
        return (await vestibule.log_in(username=name, password=password, caller=caller)).token
    except Refusal as refusal:
        raise HTTPException(403, refusal.detail) from None


def make_app(directory: Path) -> FastAPI:
    accounts = Mounted(build(Settings(data_dir=directory, api_prefix="/accounts")))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with accounts as app.state.vestibule:
            yield

    app = FastAPI(lifespan=lifespan)
    app.add_api_route("/greeting", greet)
    app.add_api_route("/log-in", log_in, methods=["POST"])
    app.mount("/accounts", accounts)
    return app


app = make_app(Path(os.environ.get("DATA_DIR", "data")))
