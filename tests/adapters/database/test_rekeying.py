"""The region that mobiles were read with, and `rekey`, which reads them with another one."""

from contextlib import suppress
from dataclasses import replace

import pytest
from tests.support.databases import NOW, named, program, rows

from vestibule.adapters.database import CannotRekey, Rekeyed, SqlDatabase, migrate, rekey
from vestibule.adapters.identifiers import LibraryIdentifiers
from vestibule.domain.account import Account, Address, AddressKind, RecoveryAddress, Username
from vestibule.domain.errors import Unavailable


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """A database of its own: `rekey` refuses one to which a server is connected."""
    file = f"sqlite:///{request.getfixturevalue('tmp_path')}/vestibule.db"
    url = str(request.getfixturevalue("new_postgres")) if request.param == "postgres" else file
    migrate(url)
    return url


def read_in(region: str, text: str) -> Address | None:
    return LibraryIdentifiers(region or None).login(text).address


def with_mobile(name: str, text: str, region: str = "") -> Account:
    return replace(named(name), mobile=read_in(region, text))


def store(url: str, *accounts: Account, region: str = "") -> list[int]:
    with SqlDatabase(url, mobile_region=region) as database, database.begin() as tx:
        return [tx.accounts.add(account).id for account in accounts]


def run(url: str, region: str, *, dry_run: bool = False) -> Rekeyed:
    actor = "command line (ada)"
    return rekey(url, region, lambda text: read_in(region, text), NOW, lambda *_: None, actor=actor, dry_run=dry_run)


def keys(url: str) -> list[tuple[str | None, str | None]]:
    return rows(url, "SELECT mobile, canonical_mobile FROM accounts ORDER BY id")


def kept(url: str) -> list[tuple[str]]:
    return rows(url, "SELECT region FROM mobile_region")


def test_region_is_kept_with_the_first_mobile_and_refuses_another(url: str) -> None:
    store(url, named("ada"), region="")
    assert kept(url) == []
    store(url, with_mobile("grace", "9999999999", "IN"), region="IN")
    assert kept(url) == [("IN",)]
    with SqlDatabase(url, mobile_region="IN") as same, SqlDatabase(url) as host:
        same.check_mobile_region()
        host.check_mobile_region()
    with (
        SqlDatabase(url, mobile_region="") as other,
        pytest.raises(ValueError, match=r"read with IN, and the setting is no region.*vestibule accounts rekey --dry-run"),
    ):
        other.check_mobile_region()


def test_region_without_mobiles_is_replaced(url: str) -> None:
    [account_id] = store(url, with_mobile("ada", "9999999999"))
    with SqlDatabase(url, mobile_region="") as database, database.begin() as tx:
        account = tx.accounts.lock(account_id)
        assert account is not None
        tx.accounts.save(replace(account, mobile=None))
    with SqlDatabase(url, mobile_region="DE") as database:
        database.check_mobile_region()
    store(url, with_mobile("grace", "01701234567", "DE"), region="DE")
    assert kept(url) == [("DE",)]


def test_of_two_servers_with_different_regions_the_second_stores_no_mobile(url: str) -> None:
    with SqlDatabase(url, mobile_region="IN") as first, SqlDatabase(url, mobile_region="") as second:
        first.check_mobile_region()
        second.check_mobile_region()
        with first.begin() as tx:
            tx.accounts.add(with_mobile("ada", "9999999999", "IN"))
        with pytest.raises(Unavailable), second.begin() as tx:
            tx.accounts.add(with_mobile("grace", "9999999999"))
        with second.begin() as tx:
            edsger = tx.accounts.add(named("edsger"))
        with second.begin() as tx:
            tx.accounts.lock(edsger.id)
            with pytest.raises(Unavailable):
                tx.accounts.save(replace(edsger, mobile=read_in("", "9999999997")))
        with first.begin() as tx:
            tx.accounts.add(with_mobile("alan", "9999999998", "IN"))
    assert [mobile for mobile, _ in keys(url)] == ["9999999999", None, "9999999998"]


def test_mobile_that_was_rolled_back_keeps_no_region(url: str) -> None:
    with SqlDatabase(url, mobile_region="IN") as database:
        with suppress(LookupError), database.begin() as tx:
            tx.accounts.add(with_mobile("ada", "9999999999", "IN"))
            raise LookupError
        assert kept(url) == []
        with database.begin() as tx:
            tx.accounts.add(with_mobile("ada", "9999999999", "IN"))
    assert kept(url) == [("IN",)]


