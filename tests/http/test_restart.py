"""Data survives a restart of the app with default adapters: SQLite, Argon2, keys and images in a directory."""

import io
from pathlib import Path

from litestar.testing import TestClient
from PIL import Image
from tests.http.conftest import ADA

from vestibule.entrypoints.container import build
from vestibule.entrypoints.http import create_app
from vestibule.entrypoints.settings import Settings


def test_data_survives_a_restart(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(file, "PNG")
    with build(settings, run_workers=False) as vestibule, TestClient(create_app(vestibule)) as client:
        assert client.post("/register/", json=ADA).status_code == 201
        login = client.post("/login/", json={"username": ADA["mobile"], "password": ADA["password"]})
        assert login.status_code == 200
        headers = {"Authorization": f"Bearer {login.json()['token']}"}
        upload = client.post("/upload-image/", headers=headers, files={"profile_image": ("me.png", file.getvalue())})
        assert upload.status_code == 201
        before = client.get("/account/", headers=headers).json()
    with build(settings, run_workers=False) as vestibule, TestClient(create_app(vestibule)) as client:
        assert client.get("/account/", headers=headers).json() == before
        assert client.get(before["profile_image"].removeprefix(settings.url)).status_code == 200
        assert client.post("/refresh-token/", json={"refresh": login.json()["refresh_token"]}).status_code == 200
        assert client.post("/isunique/", json={"prop": "email", "value": ADA["email"].upper()}).json() == {"unique": False}
        assert client.get("/readyz").json() == {"status": "ok"}
