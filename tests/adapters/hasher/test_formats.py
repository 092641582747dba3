"""The hashes of other systems: their formats, their limits, and texts that are none."""

import sys
from collections.abc import Iterator
from hashlib import md5, pbkdf2_hmac

import bcrypt
import pytest
from django.contrib.auth import hashers as django
from hypothesis import given
from hypothesis import strategies as st

from vestibule.adapters.hasher import Argon2Hasher, InsecureHasher
from vestibule.adapters.hasher.algorithms import UnusableHash
from vestibule.adapters.hasher.arenas import Arenas
from vestibule.adapters.hasher.formats import Formats
from vestibule.adapters.hasher.spellings import spellings
from vestibule.application.ports import HashKind
from vestibule.domain.errors import Overloaded

TYPED = "Zo\u00eb's horse \u2116 5"
"""A password that NFKC changes: \u2116 becomes No."""

HASHES: list[tuple[str, str, str]] = [
    (
        "Django pbkdf2_sha256",
        "pbkdf2_sha256",
        "pbkdf2_sha256$1000$3dvbIJvJTkRBz4vZn2iScv$MAyus5x8WKg++Xc+v53Ya6/ml7jL1ZV9Y/VBQTs+6rc=",
    ),
    ("Django pbkdf2_sha1", "pbkdf2_sha1", "pbkdf2_sha1$1000$3dvbIJvJTkRBz4vZn2iScv$eGc0z3v7P5Q8DyX8eb4zp4gt5JY="),
    (
        "Django argon2",
        "argon2id",
        "argon2$argon2id$v=19$m=256,t=2,p=8$M2R2YklKdkpUa1JCejR2Wm4yaVNjdg$ctPlMPOeGf4xDKJsAiEzttofgZoDs0wfNP4g6bSmJ74",
    ),
    ("Django bcrypt_sha256", "bcrypt_sha256", "bcrypt_sha256$$2b$04$TJetyd8GmNp9YDOlx5x8z.br3.WVrozeBUirAfg.l43WPUxN.jFyG"),
    ("Django bcrypt", "bcrypt", "bcrypt$$2b$04$I.aW.heUowRxb7q5pWoRuOHG5oTVy1CIebgVlURk3XrltdJkSnDVy"),
    (
        "Django scrypt",
        "scrypt",
        (
            "scrypt$16$3dvbIJvJTkRBz4vZn2iScv$8$5$23cDFcDyktMVJxvuzhxFoFRCY"
            "UF/88wU0dd4TjXYVdRI89XKAUNUI27d3WwFkXrvMwZC5ZrIGZrRsHHsRlBvSA=="
        ),
    ),
    ("Django md5", "md5", "md5$3dvbIJvJTkRBz4vZn2iScv$086177427d3c4fced142e07eb9f609b2"),
    ("passlib pbkdf2_sha1", "pbkdf2_sha1", "$pbkdf2$1000$W.u9t/a.F8IYoxQi5ByD0A$aMxpmW7uuHaxZfiXMeyWZeKMdUc"),
    (
        "passlib pbkdf2_sha256",
        "pbkdf2_sha256",
        "$pbkdf2-sha256$1000$yzkHYCwlpLSW0przHmPsPQ$IjdGYksHYorZLVn3hfAqrP5IijL3/hiWV7YyGlqBHHU",
    ),
    (
        "passlib pbkdf2_sha512",
        "pbkdf2_sha512",
        (
            "$pbkdf2-sha512$1000$BOA8B.D8PwcAoDQmpLR2zg$cURmxA8gAvDzW3XkT6.xA"
            "iI5aNLLe2Lhm0Yp8TBanCSIZWKCmoBmpjHc.W0Wgk8a4BNkZCPHYEfurpQSp3TfeQ"
        ),
    ),
    ("passlib bcrypt", "bcrypt", "$2b$04$AILG9ENzFzk2iP34bAIoie3FIhgDJDgsWCTYQCtWa9q4/Sh97TqxK"),
    (
        "passlib bcrypt_sha256",
        "bcrypt_sha256",
        "$bcrypt-sha256$v=2,t=2b,r=4$rTSLsgw3ViDDCbkC3nu7Qe$m.FG8y2bVruX5H2CQkMBMRgfJ1B9iNW",
    ),
    ("passlib bcrypt_sha256 v1", "bcrypt_sha256", "$bcrypt-sha256$2b,4$Cq.j9i1W7UqBxJGqVbUXxu$G3UwTVyojZZgenhdUEFImlMQ6pICXg6"),
    ("passlib scrypt", "scrypt", "$scrypt$ln=4,r=8,p=1$GQMgJESoFQIAgBDifG+NcQ$aiA1bE++2G8XDpImJmMqXGUrMoshkmOugSN2JLUDbEU"),
    (
        "passlib argon2 ID",
        "argon2id",
        "$argon2id$v=19$m=64,t=1,p=2$fe99r/V+j3HOGYOwFkLovQ$g6rPyM6tD4QYq5RDuRulXb+1CNgy5WKs9j+xaOuvl1s",
    ),
    (
        "passlib argon2 I",
        "argon2i",
        "$argon2i$v=19$m=64,t=1,p=2$LqWU8t6bMwYAwBhjzDnnXA$uLXtu8YnFMUWIFu5iF8UnyJ6YHzDXsC1lmjVXhYHZbk",
    ),
    (
        "passlib argon2 D",
        "argon2d",
        "$argon2d$v=19$m=64,t=1,p=2$xjgnJKS0do4RwhhDqBWitA$k2ijyg0+Uuq/WlBxHEXyOYp+rJUrmEJXtcTRF6JZpFU",
    ),
    ("passlib django_salted_sha1", "sha1", "sha1$YXCE5IG5t3ii$c907dd182b23499093ac9aca1ca9ed4388b29c52"),
    ("passlib django_salted_md5", "md5", "md5$1vnzo0A7vVod$0fb976fc1c97e10bf3c93d6ddbe54857"),
    (
        "Werkzeug scrypt",
        "scrypt",
        (
            "scrypt:1024:8:1$dBBXn5eoIq08p6U4$ac8ddc16b1bc5c134ff80aa02e40a060dded187fad22b1e"
            "640b57a9ba5074e8849030e382e5c788b78ba97287e2829af05ce00a9603696843ff875cdeb63c535"
        ),
    ),
    (
        "Werkzeug pbkdf2",
        "pbkdf2_sha512",
        (
            "pbkdf2:sha512:1000$Wqtbi1HU0uAKeGsO$1889c6a021e4d8f90dc444d04f86cab0df0a0d484ec533"
            "7caf5e712afe8bc7eb0611eae69b0e96a734f4c3bb9347d2efdcc757ee9961049df7bab3d79ce20b69"
        ),
    ),
    (
        "pwdlib argon2",
        "argon2id",
        "$argon2id$v=19$m=64,t=1,p=4$c7FWHI70iGTnTxkq2PZQHg$Y8NE2BR1YG+j1gL0VrNc9LS2zAOKgy3K5ZCFdP3MSoo",
    ),
    ("pwdlib bcrypt", "bcrypt", "$2b$04$Ht2zXCaycuOTSxvWG9pjj.GyXJWnk1lwwmVaGF.HxUZJYeN7Zynyq"),
]
"""Hashes of `TYPED`: the maker, the name of the kind, the text. Each was made through the public interface of the package
(Django 5.2.19, passlib 1.7.4, Werkzeug 3.1.9, pwdlib 0.3.1) at a low cost: by the `encode` of Django's hashers, passlib's
`pbkdf2_sha256.using(rounds=1000).hash`, `generate_password_hash` of Werkzeug and `PasswordHash.hash` of pwdlib."""

