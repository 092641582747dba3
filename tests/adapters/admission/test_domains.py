"""The domains of accepted emails, by the settings and by the list of throw-away mail."""

import sys
from pathlib import Path

import pytest
from disposable_email_domains import blocklist
from hypothesis import given
from hypothesis import strategies as st

from vestibule import Settings, SettingsError, build
from vestibule.adapters.admission import ConfiguredAdmission, EmailDomains
from vestibule.application import AddressKind, ErrorCode, InvitationRequired, RegistrationClosed
from vestibule.application.ports import Applicant
from vestibule.domain.account import Address
from vestibule.domain.events import TRUSTED_CALLER

ACCEPTED = {
    "": {"example.com": True, "a.b.example": True},
    "example.com": {"example.com": True, "www.example.com": False, "badexample.com": False, "example.org": False},
    "*.example.com": {"example.com": False, "www.example.com": True, "a.b.example.com": True, "badexample.com": False},
    "example.com, *.example.com": {"example.com": True, "www.example.com": True, "com": False},
    "!spam.example": {"spam.example": False, "a.spam.example": False, "a.b.spam.example": False, "notspam.example": True},
    "!*.spam.example": {"spam.example": True, "a.spam.example": False},
    "*.example.com, !bad.example.com": {"good.example.com": True, "bad.example.com": False, "a.bad.example.com": False},
    "example.com, !example.com": {"example.com": False},
    "BÜCHER.example": {"xn--bcher-kva.example": True},
    "Example.COM": {"example.com": True},
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_list_decides_for_domains_and_those_below(text: str) -> None:
    domains = EmailDomains(Settings.from_environment({"VESTIBULE_EMAIL_DOMAINS": text}).email_domains)
    assert {domain: domains.error(domain) is None for domain in ACCEPTED[text]} == ACCEPTED[text]


_LABEL = st.from_regex(r"[a-z]{1,3}", fullmatch=True)
_DOMAIN = st.lists(_LABEL, min_size=2, max_size=4).map(".".join)
_ITEM = st.builds("{}{}{}".format, st.sampled_from(["", "!"]), st.sampled_from(["", "*."]), _DOMAIN)


def _matches(pattern: str, domain: str) -> bool:
    return domain.endswith(pattern[1:]) if pattern.startswith("*.") else domain == pattern


@given(st.lists(_ITEM, max_size=5), _DOMAIN)
def test_list_means_what_the_settings_page_says(items: list[str], domain: str) -> None:
    accepted = [item for item in items if not item.startswith("!")]
    denied = [item[1:] for item in items if item.startswith("!")]
    is_denied = any(_matches(item, domain) or _matches(f"*.{item.removeprefix('*.')}", domain) for item in denied)
    is_accepted = not accepted or any(_matches(item, domain) for item in accepted)
    assert (EmailDomains(items).error(domain) is None) is (is_accepted and not is_denied)


@pytest.mark.parametrize(
    "text", ["nodots", "a..b", ".example.com", "*.*.com", "**", "!!a.com", "a@b.com", "*", "!", "a b.com", "x.1"]
)
def test_text_that_is_no_domain_stops_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match=r"VESTIBULE_EMAIL_DOMAINS: must be domains such as example\.com"):
        Settings.from_environment({"VESTIBULE_EMAIL_DOMAINS": text})


def test_international_text_that_is_no_domain_is_named_at_the_start(tmp_path: Path) -> None:
    settings = Settings.from_environment({"VESTIBULE_DATA_DIR": str(tmp_path), "VESTIBULE_EMAIL_DOMAINS": "a\u05d0.example"})
    with pytest.raises(SettingsError, match=r"VESTIBULE_EMAIL_DOMAINS: .* is not a domain"), build(settings, run_workers=False):
        pass


def test_throw_away_mail_is_accepted_by_default() -> None:
    assert EmailDomains().error("mailinator.com") is None


def test_throw_away_mail_is_refused_with_the_domains_below() -> None:
    domains = EmailDomains(refuses_disposable=True)
    assert len(blocklist) > 5000
    for domain in ("mailinator.com", "inbox.mailinator.com"):
        error = domains.error(domain)
        assert error
        assert (error.code, error.message) == (
            ErrorCode.DISPOSABLE_DOMAIN,
            "Emails at domains of throw-away mail are not accepted.",
        )
    assert domains.error("gmail.com") is None
    assert domains.error("example.com") is None


def test_list_of_throw_away_mail_is_not_loaded_unless_it_is_used() -> None:
    sys.modules.pop("disposable_email_domains")
    EmailDomains(["example.com"])
    assert "disposable_email_domains" not in sys.modules
    EmailDomains(refuses_disposable=True)
    assert "disposable_email_domains" in sys.modules


@pytest.mark.parametrize(
    ("items", "domain", "hint"),
    [
        (("gmail.com", "example.com"), "gmial.com", "gmail.com"),
        (("gmail.com",), "gamil.com", "gmail.com"),
        (("example.com",), "exmaple.com", "example.com"),
        (("example.com",), "gmial.com", None),  # the domain that was meant would be refused as well
        (("example.com",), "somewhere.org", None),
        (("*.example.com",), "example.com", None),
        (("!gmial.com",), "gmial.com", None),  # the operator means that domain
    ],
)
def test_refused_slip_of_the_fingers_gets_a_hint(items: tuple[str, ...], domain: str, hint: str | None) -> None:
    error = EmailDomains(items).error(domain)
    assert error
    assert error.code == ErrorCode.DOMAIN_NOT_ACCEPTED
    assert error.message == "Emails at this domain are not accepted." + (f" Did you mean {hint}?" if hint else "")


def _applicant() -> Applicant:
    return Applicant(name="Ann", email=None, mobile=None, caller=TRUSTED_CALLER)


def test_mobile_has_no_domain() -> None:
    admission = ConfiguredAdmission("open", EmailDomains(["example.com"]))
    assert admission.address_error(Address(AddressKind.MOBILE, "+49 170 1234567", "+491701234567")) is None
    assert admission.address_error(Address(AddressKind.EMAIL, "A@Example.com", "a@example.com")) is None
    assert admission.address_error(Address(AddressKind.EMAIL, "a@example.org", "a@example.org")) is not None


def test_registration_is_open_unless_the_setting_says_else() -> None:
    assert ConfiguredAdmission().refusal(_applicant()) is None
    assert isinstance(ConfiguredAdmission("invited").refusal(_applicant()), InvitationRequired)
    assert isinstance(ConfiguredAdmission("closed").refusal(_applicant()), RegistrationClosed)
