"""`JsonLinesSource` and `CsvSource`: files as people export and edit them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vestibule.adapters.account_sources import CsvSource, JsonLinesSource
from vestibule.adapters.account_sources.text_file import MAX_LINE
from vestibule.application.ports import ImportRecord, SourceError, UnreadableRecord

Rows = list[ImportRecord | UnreadableRecord]


def json_lines(directory: Path, *lines: str | bytes | dict[str, Any], **options: Any) -> JsonLinesSource:
    encoded = (json.dumps(line) if isinstance(line, dict) else line for line in lines)
    return JsonLinesSource(written(directory / "users.jsonl", encoded), **options)


def csv(directory: Path, *lines: str | bytes, **options: Any) -> CsvSource:
    return CsvSource(written(directory / "users.csv", lines), **options)


def written(file: Path, lines: Any) -> Path:
    file.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines))
    return file


def refused(rows: Rows) -> list[tuple[str, str]]:
    return [(row.place, row.reason) for row in rows if isinstance(row, UnreadableRecord)]


def only(rows: Any) -> ImportRecord:
    [row] = rows
    assert isinstance(row, ImportRecord), row
    return row


FULL = {
    "id": 17,
    "username": "Ada",
    "name": "Ada Lovelace",
    "email": "ada@example.org",
    "mobile": "+49 171 1234567",
    "email_verified": True,
    "mobile_verified": False,
    "is_active": False,
    "is_staff": True,
    "is_superuser": False,
    "roles": ["editor", "shop admin"],
    "password_hash": "pbkdf2_sha256$1$salt$hash",
    "created_at": "2020-02-29T12:00:00Z",
    "image": "ada.png",
}


def test_json_lines_have_every_field(tmp_path: Path) -> None:
    assert only(json_lines(tmp_path, FULL).records()) == ImportRecord(
        key="id:17",
        place="line 1",
        id=17,
        username="Ada",
        name="Ada Lovelace",
        email="ada@example.org",
        mobile="+49 171 1234567",
        email_verified=True,
        is_active=False,
        is_staff=True,
        roles=("editor", "shop admin"),
        password_hash="pbkdf2_sha256$1$salt$hash",
        created_at=datetime(2020, 2, 29, 12, tzinfo=UTC).timestamp(),
        image="ada.png",
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_has_every_field(tmp_path: Path, delimiter: str) -> None:
    values = [f'"{"|".join(value)}"' if isinstance(value, list) else f'"{value}"' for value in FULL.values()]
    source = csv(tmp_path, delimiter.join(FULL), delimiter.join(values))
    assert only(source.records()) == replace(only(json_lines(tmp_path, FULL).records()), place="line 2")


def test_fields_that_are_missing_or_empty_have_defaults(tmp_path: Path) -> None:
    expected = ImportRecord(key="username:ada", place="line 1", username="ada")
    assert only(json_lines(tmp_path, {"username": "ada", "email": None}).records()) == expected
    row = only(csv(tmp_path, "username,id,is_active,is_staff,created_at,roles", "ada,,,,,").records())
    assert (row.id, row.is_active, row.is_staff, row.created_at, row.roles) == (None, True, False, None, ())


def test_byte_order_mark_crlf_empty_lines_and_a_last_line_without_end_are_read(tmp_path: Path) -> None:
    file = tmp_path / "users.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"username": "a"}\r\n\r\n  \n{"username": "b"}')
    assert [(row.key, row.place) for row in JsonLinesSource(file).records()] == [
        ("username:a", "line 1"),
        ("username:b", "line 4"),
    ]
    file = tmp_path / "users.csv"
    file.write_bytes(b"\xef\xbb\xbfusername,name\r\na,Ann\r\n\r\nb,Bob")
    assert [(row.key, row.place) for row in CsvSource(file).records()] == [("username:a", "line 2"), ("username:b", "line 4")]


def test_every_bad_line_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    rows = list(
        json_lines(
            tmp_path,
            {"username": "a"},
            "{",
            "[1]",
            b'{"username": "\xff"}',
            {"username": "x" * MAX_LINE},
            "[" * 100_000,
            {"username": 5},
            {"id": "seven"},
            {"id": True},
            {"username": "b", "is_active": "perhaps"},
            {"username": "b", "is_active": 2.5},
            {"username": "b", "roles": [1]},
            {"name": "Ann"},
            {"key": "k" * 201},
            {"key": "\x00"},
            '{"username": "\\ud800"}',
            {"username": "c"},
        ).records()
    )
    assert [row.place for row in rows] == [f"line {number}" for number in range(1, 18)]
    reasons = dict(refused(rows))
    assert set(reasons) == {f"line {number}" for number in range(2, 17)}
    assert reasons["line 2"].startswith("It is not valid JSON: ")
    assert reasons["line 3"] == "It is not a JSON object."
    assert reasons["line 4"] == "It is not in UTF-8."
    assert reasons["line 5"] == f"It is longer than {MAX_LINE} bytes."
    assert reasons["line 7"] == "username: '5' is not a text"
    assert reasons["line 8"] == "id: 'seven' is not a whole number; put other ids into the column key"
    assert reasons["line 10"] == "is_active: 'perhaps' is neither true nor false"
    assert reasons["line 12"] == "roles: '[1]' is not a list of texts"
    assert reasons["line 13"] == "It has no id, username, email or mobile."


def test_numbers_are_taken_as_mobiles_keys_and_times(tmp_path: Path) -> None:
    row = only(json_lines(tmp_path, {"key": 5, "mobile": 9999999999, "created_at": 1.5}).records())
    assert (row.key, row.mobile, row.created_at) == ("5", "9999999999", 1.5)
    row = only(csv(tmp_path, "id,created_at", " 5 ,1600000000.25").records())
    assert (row.id, row.created_at) == (5, 1_600_000_000.25)


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 0), ("Asia/Kolkata", 5.5)])
def test_time_without_an_offset_is_one_of_the_sources_zone(tmp_path: Path, zone: str, hours: float) -> None:
    row = only(json_lines(tmp_path, {"id": 1, "created_at": "2020-01-01 12:00:00.5"}, timezone=zone).records())
    assert row.created_at == datetime(2020, 1, 1, 12, 0, 0, 500_000, tzinfo=ZoneInfo(zone)).timestamp()
    assert row.created_at == datetime(2020, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC).timestamp() - 3600 * hours


@pytest.mark.parametrize("text", ["yesterday", "9999-99-99", [], True, 1e300])
def test_time_that_cannot_be_read_is_reported(tmp_path: Path, text: Any) -> None:
    row = only(json_lines(tmp_path, {"id": 1, "created_at": text}).records())
    assert row.created_at is None
    assert row.remarks[0].startswith("created_at ")


def test_unknown_columns_are_named_once(tmp_path: Path) -> None:
    rows = list(json_lines(tmp_path, {"id": 1, "age": 5, "password": "x"}, {"id": 2, "age": 6, "height": 1}).records())
    assert [row.remarks for row in rows if isinstance(row, ImportRecord)] == [
        (
            "column 'age': not known, and left out",
            "column 'password': left out, because passwords in clear text are not imported; let their owners set new ones",
        ),
        ("column 'height': not known, and left out",),
    ]
    assert "x" not in repr(rows[0]).partition("remarks")[0]
    many = list(json_lines(tmp_path, {"id": 1, **{f"column{number}": 1 for number in range(200)}}).records())
    assert len(only(many).remarks) == 100


def test_row_with_the_key_of_an_earlier_one_is_named(tmp_path: Path) -> None:
    rows = list(json_lines(tmp_path, {"id": 1}, {"id": 2}, {"id": 1, "username": "b"}, {"key": "id:2"}).records())
    assert refused(rows) == [("line 3", "It has the same key as line 1."), ("line 4", "It has the same key as line 2.")]


def test_csv_value_may_hold_delimiters_quotes_and_lines(tmp_path: Path) -> None:
    rows = list(csv(tmp_path, "id,name", '1,"Lee, Ann ""the', 'first"""', "2,Bob").records())
    assert [(row.place, row.name) for row in rows if isinstance(row, ImportRecord)] == [
        ("line 2", 'Lee, Ann "the\nfirst"'),
        ("line 4", "Bob"),
    ]