SIGNER_KEY = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
FIREBASE_TAG = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
FIREBASE = f"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==$42xEC+ixf3L2lw==${FIREBASE_TAG}"
"""The example of the page of Firebase's own implementation (github.com/firebase/scrypt)."""

TAG = "$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
SALT, DIGEST = "abcdefghijklmnopqrstuu", "abcdefghijklmnopqrstuvwxyz01234"
B64_32, B64_64 = "A" * 43 + "=", "A" * 86 + "=="


@pytest.fixture(scope="module")
def hasher() -> Iterator[Argon2Hasher]:
    from vestibule.entrypoints.settings.parsers import secret_bytes  # noqa: PLC0415 — for one value

    hasher = Argon2Hasher(3, 12 * 1024, firebase_signer_key=secret_bytes(SIGNER_KEY))
    yield hasher
    hasher.close()


@pytest.fixture
def formats() -> Formats:
    return Formats(Arenas(8))


@pytest.mark.parametrize(("maker", "name", "text"), HASHES, ids=[maker for maker, *_ in HASHES])
def test_hash_of_another_system_verifies_and_needs_rehash(hasher: Argon2Hasher, maker: str, name: str, text: str) -> None:
    for one in (hasher, InsecureHasher()):
        assert one.kind_of(text) == HashKind(name, is_usable=True, is_weak=name in {"md5", "sha1"}), maker
        assert one.verify(text, TYPED)
        assert not one.verify(text, TYPED + " ")
        assert not one.verify(text, TYPED.replace("\u2116", "No"))  # it was not made from the NFKC form
        assert not one.verify(text, "")
        assert one.needs_rehash(text)


