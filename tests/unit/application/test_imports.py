"""`ImportAccounts`: accounts of another system that move in."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from tests.support.imports import ListSource, row, run_import
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, BusyDatabase, World, outcome

from vestibule.application import (
    PROGRAM,
    Account,
    EventType,
    ImportCode,
    ImportOutcome,
    InvalidInput,
    NotPermitted,
    Operator,
    RowReport,
)
from vestibule.application.import_batch import StoredRows
from vestibule.application.import_records import LAST_ID
from vestibule.application.imports import BATCH
from vestibule.application.ports import ImportRecord, UnreadableRecord
from vestibule.domain.errors import Conflict

MD5 = "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99"


@pytest.fixture
def world() -> World:
    return World()


def stored(world: World, report: RowReport) -> Account:
    assert report.account_id is not None, report
    account = world.database.accounts.get(report.account_id)
    assert account is not None
    return account


def import_one(world: World, record: ImportRecord, **options: Any) -> tuple[Account, list[tuple[ImportCode, str]]]:
    """Imports one record and returns its account and the remarks."""
    [report] = run_import(world, record, **options)
    assert report.outcome is ImportOutcome.IMPORTED, report.reason
    return stored(world, report), remarks(report)


def remarks(report: RowReport) -> list[tuple[ImportCode, str]]:
    return [(remark.code, remark.text) for remark in report.remarks if remark.is_change]


def outcomes(reports: list[RowReport]) -> list[str]:
    return [report.outcome.value for report in reports]


def hashed(world: World, password: str = PASSWORD) -> str:
    return world.hasher.hash(password)


# --- accounts as they are ---------------------------------------------------------------------------------------------


def test_account_is_stored_as_it_is_in_the_source(world: World) -> None:
    record = ImportRecord(
        key="17",
        place="row 17",
        id=4711,
        username="Ada",
        name="Ada Lovelace",
        email="Ada@Example.org",
        mobile="+49 171 1234567",
        email_verified=True,
        is_staff=True,
        roles=("editor", "shop:admin"),
        password_hash=hashed(world),
        created_at=1_000_000.5,
    )
    account, said = import_one(world, record)
    assert said == []
    assert (account.id, account.username.text, account.name) == (4711, "Ada", "Ada Lovelace")
    assert account.email is not None
    assert account.mobile is not None
    assert (account.email.text, account.mobile.text) == ("Ada@Example.org", "+49 171 1234567")
    assert (account.email_verified, account.mobile_verified, account.ever_verified) == (True, False, True)
    assert (account.is_active, account.is_staff, account.is_superuser) == (True, True, False)
    assert (account.roles, account.created_at) == (("editor", "shop:admin"), 1_000_000.5)
    for name in ("ada", "ADA@example.org", "+491711234567"):
        assert world.can_log_in(name)


def test_import_sends_no_message_and_records_one_event_for_each_account(world: World) -> None:
    admin = Operator(name="command line (ada)")
    run_import(world, row(1, email="a@mail.example.com", email_verified=True), row(2), operator=admin, reason="the move")
    assert world.messages == ()
    events = world.events()
    assert [event.type for event in events] == [EventType.IMPORTED] * 2
    assert {(event.actor, event.reason) for event in events} == {("command line (ada)", "the move")}
    assert [event.detail for event in events] == ["test:users no_password"] * 2


def test_closed_registration_does_not_refuse_an_import() -> None:
    world = World(registration="closed")
    assert outcomes(run_import(world, row(1))) == ["imported"]


def test_inactive_account_stays_inactive(world: World) -> None:
    account, _ = import_one(world, row(1, password_hash=hashed(world), is_active=False))
    assert not account.is_active
    assert not world.can_log_in("user1")


def test_more_rows_than_a_batch_are_imported_in_their_order(world: World) -> None:
    reports = run_import(world, *map(row, range(1, BATCH + 3)))
    assert [report.place for report in reports] == [f"row {number}" for number in range(1, BATCH + 3)]
    assert set(outcomes(reports)) == {"imported"}
    assert world.database.accounts.count() == BATCH + 2


def test_staff_may_not_import(world: World) -> None:
    world.create_account("bob")
    world.set_roles(operator=PROGRAM, account_id=1, is_staff=True)
    operator = Operator(identity=world.log_in_as("bob"))
    with pytest.raises(NotPermitted):
        world.import_accounts(operator=operator, source=ListSource())
    with pytest.raises(NotPermitted):
        world.import_images(operator=operator, source=ListSource())


def test_invalid_reason_is_refused_before_a_row_is_read(world: World) -> None:
    with pytest.raises(InvalidInput):
        world.import_accounts(operator=PROGRAM, source=ListSource(), reason="\x00")


# --- ids --------------------------------------------------------------------------------------------------------------


def test_new_account_gets_an_id_above_the_imported_ones(world: World) -> None:
    run_import(world, row(1, id=4711))
    assert world.create_account().id > 4711


def test_row_whose_id_is_another_accounts_is_refused_by_name(world: World) -> None:
    own = world.create_account()
    reports = run_import(world, row(1, id=own.id), row(2, id=50), row(3, id=50))
    assert outcomes(reports) == ["refused", "imported", "refused"]
    assert reports[0].reason == f"The id {own.id} is another account's here; --new-ids gives new ones."
    assert reports[2].reason.startswith("The id 50 is another account's")


def test_new_ids_are_given_on_request(world: World) -> None:
    own = world.create_account()
    reports = run_import(world, row(1, id=own.id), row(2, id=-1), new_ids=True)
    assert [report.account_id for report in reports] == [own.id + 1, own.id + 2]


def test_id_of_an_account_that_was_deleted_here_is_refused(world: World) -> None:
    own = world.create_account()
    world.remove_account(operator=PROGRAM, account_id=own.id)
    [report] = run_import(world, row(1, id=own.id))
    assert report.reason == f"The id {own.id} was an account's that was deleted here; --new-ids gives new ones."


@pytest.mark.parametrize("number", [0, -5, LAST_ID + 1])
def test_id_that_no_account_can_have_is_refused(world: World, number: int) -> None:
    [report] = run_import(world, row(1, id=number))
    assert report.reason.startswith(f"The id {number} is not from 1 to")


# --- usernames --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "twin"), [("Bob", "bOB"), ("jos\u00e9", "jose\u0301"), ("admin", "Admin"), ("a b", "A B")])
def test_twin_of_a_username_is_imported_under_another_one_and_told(world: World, first: str, twin: str) -> None:
    reports = run_import(world, row(1, first), row(2, twin))
    assert [report.username for report in reports] == [first, f"{twin}-2"]
    assert remarks(reports[0]) == []
    expected = f"username {twin!r}: row 1 has it, so it is {twin + '-2'!r} here"
    assert remarks(reports[1]) == [(ImportCode.USERNAME_CHANGED, expected)]


def test_twin_of_an_account_that_was_here_or_in_an_earlier_batch_is_renamed(world: World) -> None:
    own = world.create_account("bob")
    rows = [row(number) for number in range(1, BATCH + 1)]
    reports = run_import(world, *rows, row(BATCH + 1, "Bob"), row(BATCH + 2, "USER1"))
    assert [report.username for report in reports[-2:]] == ["Bob-2", "USER1-2"]
    assert remarks(reports[-2]) == [
        (ImportCode.USERNAME_CHANGED, f"username 'Bob': account {own.id} has it, so it is 'Bob-2' here")
    ]
    assert f"account {reports[0].account_id} has it" in remarks(reports[-1])[0][1]


def test_hundredth_twin_gets_its_key_and_a_row_without_a_variant_is_refused(world: World) -> None:
    taken = [row(1, "bob"), *(row(number, f"bob-{number}") for number in range(2, 100))]
    last = replace(row(100, "bob"), key="17a")
    reports = run_import(world, *taken, last)
    assert reports[-1].username == "bob-17a"
    [report] = run_import(world, replace(last, key="17A"))
    assert report.reason == "The username 'bob' is taken, and so are its variants."


def test_long_keys_and_usernames_make_variants_that_fit(world: World) -> None:
    name = "x" * 300
    reports = run_import(world, row(1, name), row(2, name), replace(row(3, name), key="k" * 190))
    lengths = [len(report.username or "") for report in reports]
    assert max(lengths) <= 254
    assert outcomes(reports) == ["imported"] * 3
    assert remarks(reports[0])[0][1] == f"username {'x' * 100 + '…'!r}: stored as {'x' * 100 + '…'!r}"


def test_username_like_the_address_of_another_account_is_changed(world: World) -> None:
    world.create_account("bob", email="bob@mail.example.com", mobile="+49 171 1234567")
    reports = run_import(
        world, row(1, "BOB@mail.example.com"), row(2, "+491711234567"), row(3, "ann", email="cy@mail.example.com")
    )
    assert [report.username for report in reports] == ["BOB@mail.example.com-2", "+491711234567-2", "ann"]
    [report] = run_import(world, row(4, "cy@MAIL.example.com"))
    assert report.username == "cy@MAIL.example.com-2"


def test_username_may_be_the_accounts_own_address(world: World) -> None:
    secret = hashed(world)
    rows = [
        row(1, "ann@mail.example.com", email="Ann@mail.example.com", password_hash=secret),
        row(2, "+49 171 1234567", mobile="+49 171 1234567", password_hash=secret),
    ]
    assert [remarks(report) for report in run_import(world, *rows)] == [[], []]
    assert world.can_log_in("ANN@mail.example.com")
    assert world.can_log_in("+491711234567")


def test_username_that_breaks_the_rules_is_taken_as_written(world: World) -> None:
    for name in ("admin", "12345", "two words", "user@nowhere", "🦊", "+91 93000 00006"):
        account, said = import_one(world, replace(row(1, name, password_hash=hashed(world)), key=name))
        assert (account.username.text, said) == (name, [])
        assert world.can_log_in(name)


def test_username_that_cannot_be_stored_is_cleaned_and_told(world: World) -> None:
    account, said = import_one(world, row(1, "a\x00b\u202ec"))
    assert account.username.text == "a b c"
    assert said[0][0] is ImportCode.USERNAME_CHANGED


def test_missing_username_is_made_of_the_email_or_the_mobile(world: World) -> None:
    rows = [
        row(1, " ", email="Ann.Lee@mail.example.com"),
        row(2, "", email="info@mail.example.com"),
        replace(row(3, "", mobile="+49 171 1234567"), username=None),
        row(4, "\u200b", email="ann.lee@other.example.com"),
    ]
    reports = run_import(world, *rows)
    assert [report.username for report in reports] == ["ann.lee", "info.at.mail.example.com", "+49 171 1234567", "ann.lee-2"]


def test_row_without_any_name_is_refused(world: World) -> None:
    [report] = run_import(world, row(1, "", email="rubbish"))
    assert report.outcome is ImportOutcome.REFUSED
    assert report.reason == "It has no username, and no readable email or mobile, so its owner could not log in."


# --- addresses --------------------------------------------------------------------------------------------------------


def test_unreadable_addresses_are_left_out_and_told(world: World) -> None:
    account, said = import_one(world, row(1, email="not an email", mobile="not a number", email_verified=True))
    assert (account.email, account.mobile, account.email_verified, account.ever_verified) == (None, None, False, False)
    assert [code for code, _ in said] == [ImportCode.EMAIL_UNREADABLE, ImportCode.MOBILE_UNREADABLE]
    assert said[0][1].startswith("email 'not an email': left out. This is not a valid email address")
    assert said[1][1].startswith("mobile 'not a number': left out. A mobile number must have")


def test_empty_addresses_are_none(world: World) -> None:
    account, said = import_one(world, row(1, email="", mobile=" \u200b"))
    assert (account.email, account.mobile, said) == (None, None, [])


def test_mobile_of_a_country_that_gets_no_sms_is_kept() -> None:
    world = World(mobile_regions=("DE",))
    account, said = import_one(world, row(1, mobile="+91 93000 00006"))
    assert account.mobile is not None
    assert said == []


def test_of_unverified_twins_the_first_keeps_the_address(world: World) -> None:
    own = world.create_account("bob", email="bob@mail.example.com")
    reports = run_import(
        world,
        row(1, email="Ann@mail.example.com", mobile="+49 171 1234567"),
        row(2, email="ann@MAIL.example.com", mobile="+491711234567"),
        row(3, email="BOB@mail.example.com"),
    )
    first, second, third = (stored(world, report) for report in reports)
    assert (first.email is not None, second.addresses, third.email) == (True, (), None)
    assert remarks(reports[1]) == [
        (ImportCode.EMAIL_TAKEN, "email 'ann@MAIL.example.com': left out, because row 1 has it"),
        (ImportCode.MOBILE_TAKEN, "mobile '+491711234567': left out, because row 1 has it"),
    ]
    assert remarks(reports[2]) == [
        (ImportCode.EMAIL_TAKEN, f"email 'BOB@mail.example.com': left out, because account {own.id} has it")
    ]


def test_verified_twin_takes_the_address_of_an_unverified_one(world: World) -> None:
    own = world.create_account("bob", email="bob@mail.example.com")
    reports = run_import(
        world,
        row(1, email="Ann@mail.example.com"),
        row(2, email="ann@mail.example.com", email_verified=True),
        row(3, email="ANN@mail.example.com", email_verified=True),
        row(4, email="BOB@mail.example.com", email_verified=True),
    )
    emails = [stored(world, report).email for report in reports]
    assert [email and email.text for email in emails] == [None, "ann@mail.example.com", None, "BOB@mail.example.com"]
    assert world.now(own).email is None
    assert remarks(reports[0]) == [
        (ImportCode.EMAIL_TAKEN, "email 'ann@mail.example.com': left out, because row 2 has it verified")
    ]
    assert remarks(reports[3]) == [
        (ImportCode.EMAIL_RELEASED, f"email 'BOB@mail.example.com': account {own.id} had it unverified, and has lost it")
    ]
    assert [event.account_id for event in world.events(EventType.ADDRESS_RELEASED)] == [own.id]


def test_verified_mobile_takes_along_the_username_that_it_was(world: World) -> None:
    [before] = run_import(world, row(1, "+49 171 1234567", mobile="+49 171 1234567"))
    [report] = run_import(world, row(2, mobile="+491711234567", mobile_verified=True))
    assert stored(world, report).mobile_verified
    assert stored(world, before).username.text == f"user-{before.account_id}"


def test_mobile_stays_where_the_username_that_would_replace_it_is_taken(world: World) -> None:
    [before] = run_import(world, row(1, "+49 171 1234567", mobile="+49 171 1234567"))
    run_import(world, row(3, f"user-{before.account_id}"))
    [report] = run_import(world, row(2, mobile="+491711234567", mobile_verified=True))
    assert [code for code, _ in remarks(report)] == [ImportCode.MOBILE_TAKEN]


def test_name_that_is_taken_between_look_up_and_change_conflicts(world: World) -> None:
    own, other = world.create_account("ann"), world.create_account("bob")
    with world.database.begin() as tx:
        rows = StoredRows(tx, committed=None)
        rows.lock([own.id])
        with pytest.raises(Conflict):
            rows.save(replace(own, username=other.username))


def test_address_that_is_a_username_of_another_row_is_left_out(world: World) -> None:
    reports = run_import(
        world,
        row(1, "ann@mail.example.com"),
        row(2, email="ann@mail.example.com", email_verified=True),
        row(3, "+49 171 1234567", mobile="+49 171 1234567"),
        row(4, mobile="+49 171 1234567", mobile_verified=True),
    )
    assert [code for report in reports for code, _ in remarks(report)] == [ImportCode.EMAIL_TAKEN, ImportCode.MOBILE_TAKEN]


def test_recovery_address_of_another_account_is_left_out(world: World) -> None:
    world.create_account("bob", email="bob@mail.example.com")
    identity = world.log_in_as("bob")
    world.verify_address("bob@mail.example.com", identity)
    world.change_account(identity=identity, email="new@mail.example.com", current_password=PASSWORD)
    [report] = run_import(world, row(1, email="bob@mail.example.com", email_verified=True))
    assert stored(world, report).email is None


def test_recovery_address_that_has_expired_is_free(world: World) -> None:
    world.create_account("bob", email="bob@mail.example.com")
    identity = world.log_in_as("bob")
    world.verify_address("bob@mail.example.com", identity)
    world.change_account(identity=identity, email="new@mail.example.com", current_password=PASSWORD)
    world.verify_address("new@mail.example.com", world.log_in_as("bob"))
    world.clock.advance(8 * 86_400)
    [report] = run_import(world, row(1, email="bob@mail.example.com"))
    assert stored(world, report).email is not None


# --- other fields -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "name"),
    [("", "user1"), ("  ", "user1"), ("Ann\nLee\u202e", "Ann Lee"), ("x" * 600, "x" * 500), ("\x01", "user1")],
)
def test_name_is_cleaned(world: World, written: str, name: str) -> None:
    account, said = import_one(world, row(1, name=written))
    assert account.name == name
    assert [code for code, _ in said] == ([ImportCode.NAME_CHANGED] if written.strip() else [])


@pytest.mark.parametrize("text", [None, "", "!" + 40 * "a"])
def test_unusable_password_is_none_and_no_change(world: World, text: str | None) -> None:
    [report] = run_import(world, row(1, password_hash=text))
    assert stored(world, report).password_hash is None
    assert [remark.code for remark in report.remarks] == [ImportCode.NO_PASSWORD]
    assert not report.has_changes


def test_password_in_clear_text_is_neither_stored_nor_told(world: World) -> None:
    [report] = run_import(world, row(1, password_hash="a sea of green glass"))
    assert stored(world, report).password_hash is None
    assert remarks(report)[0][0] is ImportCode.PASSWORD_REFUSED
    assert "sea" not in repr(report)


def test_password_that_only_the_old_system_has_is_marked(world: World) -> None:
    [report] = run_import(world, row(17, password_hash="legacy"))
    assert stored(world, report).legacy_key == "17"
    assert not report.has_changes


def test_weak_hash_is_kept_only_on_request(world: World) -> None:
    [report] = run_import(world, row(1, password_hash=MD5))
    assert stored(world, report).password_hash is None
    assert remarks(report)[0][1].endswith("--accept-hash md5 keeps it")
    [report] = run_import(world, row(2, password_hash=MD5), accept_hashes=["md5"])
    assert stored(world, report).password_hash == MD5


def test_groups_become_roles(world: World) -> None:
    many = tuple(f"group{number}" for number in range(10, 32))
    account, said = import_one(world, row(1, roles=("editor", "Shop Mänagers", "!?", "a" * 60)))
    assert account.roles == ("a" * 50, "editor", "shop-managers")
    assert [text for _, text in said][:2] == ["role 'Shop Mänagers': stored as 'shop-managers'", "role '!?': left out"]
    account, said = import_one(world, row(2, roles=many))
    assert len(account.roles) == 20
    assert said[0][1] == "role 'group30': left out, because an account has at most 20"


def test_superuser_is_staff(world: World) -> None:
    account, _ = import_one(world, row(1, is_superuser=True))
    assert account.is_staff


def test_time_of_creation_is_in_the_past(world: World) -> None:
    now = world.clock()
    reports = run_import(world, row(1, created_at=now + 5), row(2, created_at=-1.0), row(3), row(4, created_at=float("nan")))
    assert {stored(world, report).created_at for report in reports} == {now}
    assert [len(remarks(report)) for report in reports] == [1, 1, 0, 1]


def test_remarks_of_the_source_are_reported(world: World) -> None:
    _, said = import_one(world, row(1, remarks=("the session was left out",)))
    assert said == [(ImportCode.SOURCE, "the session was left out")]


def test_unreadable_rows_and_double_keys_are_refused_by_name(world: World) -> None:
    double = replace(row(1, "other"), place="row 9")
    reports = run_import(world, row(1), UnreadableRecord("x", "row 2", "It is no JSON."), double)
    assert outcomes(reports) == ["imported", "refused", "refused"]
    assert [report.reason for report in reports[1:]] == ["It is no JSON.", "It has the same key as row 1."]


# --- a second run -----------------------------------------------------------------------------------------------------


def test_second_run_passes_over_unchanged_rows(world: World) -> None:
    rows = [row(1, email="ann@mail.example.com"), row(2)]
    first = run_import(world, *rows)
    second = run_import(world, *rows, row(3))
    assert outcomes(second) == ["unchanged", "unchanged", "imported"]
    assert [report.account_id for report in second[:2]] == [report.account_id for report in first]
    assert len(world.events()) == 3


def test_rows_of_another_source_are_other_accounts(world: World) -> None:
    run_import(world, row(1))
    [report] = run_import(world, source=ListSource([row(1)], name="test:other"))
    assert report.username == "user1-2"


def test_changes_in_the_source_are_taken_over(world: World) -> None:
    before = row(1, email="ann@mail.example.com", mobile="+49 171 1234567", password_hash=hashed(world), roles=("a",))
    [first] = run_import(world, before)
    after = replace(
        before,
        username="ann",
        name="Ann Lee",
        email="lee@mail.example.com",
        email_verified=True,
        mobile=None,
        password_hash=hashed(world, OTHER_PASSWORD),
        is_staff=True,
        roles=("b",),
        created_at=5.0,
    )
    identity = world.log_in_as("user1")
    [report] = run_import(world, after)
    assert (report.outcome, report.account_id, remarks(report)) == (ImportOutcome.UPDATED, first.account_id, [])
    account = stored(world, report)
    assert (account.username.text, account.name, account.mobile) == ("ann", "Ann Lee", None)
    assert account.email is not None
    assert (account.email.text, account.email_verified, account.ever_verified) == ("lee@mail.example.com", True, True)
    assert (account.is_staff, account.roles, account.created_at) == (True, ("b",), 5.0)
    assert world.can_log_in("ann", OTHER_PASSWORD)
    assert not world.is_signed_in_as(identity)
    assert world.events(EventType.IMPORTED)[-1].detail == (
        "test:users updated:username,name,email,mobile,password,roles,created"
    )
    assert outcomes(run_import(world, after)) == ["unchanged"]


def test_deactivation_in_the_source_ends_sessions(world: World) -> None:
    record = row(1, password_hash=hashed(world))
    run_import(world, record)
    identity = world.log_in_as("user1")
    run_import(world, replace(record, is_active=False))
    assert not world.is_signed_in_as(identity)
    [report] = run_import(world, record)
    assert stored(world, report).is_active


def test_change_in_the_source_ends_open_codes(world: World) -> None:
    record = row(1, email="ann@mail.example.com", email_verified=True)
    run_import(world, record)
    code = world.send("ann@mail.example.com", is_login=True)
    run_import(world, replace(record, password_hash=hashed(world)))
    assert isinstance(outcome(lambda: world.log_in_by_code(destination="ann@mail.example.com", verify_otp=code)), Exception)


def test_field_that_was_changed_here_too_is_kept_and_told_once(world: World) -> None:
    record = row(1, password_hash=hashed(world))
    [first] = run_import(world, record)
    world.edit_account(operator=PROGRAM, account_id=first.account_id or 0, name="Ann Here")
    after = replace(record, name="Ann There", is_staff=True)
    [report] = run_import(world, after)
    assert (stored(world, report).name, stored(world, report).is_staff) == ("Ann Here", True)
    assert remarks(report) == [(ImportCode.KEPT, "name has changed in the source and here: the value here was kept")]
    assert outcomes(run_import(world, after)) == ["unchanged"]
    [report] = run_import(world, replace(after, name="Ann Elsewhere"))
    assert (report.outcome, [code for code, _ in remarks(report)]) == (ImportOutcome.UNCHANGED, [ImportCode.KEPT])


def test_remarks_of_fields_that_did_not_change_are_not_repeated(world: World) -> None:
    record = row(1, email="rubbish")
    run_import(world, record)
    [report] = run_import(world, replace(record, name="Ann"))
    assert remarks(report) == []


def test_import_takes_no_rights_from_a_superuser(world: World) -> None:
    record = row(1, is_superuser=True)
    run_import(world, record)
    [report] = run_import(world, replace(record, is_superuser=False, is_active=False))
    account = stored(world, report)
    assert (account.is_active, account.is_superuser) == (True, True)
    assert [code for code, _ in remarks(report)] == [ImportCode.KEPT] * 2


def test_new_username_that_is_taken_gets_a_variant_or_is_not_changed(world: World) -> None:
    taken = [row(1, "bob"), *(row(number, f"bob-{number}") for number in range(2, 100)), row(100, "bob-200")]
    run_import(world, *taken, row(200, "ann"), row(201, "cy"))
    [report] = run_import(world, row(201, "bob"))
    assert report.username == "bob-201"
    [report] = run_import(world, row(200, "bob"))
    assert report.username == "ann"


def test_change_of_case_is_no_twin_of_itself(world: World) -> None:
    run_import(world, row(1, "bob", email="bob@mail.example.com"))
    [report] = run_import(world, row(1, "Bob", email="Bob@mail.example.com"))
    assert (report.username, remarks(report)) == ("Bob", [])


def test_account_that_was_removed_here_is_not_made_again(world: World) -> None:
    record = row(1, email="ann@mail.example.com")
    [first] = run_import(world, record)
    world.remove_account(operator=PROGRAM, account_id=first.account_id or 0)
    [report] = run_import(world, record)
    assert (report.outcome, report.account_id) == (ImportOutcome.REMOVED, first.account_id)
    [kept] = world.database.imports.find("test:users", ["1"]).values()
    assert (kept.digests, kept.image) == ("", None)


def test_account_that_is_removed_between_look_up_and_lock_is_reported() -> None:
    database = BusyDatabase()
    world = World(database=database)
    [first] = run_import(world, row(1))
    with database.begin() as tx:  # without the mark that a deletion leaves
        tx.accounts.lock(first.account_id or 0)
        tx.accounts.delete(first.account_id or 0)
    [report] = run_import(world, row(1, name="other"))
    assert report.outcome is ImportOutcome.REMOVED


# --- dry runs ---------------------------------------------------------------------------------------------------------


def test_dry_run_reports_the_same_and_stores_nothing(world: World) -> None:
    own = world.create_account("bob", email="bob@mail.example.com")
    rows = [row(number) for number in range(1, BATCH + 1)]
    rows += [row(BATCH + 1, "USER1", id=7000), row(BATCH + 2, "Bob", email="bob@mail.example.com", email_verified=True)]
    rows += [row(BATCH + 3, "rob", email="BOB@mail.example.com"), row(BATCH + 4, "eve", id=own.id)]
    rehearsed = run_import(world, *rows, dry_run=True)
    assert world.database.accounts.count() == 1
    assert world.now(own).email is not None
    assert world.events(EventType.IMPORTED) == []
    done = run_import(world, *rows)
    assert [(report.outcome, report.username) for report in rehearsed] == [(report.outcome, report.username) for report in done]
    assert [[remark.code for remark in report.remarks] for report in rehearsed] == [
        [remark.code for remark in report.remarks] for report in done
    ]
    assert [report.account_id for report in rehearsed[-4:-3]] == [7000]
    assert rehearsed[0].account_id is None
    assert outcomes(rehearsed[-4:]) == ["imported", "imported", "imported", "refused"]


def test_dry_run_of_a_second_run_reports_updates(world: World) -> None:
    record = row(1, email="ann@mail.example.com")
    run_import(world, record, row(2))
    after = [replace(record, email="lee@mail.example.com"), row(2), row(3, email="ann@mail.example.com")]
    reports = run_import(world, *after, dry_run=True)
    assert outcomes(reports) == ["updated", "unchanged", "imported"]
    assert remarks(reports[2]) == []
    assert outcomes(run_import(world, *after)) == ["updated", "unchanged", "imported"]


def test_dry_run_ends_when_the_caller_stops_reading(world: World) -> None:
    reports = world.import_accounts(operator=PROGRAM, source=ListSource([row(1)]), dry_run=True)
    assert next(reports).outcome is ImportOutcome.IMPORTED
    with suppress(AttributeError):
        reports.close()  # type: ignore[attr-defined]  # of a generator
    assert world.database.accounts.count() == 0


# --- others at the same time ------------------------------------------------------------------------------------------


def test_registration_meanwhile_makes_the_row_a_twin() -> None:
    database = BusyDatabase()
    world = World(database=database)
    database.meanwhile.append(lambda: world.create_account("bob"))
    [report] = run_import(world, row(1, "bob"))
    assert report.username == "bob-2"


def test_address_is_lost_to_a_registration_with_its_proof(world: World) -> None:
    run_import(world, row(1, email="ann@mail.example.com"))
    proof = world.verify_address("ann@mail.example.com")
    account = world.create_account("ann", email="ann@mail.example.com", proofs=(proof,), caller=CALLER)
    assert account.email_verified
