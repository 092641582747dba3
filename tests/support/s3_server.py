"""A real S3 over HTTP: moto's server in a process of its own."""

import json
import os
import re
import sys
from collections.abc import Sequence
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest
from tests.support.server_process import ServerProcess

REGION = "eu-central-1"
ANY_CREDENTIALS = ("anybody", "s3cret")
_IAM = "AWS4-HMAC-SHA256 Credential=root/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=none"


class S3Server(ServerProcess):
    """An S3 server that keeps all objects in memory. Every caller may do everything until `enforce_policies`."""

    def __init__(self) -> None:
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[object]:
        return [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", self.port]

    def make(self, bucket: str) -> None:
        assert self._call("PUT", f"/{bucket}")[0] == 200

    def names(self, bucket: str) -> list[str]:
        """Returns the keys of all objects in the bucket."""
        return re.findall("<Key>(.*?)</Key>", self._call("GET", f"/{bucket}?list-type=2")[1])

    def user(self, policy: object) -> tuple[str, str]:
        """Creates a user; returns its key and secret. After `enforce_policies` it has only the permissions of the policy."""
        self._iam("CreateUser")
        self._iam("PutUserPolicy", PolicyName="images", PolicyDocument=json.dumps(policy))
        answer = self._iam("CreateAccessKey")
        (key,), (secret,) = (re.findall(f"<{name}>(.*?)<", answer) for name in ("AccessKeyId", "SecretAccessKey"))
        return key, secret

    def enforce_policies(self) -> None:
        """Checks each later call against the policy of its user."""
        assert self._call("POST", "/moto-api/reset-auth", "0")[0] == 200

    def environment(self, credentials: tuple[str, str] = ANY_CREDENTIALS) -> dict[str, str]:
        """Returns the variables that configure an S3 client for this server."""
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


def set_environment(environment: dict[str, str], patch: pytest.MonkeyPatch) -> None:
    """Replaces all `AWS_` variables of this process."""
    for variable in os.environ:
        if variable.startswith("AWS_"):
            patch.delenv(variable)
    for variable, value in environment.items():
        patch.setenv(variable, value)