def test_csv_row_with_an_open_quote_takes_no_other_row_along(tmp_path: Path) -> None:
    others = [f"{number},user{number}" for number in range(3, 300)]
    last = ['300,5" tall', "301,Ann", '302,6" tall', "303,Cy"]
    rows = list(csv(tmp_path, "id,name", '1,"open', "2,Bob", *others, *last).records())
    assert len(rows) == 303
    fault = "Its quotes are not closed or not doubled, or a value has more than 131,072 characters."
    assert refused(rows) == [("line 2", fault), ("line 301", fault), ("line 303", fault)]


def test_csv_rows_that_do_not_fit_the_columns_are_named(tmp_path: Path) -> None:
    rows = list(csv(tmp_path, "id,name", "1", "2,a,b", "3,Cy", b"4,\xff", '5,"open', b'6,\xff"', "7,x").records())
    assert [place for place, _ in refused(rows)] == ["line 2", "line 3", "line 5", "line 6", "line 7"]
    assert refused(rows)[0][1] == "It has 1 values for 2 columns."
    assert [row.id for row in rows if isinstance(row, ImportRecord)] == [3, 7]


@pytest.mark.parametrize("header", ["", "a,b", b"\xff,id"])
def test_csv_without_a_line_of_names_is_refused(tmp_path: Path, header: str | bytes) -> None:
    with pytest.raises(SourceError, match="names its columns"):
        list(csv(tmp_path, header, "1,2").records())