def test_hash_of_firebase_verifies_by_the_signer_key_of_its_project(hasher: Argon2Hasher) -> None:
    assert hasher.kind_of(FIREBASE) == HashKind("firebase_scrypt", is_usable=True)
    assert hasher.verify(FIREBASE, "user1password")
    assert not hasher.verify(FIREBASE, "user2password")
    for_urls = FIREBASE.replace("+", "-").replace("/", "_").replace("==", "")
    assert hasher.verify(for_urls, "user1password")


def test_hash_of_firebase_is_unusable_without_its_signer_key_and_with_it_in_the_text(hasher: Argon2Hasher) -> None:
    without = InsecureHasher().kind_of(FIREBASE)
    assert (without.name, without.is_usable) == ("firebase_scrypt", False)
    assert "VESTIBULE_FIREBASE_SIGNER_KEY" in without.reason
    inside = hasher.kind_of(FIREBASE.replace("ss=Bw==", f"ss=Bw==,sk={SIGNER_KEY}"))
    assert "must stay a setting" in inside.reason
    assert SIGNER_KEY not in inside.reason
    assert "another signer key" in hasher.kind_of(FIREBASE.replace(FIREBASE_TAG, B64_32)).reason


@given(
    password=st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    salt=st.from_regex("[A-Za-z0-9]{1,32}", fullmatch=True),
)
def test_hash_is_the_one_that_django_computes(password: str, salt: str) -> None:
    insecure = InsecureHasher()
    scrypt = django.ScryptPasswordHasher()
    scrypt.work_factor = 2
    for text in (
        django.PBKDF2PasswordHasher().encode(password, salt, 2),
        django.PBKDF2SHA1PasswordHasher().encode(password, salt, 2),
        django.MD5PasswordHasher().encode(password, salt),
        scrypt.encode(password, salt),
    ):
        assert insecure.verify(text, password)
        assert not insecure.verify(text, password + "x")


def test_bcrypt_ignores_what_follows_72_bytes(hasher: Argon2Hasher) -> None:
    text = bcrypt.hashpw(b"a" * 72, bcrypt.gensalt(4)).decode()
    assert hasher.verify(text, "a" * 72)
    assert hasher.verify(text, "a" * 73)
    assert hasher.verify(text, "a" * 72 + "\u00e9" * 300)
    assert not hasher.verify(text, "a" * 71)


def test_bcrypt_of_a_digest_takes_the_whole_password(hasher: Argon2Hasher) -> None:
    bcrypt_sha256 = django.BCryptSHA256PasswordHasher()
    bcrypt_sha256.rounds = 4
    text = bcrypt_sha256.encode("a" * 73, bcrypt_sha256.salt())
    assert hasher.verify(text, "a" * 73)
    assert not hasher.verify(text, "a" * 72)


@pytest.mark.parametrize("version", ["2a", "2b", "2y"])
def test_every_version_of_bcrypt_verifies(hasher: Argon2Hasher, version: str) -> None:
    text = bcrypt.hashpw(b"password", bcrypt.gensalt(4)).decode().replace("$2b$", f"${version}$")
    assert hasher.verify(text, "password")
    assert hasher.verify(f"bcrypt${text}", "password")
    assert not hasher.verify(text, "passwort")


