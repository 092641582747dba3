"""The texts of password hashes: those of Django, passlib, Werkzeug, Firebase, and of modular crypt in general."""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable

from argon2 import Type

from ...application.ports import HashKind
from .algorithms import Argon2, Bcrypt, FirebaseScrypt, PasswordHash, Pbkdf2, SaltedDigest, Scrypt, UnusableHash
from .arenas import Arenas, Cost
from .spellings import encoded

MAX_CHARACTERS = 512
"""The length of the longest text that is read as a hash, which bounds its salt and tag too."""


class Formats:
    """Reads password hashes.

    `arenas` has the memory of Argon2. `firebase_signer_key` is that of the Firebase project; without it no hash of Firebase can
    be read.
    """

    def __init__(self, arenas: Arenas, firebase_signer_key: bytes | None = None) -> None:
        self._arenas = arenas
        self._signer_key = firebase_signer_key

    def kind_of(self, text: str) -> HashKind:
        if _NO_PASSWORD.fullmatch(text):
            return HashKind("unusable", is_usable=False, reason="marks an account without a password")
        try:
            found = self.read(text)
        except UnusableHash as error:
            return HashKind(error.name, is_usable=False, reason=error.reason)
        return HashKind(found.name, is_usable=True, is_weak=found.is_weak)

    def read(self, text: str) -> PasswordHash:
        """Raises `UnusableHash` for a text in no known format, and for a hash above the limits."""
        if len(text) > MAX_CHARACTERS:
            raise UnusableHash("unknown", f"is longer than {MAX_CHARACTERS} characters")
        if text.startswith(_ARGON2_PREFIXES):  # Vestibule's own come first
            return self._argon2(text)
        if text.startswith("$fbscrypt$"):
            return self._firebase(text)
        return _read(text)

    def _argon2(self, text: str) -> Argon2:
        if (found := _ARGON2.fullmatch(text)) is None:
            raise UnusableHash("argon2", _MALFORMED)
        variant, version, memory_kib, time_cost, parallelism, salt, tag = found.groups()
        cost = Cost(int(time_cost), int(memory_kib), int(parallelism), _TYPES[variant], int(version or 16))
        return Argon2(cost, _decoded(salt), _decoded(tag), self._arenas)

    def _firebase(self, text: str) -> FirebaseScrypt:
        if self._signer_key is None:
            raise UnusableHash(FirebaseScrypt.name, "needs the signer key of its project (VESTIBULE_FIREBASE_SIGNER_KEY)")
        if (found := _FIREBASE.fullmatch(text)) is None:
            raise UnusableHash(FirebaseScrypt.name, "is malformed, or has the signer key in it, which must stay a setting")
        log_n, r, p, separator, salt, tag = found.groups(default="")
        salted = _decoded(salt) + _decoded(separator)
        return FirebaseScrypt(2 ** int(log_n), int(r), int(p), salted, _decoded(tag), self._signer_key)


def _read(text: str) -> PasswordHash:
    for prefix, name, pattern, read in _FORMATS:
        if text.startswith(prefix):
            if found := re.fullmatch(pattern, text):
                return read(*found.groups(default=""))
            raise UnusableHash(name, _MALFORMED)
    raise UnusableHash("unknown", "is in no known format")


_MALFORMED = "is malformed"
_NO_PASSWORD = re.compile(r"[!*]{0,2}|![A-Za-z0-9]{40}|!{1,2}\$.*", re.DOTALL)
"""Nothing, a mark alone, Django's mark with random characters, and a locked hash."""


def _decoded(text: str) -> bytes:
    """Decodes base64, padded or not: the standard alphabet, that for URLs, and passlib's with a point."""
    digits = text.rstrip("=").translate(_STANDARD)
    return b64decode(digits + "=" * (-len(digits) % 4), validate=True)


_STANDARD = str.maketrans(".-_", "++/")


def _django_pbkdf2(digest: str, iterations: str, salt: str, tag: str) -> Pbkdf2:
    return Pbkdf2(digest, int(iterations), encoded(salt), _decoded(tag))


def _passlib_pbkdf2(digest: str, iterations: str, salt: str, tag: str) -> Pbkdf2:
    return Pbkdf2(digest or "sha1", int(iterations), _decoded(salt), _decoded(tag))


def _werkzeug_pbkdf2(digest: str, iterations: str, salt: str, tag: str) -> Pbkdf2:
    return Pbkdf2(digest, int(iterations), encoded(salt), bytes.fromhex(tag))


def _django_scrypt(n: str, salt: str, r: str, p: str, tag: str) -> Scrypt:
    return Scrypt(int(n), int(r), int(p), encoded(salt), _decoded(tag))


def _werkzeug_scrypt(n: str, r: str, p: str, salt: str, tag: str) -> Scrypt:
    return Scrypt(int(n), int(r), int(p), encoded(salt), bytes.fromhex(tag))


def _phc_scrypt(log_n: str, r: str, p: str, salt: str, tag: str) -> Scrypt:
    return Scrypt(2 ** int(log_n), int(r), int(p), _decoded(salt), _decoded(tag))


def _bcrypt(version: str, rounds: str, salt: str, tag: str) -> Bcrypt:
    return Bcrypt("bcrypt", version, int(rounds), salt, tag, lambda password, _: password)


def _django_bcrypt_sha256(version: str, rounds: str, salt: str, tag: str) -> Bcrypt:
    return Bcrypt("bcrypt_sha256", version, int(rounds), salt, tag, lambda password, _: _sha256(password).hex().encode())


