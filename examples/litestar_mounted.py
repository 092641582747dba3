"""A Litestar service with Vestibule mounted under /accounts. Its own handlers get the use cases as a dependency.

litestar --app examples.litestar_mounted:app run
"""

import os
from pathlib import Path

from litestar import Litestar, get
from litestar.di import NamedDependency
from litestar.exceptions import NotAuthorizedException
from litestar.params import FromHeader, SkipValidation

import vestibule
from vestibule.entrypoints.http import VestibulePlugin

Accounts = NamedDependency[SkipValidation[vestibule.AsyncVestibule]]


@get("/greeting")
async def greet(accounts: Accounts, authorization: FromHeader[str | None] = None) -> str:
    try:
        identity = await accounts.authenticate((authorization or "").removeprefix("Bearer "))
    except (vestibule.NotAuthenticated, vestibule.InvalidToken) as refusal:
        raise NotAuthorizedException(refusal.detail) from None
    return f"Good day, {identity.account.name}."


def make_app(directory: Path) -> Litestar:
    accounts = vestibule.build(vestibule.Settings(data_dir=directory, api_prefix="/accounts"))
    return Litestar([greet], plugins=[VestibulePlugin(accounts, dependency="accounts")])


app = make_app(Path(os.environ.get("DATA_DIR", "data")))
