"""The day of an operator by import, on an embedded database."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from vestibule import Settings, build
from vestibule.application import Caller, InvalidCredentials, NoSuchAccount, Operator, RateLimited
from vestibule.testing.clock import ManualClock

PASSWORD = "the engine weaves algebra"
OPERATOR = Operator(name="desk (grace)")
HOME = Caller("192.0.2.1")


def test_day_of_an_operator_by_import(tmp_path: Path) -> None:
    clock = ManualClock()
    with build(Settings(data_dir=tmp_path / "data"), run_workers=False, clock=clock) as accounts:
        accounts.register(username="countess", name="Ada Lovelace", email="ada@example.com", password=PASSWORD)
        (ada,) = accounts.find_accounts(operator=OPERATOR, query="lovel").accounts
        for _ in range(5):
            with pytest.raises(InvalidCredentials):
                accounts.log_in(username="countess", password="wrong", caller=HOME)
        with pytest.raises(RateLimited):
            accounts.log_in(username="countess", password=PASSWORD, caller=HOME)
        (limit,) = accounts.read_account(operator=OPERATOR, account_id=ada.id).limits
        assert limit.policy == "failed-logins"
        assert accounts.unlock_account(operator=OPERATOR, account_id=ada.id) == 1
        accounts.log_in(username="countess", password=PASSWORD, caller=HOME)

        accounts.edit_account(operator=OPERATOR, account_id=ada.id, email="thief@example.net")
        back = accounts.edit_account(operator=OPERATOR, account_id=ada.id, email="ada@example.com", vouches=True)
        assert (back.email_verified, back.recovery_addresses) == (True, ())

        week = clock() + 7 * 86_400
        accounts.suspend_account(operator=OPERATOR, account_id=ada.id, reason="spam", until=week)
        with pytest.raises(InvalidCredentials):
            accounts.log_in(username="countess", password=PASSWORD, caller=HOME)
        clock.advance(7 * 86_400)
        accounts.log_in(username="countess", password=PASSWORD, caller=HOME)

        export = b"".join(accounts.export_any_account(operator=OPERATOR, account_id=ada.id))
        with zipfile.ZipFile(io.BytesIO(export)) as archive:
            assert json.loads(archive.read("account.json"))["username"] == "countess"
        accounts.remove_account(operator=OPERATOR, account_id=ada.id, reason="asked")
        with pytest.raises(NoSuchAccount):
            accounts.identify_account(operator=OPERATOR, identifier="countess")
        newest, *_ = accounts.find_events(operator=OPERATOR).events
        assert (newest[1].type, newest[1].actor, newest[1].reason) == ("account_deleted", OPERATOR.name, "asked")