def test_rekey_reads_mobiles_as_written(url: str) -> None:
    store(url, with_mobile("ada", "9999999999"), with_mobile("grace", "+49 170 1234567"), named("edsger"))
    before = keys(url)
    report = Rekeyed("", "IN", 2, 1, ())
    assert run(url, "IN", dry_run=True) == report
    assert (keys(url), kept(url)) == (before, [("",)])
    assert run(url, "IN") == report
    assert keys(url) == [("9999999999", "+919999999999"), ("+49 170 1234567", "+491701234567"), (None, None)]
    assert kept(url) == [("IN",)]
    event = ("mobiles_rekeyed", "1 of 2 from no region to IN", "command line (ada)")
    assert rows(url, "SELECT type, detail, actor FROM audit_log") == [event]
    assert run(url, "IN").changed == 0
    with SqlDatabase(url, mobile_region="IN") as database:
        database.check_mobile_region()
        found = database.accounts.by_login(LibraryIdentifiers("IN").login("+91 99999 99999"))
        assert found is not None
        assert found.username.text == "ada"


def test_rekey_there_and_back_changes_no_account(url: str) -> None:
    store(url, with_mobile("ada", "9999999999"), with_mobile("grace", "0091 9999999998"))
    before = rows(url, "SELECT * FROM accounts ORDER BY id")
    run(url, "IN")
    run(url, "")
    assert rows(url, "SELECT * FROM accounts ORDER BY id") == before


def test_rekey_passes_a_key_from_one_account_to_another(url: str) -> None:
    [first, second] = (with_mobile(name, "9999999999") for name in ("ada", "grace"))
    taken = replace(first, mobile=Address(AddressKind.MOBILE, "9999999999", "+918888888888"))
    later = replace(second, mobile=Address(AddressKind.MOBILE, "8888888888", "8888888888"))
    store(url, later, taken)
    assert run(url, "IN").obstacles == ()
    assert keys(url) == [("8888888888", "+918888888888"), ("9999999999", "+919999999999")]


def test_rekey_covers_recovery_addresses(url: str) -> None:
    mobile, email = read_in("", "9999999999"), Address(AddressKind.EMAIL, "a@example.com", "a@example.com")
    assert mobile is not None
    recovery = RecoveryAddress(address=mobile, replaced_at=NOW, expires_at=None, other=email)
    other = RecoveryAddress(address=email, replaced_at=NOW, expires_at=None, other=mobile)
    account = replace(with_mobile("ada", "9999999998"), recovery_addresses=(recovery, other))
    store(url, account)
    assert run(url, "IN").changed == 1
    assert rows(url, "SELECT recovery_mobile, recovery_email FROM accounts") == [("+919999999999", "a@example.com")]
    with SqlDatabase(url) as database:
        after = database.accounts.get(1)
    assert after is not None
    [first, second] = after.recovery_addresses
    assert (first.address.canonical, first.other) == ("+919999999999", email)
    assert second.other is not None
    assert second.other.canonical == "+919999999999"


def test_every_obstacle_is_named_and_nothing_is_changed(url: str) -> None:
    recovery = RecoveryAddress(
        address=Address(AddressKind.MOBILE, "9999999997", "9999999997"), replaced_at=NOW, expires_at=None
    )
    over = replace(recovery, address=Address(AddressKind.MOBILE, "9999999995", "9999999995"), expires_at=NOW - 1)
    store(
        url,
        with_mobile("ada", "9999999999"),
        with_mobile("grace", "+91 99999 99999"),
        with_mobile("alan", "99999999999999"),
        replace(named("x"), username=Username("+919999999998", "+919999999998")),
        with_mobile("edsger", "9999999998"),
        with_mobile("barbara", "+91 9999999997"),
        replace(named("tony"), recovery_addresses=(recovery,)),
        with_mobile("john", "+91 9999999995"),
        replace(named("niklaus"), recovery_addresses=(over,)),
    )
    before = rows(url, "SELECT * FROM accounts ORDER BY id")
    for dry_run in (True, False):
        report = run(url, "IN", dry_run=dry_run)
        assert [(obstacle.canonical, obstacle.holders) for obstacle in report.obstacles] == [
            (None, ((3, "99999999999999"),)),
            ("+919999999997", ((6, "+91 9999999997"), (7, "9999999997"))),
            ("+919999999998", ((5, "9999999998"), (4, "+919999999998"))),
            ("+919999999999", ((1, "9999999999"), (2, "+91 99999 99999"))),
        ]
        assert rows(url, "SELECT * FROM accounts ORDER BY id") == before
        assert kept(url) == [("",)]
        assert rows(url, "SELECT * FROM audit_log") == []


