"""The domains at which accounts may have emails."""

from collections.abc import Collection, Iterator, Sequence

from email_validator import EmailNotValidError, validate_email

from ...domain.errors import ErrorCode, FieldError

COMMON = (
    *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com", "yahoo.com", "icloud.com", "aol.com"),
    *("proton.me", "protonmail.com", "gmx.net", "gmx.de", "web.de", "t-online.de", "orange.fr", "hotmail.fr", "yahoo.fr"),
    *("yahoo.co.uk", "hotmail.co.uk", "btinternet.com", "libero.it", "mail.ru", "yandex.ru", "qq.com", "163.com", "naver.com"),
)
"""Domains of the largest providers, which a hint may name."""

_LIKENESS = 0.86
"""The least share of letters that two domains have in common and in order, as `difflib` counts. One wrong, missing or
exchanged letter of a usual domain leaves more."""


class EmailDomains:
    """Accepted and refused domains, by a list such as `example.com`, `*.example.org`, `!spam.example`.

    `example.com` accepts that domain alone, `*.example.org` each domain below it and not itself; where one of these is in the
    list, all other domains are refused. `!spam.example` refuses the domain and each one below it, whose number only its owner
    limits; `!*.example.org` only those below. A refusal goes before an acceptance. With `refuses_disposable` the domains of
    throw-away mail and those below them are refused too, where the list accepts none. Raises `ValueError` for an item that is
    no domain.
    """

    def __init__(self, items: Sequence[str] = (), *, refuses_disposable: bool = False) -> None:
        self._accepted = frozenset(_ascii(item) for item in items if not item.startswith("!"))
        denied = [_ascii(item[1:]) for item in items if item.startswith("!")]
        self._denied = frozenset(denied) | {f"*.{name}" for name in denied if not name.startswith("*.")}
        self._disposable = _disposable_domains() if refuses_disposable else frozenset()

    def error(self, domain: str) -> FieldError | None:
        """The error of an email at this domain, in ASCII and lower case; None if it is accepted."""
        if self._accepts(domain):
            return None
        if self._is_listed(domain, self._denied) or self._accepted:
            refused = FieldError(ErrorCode.DOMAIN_NOT_ACCEPTED, "Emails at this domain are not accepted.")
        else:
            refused = FieldError(ErrorCode.DISPOSABLE_DOMAIN, "Emails at domains of throw-away mail are not accepted.")
        hint = self._hint(domain)
        return FieldError(refused.code, f"{refused.message} Did you mean {hint}?") if hint else refused

    def _accepts(self, domain: str) -> bool:
        if self._is_listed(domain, self._denied):
            return False
        if self._accepted:
            return self._is_listed(domain, self._accepted)
        return not any(name in self._disposable for name in (domain, *_parents(domain)))

    def _is_listed(self, domain: str, listed: Collection[str]) -> bool:
        return domain in listed or any(f"*.{parent}" in listed for parent in _parents(domain))

    def _hint(self, domain: str) -> str | None:
        """An accepted domain that differs by a slip of the fingers. It names no part of the address but that."""
        from difflib import get_close_matches  # noqa: PLC0415 — for refused addresses alone

        if self._is_listed(domain, self._denied):  # meant, or the operator would not have named it
            return None
        exact = [name for name in (*sorted(self._accepted), *COMMON) if not name.startswith("*.") and self._accepts(name)]
        return next(iter(get_close_matches(domain, exact, n=1, cutoff=_LIKENESS)), None)


def _parents(domain: str) -> Iterator[str]:
    """The domains above this one: of `a.b.example` these are `b.example` and `example`."""
    while "." in domain:
        domain = domain.partition(".")[2]
        yield domain


def _ascii(item: str) -> str:
    """The item in the form of emails' canonical domains: lower case, IDNA A-labels."""
    prefix, name = ("*.", item[2:]) if item.startswith("*.") else ("", item)
    if not name.isascii():
        try:
            read = validate_email(f"name@{name}", check_deliverability=False, test_environment=True)
        except EmailNotValidError as error:
            raise ValueError(f"{name} is not a domain") from error
        name = str(read.ascii_domain)
    return prefix + name.lower()


def _disposable_domains() -> Collection[str]:
    from disposable_email_domains import blocklist  # noqa: PLC0415 — 200 KB, only if they are refused

    return blocklist
