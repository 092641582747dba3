"""The bytes that a password may have been hashed from."""

from collections.abc import Sequence

from ...domain.password import MAX_LENGTH, normalised


def normal_spelling(password: str) -> bytes:
    """Returns the NFKC form, which Vestibule hashes.

    Accepts lone surrogates, which no stored password contains, so that every wrong password takes as long.
    """
    return encoded(normalised(password))


def spellings(password: str) -> Sequence[bytes]:
    """Returns the NFKC form and, if it differs, the password as it was typed, from which other systems made their hashes.

    One that is longer than any password of Vestibule is not tried as it was typed.
    """
    normal = normalised(password)
    if normal == password or len(password) > 4 * MAX_LENGTH:
        return (encoded(normal),)
    return encoded(normal), encoded(password)


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
