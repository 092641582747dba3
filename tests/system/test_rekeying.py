"""Another `VESTIBULE_DEFAULT_REGION`, and `vestibule accounts rekey`, as an operator uses it."""

import json
from pathlib import Path

from tests.support.command_line import vestibule
from tests.support.http_client import Client, registration
from tests.support.server import Server


def register(client: Client, name: str, mobile: str) -> int:
    return client.call("POST", "/register/", registration(name) | {"mobile": mobile}).status


def test_region_is_changed_by_rekeying(tmp_path: Path) -> None:
    data = tmp_path / "data"
    old, new = {"VESTIBULE_DATA_DIR": str(data)}, {"VESTIBULE_DATA_DIR": str(data), "VESTIBULE_DEFAULT_REGION": "IN"}
    with Server(data) as server, Client(server.port) as client:
        assert register(client, "ada", "9999999999") == 201
        assert register(client, "grace", "+91 99999 99999") == 201
        assert client.log_in("9999999999").status == 200
        assert server.stop() == 0

    refused = vestibule("serve", **new)
    assert refused.returncode == 2
    [line] = refused.stderr.splitlines()
    assert line.startswith("vestibule: VESTIBULE_DEFAULT_REGION: ")
    assert "`vestibule accounts rekey --dry-run`" in line

    for arguments in (("--dry-run",), ()):
        collided = vestibule("accounts", "rekey", *arguments, **new)
        assert (collided.returncode, collided.stderr) == (1, "")
        assert collided.stdout.splitlines() == [
            "account 1 (9999999999) and account 2 (+91 99999 99999): each would be +919999999999",
            "Nothing was changed: mend these 1 first, with the old region (from no region to IN).",
        ]
    as_json = json.loads(vestibule("accounts", "rekey", "--dry-run", "--json", **new).stdout)
    assert as_json == {
        "from": "",
        "to": "IN",
        "accounts": 2,
        "changed": 1,
        "done": False,
        "collisions": [
            {
                "mobile": "+919999999999",
                "accounts": [{"id": 1, "written": "9999999999"}, {"id": 2, "written": "+91 99999 99999"}],
            }
        ],
    }

    assert vestibule("accounts", "release", "+91 99999 99999", **old).returncode == 0
    dry = vestibule("accounts", "rekey", "--dry-run", **new)
    assert (dry.returncode, dry.stdout) == (0, "Would re-key 1 of 1 accounts with a mobile, from no region to IN.\n")
    done = vestibule("accounts", "rekey", **new)
    assert done.returncode == 0
    assert done.stdout == "Re-keyed 1 of 1 accounts with a mobile, from no region to IN. Start the servers with this region.\n"

    with Server(data, default_region="IN") as server, Client(server.port) as client:
        for spelling in ("9999999999", "+91 99999 99999", "099999-99999"):
            assert client.log_in(spelling).status == 200
        again = client.call("POST", "/register/", registration("edsger") | {"mobile": "+919999999999"})
        assert again.status == 400
        assert "mobile" in again.content.decode()
        assert server.stop() == 0
    assert vestibule("purge", **old).returncode == 2


def test_region_may_change_while_no_account_has_a_mobile(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server, Client(server.port) as client:
        assert client.register("ada").status == 201
        assert server.stop() == 0
    with Server(tmp_path / "data", default_region="IN") as server, Client(server.port) as client:
        assert register(client, "grace", "9999999999") == 201
        assert client.log_in("+919999999999").status == 200


def test_rekey_without_a_database_makes_none(tmp_path: Path) -> None:
    result = vestibule("accounts", "rekey", VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert result.returncode == 2
    assert "there is no database" in result.stderr
    assert list(tmp_path.iterdir()) == []
