"""A real S3 over HTTP (moto's server), in a process of its own that can be killed, stopped and started again."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from http.client import HTTPConnection
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import pytest
from tests.support.server import free_port

REGION = "eu-central-1"
ANYBODY = ("anybody", "s3cret")
_IAM = "AWS4-HMAC-SHA256 Credential=root/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=none"


class S3Server(AbstractContextManager["S3Server"]):
    """On a free port, with all in memory; killed when the block is left. Whoever asks may do all, until a `lock`."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    def start(self) -> None:
        command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + 20
        while not self._listens():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("moto's server does not start")
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def hang(self) -> None:
        """Connections are taken, and nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def make(self, bucket: str) -> None:
        assert self._call("PUT", f"/{bucket}")[0] == 200

    def names(self, bucket: str) -> list[str]:
        """Of all that is in the bucket."""
        return re.findall("<Key>(.*?)</Key>", self._call("GET", f"/{bucket}?list-type=2")[1])

    def user(self, policy: object) -> tuple[str, str]:
        """Key and secret of a new user who may do what the policy says, and nothing else after a `lock`."""
        self._iam("CreateUser")
        self._iam("PutUserPolicy", PolicyName="images", PolicyDocument=json.dumps(policy))
        answer = self._iam("CreateAccessKey")
        (key,), (secret,) = (re.findall(f"<{name}>(.*?)<", answer) for name in ("AccessKeyId", "SecretAccessKey"))
        return key, secret

    def lock(self) -> None:
        """From now on every call is held against the policies."""
        assert self._call("POST", "/moto-api/reset-auth", "0")[0] == 200

    def environment(self, credentials: tuple[str, str] = ANYBODY) -> dict[str, str]:
        """The variables by which programs find it."""
        key, secret = credentials
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "NO_PROXY": "127.0.0.1",
        }

    def _iam(self, action: str, **fields: str) -> str:
        form = urlencode({"Action": action, "UserName": "vestibule", "Version": "2010-05-08", **fields})
        headers = {"Authorization": _IAM, "Content-Type": "application/x-www-form-urlencoded"}
        status, answer = self._call("POST", "/", form, headers)
        assert status == 200, answer
        return answer

    def _call(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def become(environment: dict[str, str], patch: pytest.MonkeyPatch) -> None:
    """This process is as if it had been started with these variables and no others of S3."""
    for variable in os.environ:
        if variable.startswith("AWS_"):
            patch.delenv(variable)
    for variable, value in environment.items():
        patch.setenv(variable, value)