def test_bcrypt_with_bits_that_encode_nothing_verifies(hasher: Argon2Hasher) -> None:
    text = bcrypt.hashpw(b"password", b"$2b$04$abcdefghijklmnopqrstuu").decode()
    digits = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    spare = text[:28] + digits[digits.index(text[28]) + 5] + text[29:-1] + digits[digits.index(text[-1]) + 3]
    assert hasher.verify(spare, "password")
    assert not hasher.verify(spare, "passwort")


@pytest.mark.parametrize("password", ["\0", "pass\0word", "\ud800", "", "x" * 100_000])
@pytest.mark.parametrize("maker", ["Django bcrypt", "Django pbkdf2_sha256", "Django scrypt", "Django md5", "passlib argon2 I"])
def test_any_password_is_at_most_wrong(hasher: Argon2Hasher, maker: str, password: str) -> None:
    text = next(text for other, _, text in HASHES if other == maker)
    assert not hasher.verify(text, password)


def test_password_without_the_package_bcrypt_is_unusable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    kind = InsecureHasher().kind_of(f"$2b$04${SALT}{DIGEST}")
    assert (kind.name, kind.is_usable) == ("bcrypt", False)
    assert "vestibule-accounts[bcrypt]" in kind.reason


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"pbkdf2_sha256$2000001$salt${B64_32}", "more than 2000000 iterations"),
        (f"pbkdf2_sha256$9999999999$salt${B64_32}", "more than 2000000 iterations"),
        ("$pbkdf2-sha512$2000001$salt$" + "A" * 86, "more than 2000000 iterations"),
        ("pbkdf2:sha256:2000001$salt$" + "00" * 32, "more than 2000000 iterations"),
        (f"pbkdf2_sha256$1$salt${B64_64}", "a tag of 64 bytes, not 32"),
        ("pbkdf2_sha256$1$salt$AAAA", "a tag of 3 bytes, not 32"),
        (f"$2b$15${SALT}{DIGEST}", "a cost of 15, not 4 to 14"),
        (f"$2b$99${SALT}{DIGEST}", "a cost of 99, not 4 to 14"),
        (f"$2b$03${SALT}{DIGEST}", "a cost of 3, not 4 to 14"),
        (f"bcrypt_sha256$$2b$15${SALT}{DIGEST}", "a cost of 15, not 4 to 14"),
        (f"$bcrypt-sha256$v=2,t=2b,r=31${SALT}${DIGEST}", "a cost of 31, not 4 to 14"),
        (f"scrypt$4194304$salt$1$1${B64_64}", "more than 256 MiB"),
        (f"scrypt$16384$salt$8$17${B64_64}", "more than 256 MiB, or as much time"),
        (f"scrypt$2$salt$1048577$1${B64_64}", "more than 256 MiB"),
        (f"$scrypt$ln=99,r=1,p=1$c2FsdA${B64_32}", "more than 256 MiB"),
        (f"$fbscrypt$v=1,n=19,r=8,p=1$c2FsdA==${B64_64}", "more than 256 MiB"),
        (f"scrypt$2$salt$1$65${B64_64}", "a p above 64"),
        (f"scrypt$16383$salt$8$1${B64_64}", "an invalid N"),
        (f"scrypt$1$salt$8$1${B64_64}", "an invalid N"),
        (f"scrypt$65536$salt$1$1${B64_64}", "an invalid N"),
        ("$scrypt$ln=4,r=8,p=1$c2FsdA$AAAA", "a tag of 3 bytes, not 16 to 64"),
        ("$argon2id$v=19$m=1048577,t=1,p=1" + TAG, "more than 10 passes, 1048576 KiB or 16 lanes"),
        ("argon2$argon2i$v=19$m=64,t=11,p=1" + TAG, "more than 10 passes"),
        ("$argon2d$v=19$m=512,t=1,p=17" + TAG, "16 lanes"),
        ("$argon2id$v=19$m=1048576,t=2,p=1" + TAG, "more than 1048576 KiB in all its passes"),
        ("$argon2id$v=19$m=8,t=1,p=2" + TAG, "less memory"),
        ("$argon2id$v=19$m=8,t=1,p=1$c2FsdA$" + "A" * 43, "less memory, salt or tag"),
        ("md5$" + "s" * 600 + "$" + "0" * 32, "longer than 512 characters"),
        ("md5$" + "s" * 300 + "$" + "0" * 32, "malformed"),
    ],
)
def test_hash_beyond_a_limit_is_unusable_and_verified_as_none(
    hasher: Argon2Hasher, text: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    kind = hasher.kind_of(text)
    assert not kind.is_usable
    assert reason in kind.reason
    assert not hasher.verify(text, "password")
    assert reason in caplog.text
    assert "cannot log in by password" in caplog.text
    assert text not in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        f"pbkdf2_sha256$2000000$salt${B64_32}",
        f"$2b$14${SALT}{DIGEST}",
        f"scrypt$262144$salt$8$1${B64_64}",
        f"$scrypt$ln=14,r=8,p=16$c2FsdA${B64_32}",
        "$argon2id$v=19$m=1048576,t=1,p=1" + TAG,
        "$argon2id$v=19$m=104857,t=10,p=16" + TAG,
    ],
)
def test_hash_at_a_limit_is_usable(hasher: Argon2Hasher, text: str) -> None:
    assert hasher.kind_of(text).is_usable


