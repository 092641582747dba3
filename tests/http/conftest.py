"""The app in front of everything in memory, or of what an operator gets, asked over HTTP."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from vestibule.entrypoints.http import create_app
from vestibule.entrypoints.settings import Settings
from vestibule.entrypoints.vestibule import Vestibule

from tests.world import PASSWORD, World

ADA = {
    "username": "ada",
    "name": "Ada Lovelace",
    "email": "ada@mail.example.com",
    "mobile": "9999999999",
    "password": PASSWORD,
}


def vestibule_of(world: World, settings: Settings) -> Vestibule:
    return Vestibule(
        settings=settings,
        register=world.register,
        check_unique=world.check_unique,
        log_in=world.log_in,
        authenticate=world.authenticate,
        refresh=world.refresh,
        change_account=world.change_account,
        request_code=world.request_code,
        verify_code=world.verify_code,
        log_in_by_code=world.log_in_by_code,
        request_registration_code=world.request_registration_code,
        register_or_log_in=world.register_or_log_in,
        reset_password=world.reset_password,
        upload_image=world.upload_image,
        read_image=world.read_image,
        deliver_messages=world.deliver_messages,
        throttle=world.throttle,
        clock=world.clock,
        jwks=world.tokens.jwks,  # type: ignore[arg-type]
        check=world.database.check,
    )
