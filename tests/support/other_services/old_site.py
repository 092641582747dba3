"""The server of the Django project with drf-user, in a process of its own."""

import os
from collections.abc import Sequence
from typing import Any

from tests.support.other_services.environments import HERE, python_of
from tests.support.server_process import ServerProcess


class OldSite(ServerProcess):
    """The site over its database, a URL; its API for accounts is below `/api/user/`."""

    START_SECONDS = 30

    def __init__(self, database: str) -> None:
        super().__init__()
        self._database = database

    def command(self) -> Sequence[object]:
        return [python_of("drf-user"), HERE / "http_site.py", self.port]

    def options(self) -> dict[str, Any]:
        return {"env": {**os.environ, "DATABASE": self._database.removeprefix("sqlite:///")}}