@pytest.mark.parametrize("failure", [MemoryError(), ValueError("memory limit exceeded")])
def test_lack_of_memory_for_scrypt_is_an_overload(
    formats: Formats, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise failure

    found = formats.read(f"scrypt$16$salt$8$1${B64_64}")
    monkeypatch.setattr("hashlib.scrypt", fail)
    with pytest.raises(Overloaded):
        found.matches(b"password")


# --- texts ------------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *(
            "$",
            "argon2",
            "$argon2id$",
            "v=19$",
            "m=64,t=1,p=1",
            "pbkdf2_sha256$",
            "$pbkdf2-sha1$",
            "pbkdf2:sha512:",
            "$2b$",
            "04",
        ),
        *("$bcrypt-sha256$", "v=2,t=2b,r=4", "bcrypt$", "bcrypt_sha256$", "scrypt$", "$scrypt$ln=", "scrypt:", "md5$", "sha1$"),
        *("$fbscrypt$v=1,n=1,r=1,p=1", "0", "1", "16", "00000000001", "salt", SALT, DIGEST, B64_32, B64_64, "0" * 32, "0" * 40),
        *("-1", "1_0", "\u0661", "=", "====", ",ss=", "\n", "\0", "\ud800"),
    ]
)


MIN_SECRET = 8  # shorter texts may be in a reason by chance


@given(text=st.one_of(st.text(), st.lists(PIECES, max_size=9).map("".join)))
def test_any_text_is_read_or_unusable(text: str) -> None:
    formats = Formats(Arenas(8), b"k" * 64)
    kind = formats.kind_of(text)
    if kind.is_usable:
        formats.read(text).matches(b"password")
        return
    assert kind.reason
    assert len(text) < MIN_SECRET or text not in kind.reason
    with pytest.raises(UnusableHash):
        formats.read(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "unusable"),
        ("!", "unusable"),
        ("*", "unusable"),
        ("!!", "unusable"),
        ("!" + "aB3" * 13 + "x", "unusable"),
        ("!$2b$12$locked", "unusable"),
        ("!my secret", "unknown"),
        ("!" + "a" * 39, "unknown"),
        ("correct horse", "unknown"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "unknown"),
        ("$1$salt$hash", "unknown"),
        ("$2x$05$" + SALT + DIGEST, "bcrypt"),
        ("pbkdf2_sha256$", "pbkdf2_sha256"),
    ],
)
def test_text_that_is_no_hash_is_named_by_its_kind(text: str, name: str) -> None:
    kind = InsecureHasher().kind_of(text)
    assert (kind.name, kind.is_usable) == (name, False)


def test_salt_may_be_any_text_and_that_of_a_weak_digest_empty() -> None:
    insecure = InsecureHasher()
    assert insecure.verify("md5$$" + md5(b"password", usedforsecurity=False).hexdigest(), "password")
    tag = pbkdf2_hmac("sha1", b"password", "s\u00e4lt +/".encode(), 1).hex()
    assert insecure.verify(f"pbkdf2:sha1:1$s\u00e4lt +/${tag}", "password")


def test_password_has_its_normal_spelling_and_the_typed_one_if_it_differs() -> None:
    assert spellings("plain") == (b"plain",)
    assert spellings("\u2116") == (b"No", "\u2116".encode())
    assert len(spellings("\u2116" * 2000)) == 1