def _bcrypt_hmac(version: str, rounds: str, salt: str, tag: str) -> Bcrypt:
    return Bcrypt("bcrypt_sha256", version, int(rounds), salt, tag, _hmac_by_salt)


def _bcrypt_base64(version: str, rounds: str, salt: str, tag: str) -> Bcrypt:
    return Bcrypt("bcrypt_sha256", version, int(rounds), salt, tag, lambda password, _: b64encode(_sha256(password)))


def _sha256(password: bytes) -> bytes:
    return hashlib.sha256(password).digest()


def _hmac_by_salt(password: bytes, salt: str) -> bytes:
    return b64encode(hmac.digest(salt.encode(), password, "sha256"))


def _salted_digest(name: str, salt: str, tag: str) -> SaltedDigest:
    return SaltedDigest(name, encoded(salt), bytes.fromhex(tag))


_NUMBER = "([1-9][0-9]{0,9})"
_EXPONENT = "([1-9][0-9]?)"
_SHA = "(sha1|sha256|sha512)"
_TEXT = "([^$]{1,256})"
_DIGIT = "[A-Za-z0-9+/._-]"
_BASE64 = f"((?:{_DIGIT}{{4}})*(?:{_DIGIT}{{2,3}})?={{0,2}})"
_BCRYPT = r"\$(2[aby])\$([0-9]{2})\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})"
_PASSLIB_BCRYPT = r"\$([./A-Za-z0-9]{22})\$([./A-Za-z0-9]{31})"

_FORMATS: tuple[tuple[str, str, str, Callable[..., PasswordHash]], ...] = (
    ("pbkdf2_sha256$", "pbkdf2_sha256", rf"pbkdf2_(sha256)\${_NUMBER}\${_TEXT}\${_BASE64}", _django_pbkdf2),
    ("pbkdf2_sha1$", "pbkdf2_sha1", rf"pbkdf2_(sha1)\${_NUMBER}\${_TEXT}\${_BASE64}", _django_pbkdf2),
    ("pbkdf2_sha512$", "pbkdf2_sha512", rf"pbkdf2_(sha512)\${_NUMBER}\${_TEXT}\${_BASE64}", _django_pbkdf2),
    (
        "$pbkdf2",
        "pbkdf2",
        rf"\$pbkdf2(?:-{_SHA})?\$(?:i=)?{_NUMBER}(?:,l=[0-9]{{1,3}})?\${_BASE64}\${_BASE64}",
        _passlib_pbkdf2,
    ),
    ("pbkdf2:", "pbkdf2", rf"pbkdf2:{_SHA}:{_NUMBER}\${_TEXT}\$((?:[0-9a-f]{{2}}){{20,64}})", _werkzeug_pbkdf2),
    ("bcrypt_sha256$", "bcrypt_sha256", rf"bcrypt_sha256\${_BCRYPT}", _django_bcrypt_sha256),
    ("$bcrypt-sha256$v", "bcrypt_sha256", rf"\$bcrypt-sha256\$v=2,t=(2[ab]),r=([0-9]{{1,2}}){_PASSLIB_BCRYPT}", _bcrypt_hmac),
    ("$bcrypt-sha256$", "bcrypt_sha256", rf"\$bcrypt-sha256\$(2[ab]),([0-9]{{1,2}}){_PASSLIB_BCRYPT}", _bcrypt_base64),
    ("bcrypt$", "bcrypt", rf"bcrypt\${_BCRYPT}", _bcrypt),
    ("$2", "bcrypt", _BCRYPT, _bcrypt),
    ("scrypt$", "scrypt", rf"scrypt\${_NUMBER}\${_TEXT}\${_NUMBER}\${_NUMBER}\${_BASE64}", _django_scrypt),
    ("scrypt:", "scrypt", rf"scrypt:{_NUMBER}:{_NUMBER}:{_NUMBER}\${_TEXT}\$((?:[0-9a-f]{{2}}){{16,64}})", _werkzeug_scrypt),
    ("$scrypt$", "scrypt", rf"\$scrypt\$ln={_EXPONENT},r={_NUMBER},p={_NUMBER}\${_BASE64}\${_BASE64}", _phc_scrypt),
    ("md5$", "md5", r"(md5)\$([^$]{0,256})\$([0-9a-f]{32})", _salted_digest),
    ("sha1$", "sha1", r"(sha1)\$([^$]{0,256})\$([0-9a-f]{40})", _salted_digest),
)
"""For each format: the beginning of its texts, its name, its pattern, and the function that takes the groups of the pattern."""

_ARGON2_PREFIXES = ("$argon2", "argon2$")
_TYPES = {"id": Type.ID, "i": Type.I, "d": Type.D}
_ARGON2 = re.compile(
    rf"(?:argon2)?\$argon2(id|i|d)\$(?:v=(16|19)\$)?m={_NUMBER},t={_NUMBER},p={_NUMBER}"
    r"\$((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3})?)\$((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,3})?)"
)
"""The text of the PHC, which Django stores after the name `argon2`."""

_FIREBASE = re.compile(rf"\$fbscrypt\$v=1,n={_EXPONENT},r={_NUMBER},p={_NUMBER}(?:,ss={_BASE64})?\${_BASE64}\${_BASE64}")
"""The text by which Supabase stores hashes of Firebase, without its part `sk`, the signer key."""