def test_codes_and_proofs_of_mobiles_end_and_those_of_emails_stay(url: str) -> None:
    codes = ("mobile", "9999999999", "NULL"), ("email", "b@example.com", "'9999999999'"), ("email", "a@example.com", "NULL")
    for number, (kind, text, mobile) in enumerate(codes):
        row = f"'{kind}', '{text}', 'general', true, '{number}', '{text}', {mobile}, 'AB', false, 1.0, 2.0, 0, 0, NULL, NULL"
        rows(url, f"INSERT INTO challenges VALUES ({row})")  # noqa: S608
    for number, (kind, text) in enumerate((("mobile", "9999999999"), ("email", "a@example.com"))):
        rows(url, f"INSERT INTO proofs VALUES ('{number}', '{kind}', '{text}', '{text}', 1.0, NULL)")  # noqa: S608
    for number, (kind, text) in enumerate((("mobile", "9999999999"), ("mobile", "+4917012345"), ("email", "a@example.com"))):
        values = f"'{kind}', '{text}', '{text}', '{number}', '{number}', 1.0, 2.0, NULL"
        rows(url, f"INSERT INTO invitations VALUES ({values})")  # noqa: S608
    run(url, "IN")
    assert rows(url, "SELECT address FROM challenges") == [("a@example.com",)]
    assert rows(url, "SELECT address FROM proofs") == [("a@example.com",)]
    assert rows(url, "SELECT address FROM invitations ORDER BY id") == [("+4917012345",), ("a@example.com",)]


_KILLED = """
import os
from vestibule.adapters import database as module
from vestibule.adapters.database import rekeying
from vestibule.adapters.identifiers import LibraryIdentifiers
read = LibraryIdentifiers("IN").login
insert = rekeying.insert
def killed(table):  # the audit log is written last
    print("at the end", flush=True)
    os.kill(os.getpid(), 9)
rekeying.insert = killed
module.rekey(url, "IN", lambda text: read(text).address, 1.0, lambda *_: None, actor="ada", dry_run=False)
"""


def test_killed_rekey_changes_nothing(url: str) -> None:
    store(url, with_mobile("ada", "9999999999"), with_mobile("grace", "9999999998"))
    before = keys(url)
    with program(url, _KILLED) as process:
        output, _ = process.communicate()
    assert (output, process.returncode) == ("at the end\n", -9)
    assert (keys(url), kept(url)) == (before, [("",)])
    assert run(url, "IN").changed == 2


def test_rekey_of_several_batches(url: str) -> None:
    store(url, *(with_mobile(f"user{number}", str(9_000_000_000 + number)) for number in range(2001)))
    steps: list[tuple[str, int, int]] = []
    read = LibraryIdentifiers("IN").login
    report = rekey(
        url, "IN", lambda text: read(text).address, NOW, lambda *step: steps.append(step), actor="ada", dry_run=False
    )
    assert report.changed == 2001
    read_accounts = [("read", 0, 2001)] + [("read", done, 2001) for done in (1000, 2000, 2001)]
    assert steps == read_accounts + [(step, done, 2001) for step in ("freed", "written") for done in (1000, 2000, 2001)]
    assert keys(url)[2000] == ("9000002000", "+919000002000")


def test_rekey_refuses_while_a_server_is_connected(new_postgres: str) -> None:
    migrate(new_postgres)
    with SqlDatabase(new_postgres) as server:
        server.check()
        with pytest.raises(CannotRekey, match="stop all servers"):
            run(new_postgres, "IN")
        assert run(new_postgres, "IN", dry_run=True).changed == 0


def test_server_that_runs_on_stores_no_mobile_by_the_old_region(tmp_path: object) -> None:
    url = f"sqlite:///{tmp_path}/vestibule.db"
    migrate(url)
    with SqlDatabase(url, mobile_region="") as server:
        with server.begin() as tx:
            tx.accounts.add(with_mobile("ada", "9999999999"))
        assert run(url, "IN").changed == 1
        with pytest.raises(Unavailable), server.begin() as tx:
            tx.accounts.add(with_mobile("grace", "9999999999"))


@pytest.mark.parametrize("dry_run", [True, False])
def test_database_without_a_schema_is_reported_in_one_line(new_postgres: str, dry_run: bool) -> None:
    with pytest.raises(CannotRekey, match="no schema yet"):
        run(new_postgres, "IN", dry_run=dry_run)