def test_csv_that_names_a_column_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="names a column twice"):
        list(csv(tmp_path, "id,id", "1,2").records())


def test_empty_files_have_no_rows(tmp_path: Path) -> None:
    assert list(json_lines(tmp_path).records()) == []
    with pytest.raises(SourceError, match="names its columns"):
        list(csv(tmp_path).records())


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_utf_16_is_refused_by_name(tmp_path: Path, mark: bytes) -> None:
    for source in (json_lines(tmp_path, mark + b"{\0"), csv(tmp_path, mark + b"i\0")):
        with pytest.raises(SourceError, match="UTF-16"):
            list(source.records())


def test_missing_files_directories_and_time_zones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no file"):
        JsonLinesSource(tmp_path / "absent.jsonl")
    with pytest.raises(SourceError, match="There is no directory"):
        json_lines(tmp_path, {"id": 1}, media=tmp_path / "absent")
    for zone in ("Nowhere/Town", "../etc/passwd", ""):
        with pytest.raises(SourceError, match="There is no time zone"):
            json_lines(tmp_path, {"id": 1}, timezone=zone)
    source = json_lines(tmp_path, {"id": 1})
    (tmp_path / "users.jsonl").unlink()
    with pytest.raises(SourceError, match="cannot be read: No such file or directory"):
        list(source.records())


def test_source_has_a_name_a_count_and_images(tmp_path: Path) -> None:
    (tmp_path / "ada.png").write_bytes(b"picture")
    source = json_lines(tmp_path, {"id": 1}, {"id": 2}, media=tmp_path)
    assert (source.name, source.count(), source.left_out()) == ("file:users.jsonl", 2, [])
    assert (source.image("ada.png"), source.image("../ada.png"), source.image("none.png")) == (b"picture", None, None)
    named = json_lines(tmp_path, {"id": 1}, name="shop")
    assert (named.name, named.image("ada.png")) == ("shop", None)


def test_file_can_be_read_again(tmp_path: Path) -> None:
    source = json_lines(tmp_path, {"id": 1, "age": 5})
    assert list(source.records()) == list(source.records())
