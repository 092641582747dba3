"""Random calls in random order never let a person into another person's account.

Three people share five addresses: each reads some of them, and each may type any of them. The model follows the contract
is_only: it holds the person who set an account's password, and the person who verified each address. A session gained by other
means is a break-in.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.support.world import World, outcome, wrong

from vestibule.application import Account, AddressKind, Identity, IssuedProof, Refusal, TokenSet
from vestibule.domain.session import IDLE_SECONDS, MAX_LIFETIME_SECONDS, REUSE_GRACE_SECONDS

PEOPLE = ("ann", "bob", "eve")
READS = {
    "ann": ("ann@mail.example.com", "9999999991"),
    "bob": ("bob@mail.example.com", "9999999992"),
    "eve": ("eve@mail.example.com",),
}
ADDRESSES = tuple(address for person in PEOPLE for address in READS[person])
EMAILS = tuple(address for address in ADDRESSES if "@" in address)
MOBILES = tuple(address for address in ADDRESSES if "@" not in address)
PASSWORDS = {person: f"{person} keeps this secret" for person in PEOPLE}

people = st.sampled_from(PEOPLE)
emails = st.sampled_from(EMAILS)
mobiles = st.sampled_from(MOBILES)
addresses = st.sampled_from(ADDRESSES)
readers = st.sampled_from([(person, address) for person in PEOPLE for address in READS[person]])
destinations = readers | readers | readers | st.tuples(people, addresses)
"""A person and an address whose code they enter: mostly an address that they read."""


def reader_of(address: str) -> str:
    return next(person for person in PEOPLE if address in READS[person])


@dataclass
class ModelSession:
    """The model of a session: its person, tokens and times."""

    person: str
    account_id: int
    tokens: TokenSet
    created_at: float
    refreshed_at: float
    is_revoked: bool = False
    previous: TokenSet | None = None
    """The token set before the last refresh."""

    def rotate(self, tokens: TokenSet, now: float) -> None:
        self.previous, self.tokens, self.refreshed_at = self.tokens, tokens, now


@dataclass
class ModelAccount:
    """The model of an account, as the contract describes it."""

    password_of: str | None
    verified: dict[str, str] = field(default_factory=dict)
    """The person who verified each address."""
    owner_verified: bool = False


class AccountModel(RuleBasedStateMachine):
    """Rules that are one call each, by one person who knows only their own input and the codes that they read."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(rate_limits=False, otp_cooldown=1)
        self.accounts: dict[int, ModelAccount] = {}
        self.sessions: list[ModelSession] = []
        self.proofs: dict[str, list[tuple[str, str]]] = {person: [] for person in PEOPLE}
        self.registrations = 0

    @initialize()
    def register_first_account(self) -> None:
        self.register("eve", "ann@mail.example.com", "9999999991", with_proofs=False)

    # --- calls --------------------------------------------------------------------------------------------------------

    @rule(person=people, email=emails, mobile=st.none() | mobiles, with_proofs=st.booleans())
    def register(self, person: str, email: str, mobile: str | None, with_proofs: bool) -> None:
        """Registers with any addresses, own or others'; with the person's proofs if `with_proofs`."""
        self.registrations += 1
        proofs = {address: proof for address, proof in self.proofs[person] if address in (email, mobile)} if with_proofs else {}
        answer = outcome(
            lambda: self.world.register(
                username=f"{person}.{self.registrations}",
                name="Somebody",
                email=email,
                mobile=mobile,
                password=PASSWORDS[person],
                proofs=tuple(proofs.values()),
            )
        )
        if isinstance(answer, Account):
            self.accounts[answer.id] = ModelAccount(person, dict.fromkeys(proofs, person), owner_verified=bool(proofs))

    @rule(destination=addresses, email=st.none() | emails, is_login=st.booleans())
    def request_code(self, destination: str, email: str | None, is_login: bool) -> None:
        outcome(lambda: self.world.request_code(destination=destination, email=email, is_login=is_login))

    @rule(email=emails, mobile=mobiles)
    def request_registration_code(self, email: str, mobile: str) -> None:
        outcome(lambda: self.world.request_registration_code(name="Somebody", email=email, mobile=mobile))

    @rule(seconds=st.sampled_from((1.0, 29.0, 31.0, 301.0, 3601.0, 3601.0, 86_400.0, 86_400.0, IDLE_SECONDS)))
    def wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule(attempt=destinations, with_login=st.booleans(), with_request=st.booleans())
    def verify(self, attempt: tuple[str, str], with_login: bool, with_request: bool) -> None:
        person, destination = attempt
        self.request_first(destination, with_request)
        identity = self.identity(person) if with_login else None
        for address, code in self.codes(person):
            answer = outcome(partial(self.world.verify_code, destination=destination, verify_otp=code, identity=identity))
            if isinstance(answer, IssuedProof):
                self.proofs[person].append((address, answer.proof))
                self.verified_by_code(address, person, identity)
                return

    @rule(attempt=destinations, with_request=st.booleans())
    def log_in_by_code(self, attempt: tuple[str, str], with_request: bool) -> None:
        person, destination = attempt
        self.request_first(destination, with_request)
        owner = self.world.owner(destination)
        for address, code in self.codes(person):
            answer = outcome(partial(self.world.log_in_by_code, destination=destination, verify_otp=code))
            if isinstance(answer, TokenSet):
                assert owner is not None
                self.logged_in(person, address, owner, answer)
                return

    @rule(person=people, email=emails, mobile=mobiles, with_request=st.booleans())
    def register_or_log_in(self, person: str, email: str, mobile: str, with_request: bool) -> None:
        if with_request:
            self.world.clock.advance(1)
            self.request_registration_code(email, mobile)
        owner = self.world.owner(email) or self.world.owner(mobile)
        for address, code in self.codes(person):
            answer = outcome(
                partial(self.world.register_or_log_in, name="Somebody", email=email, mobile=mobile, verify_otp=code)
            )
            if isinstance(answer, TokenSet) and owner is None:
                account = self.world.identity(answer).account
                self.accounts[account.id] = ModelAccount(None, {address: person}, owner_verified=True)
                self.add_session(person, account.id, answer)
            elif isinstance(answer, TokenSet):
                assert owner is not None
                self.logged_in(person, address, owner, answer)
            if not isinstance(answer, Refusal):
                return

    @rule(attempt=destinations.filter(lambda attempt: "@" in attempt[1]), with_request=st.booleans())
    def reset(self, attempt: tuple[str, str], with_request: bool) -> None:
        person, email = attempt
        self.request_first(email, with_request)
        owner = self.world.owner(email)
        for address, code in self.codes(person):
            answer = outcome(partial(self.world.reset_password, email=email, otp=code, password=PASSWORDS[person]))
            if answer is None:
                assert owner is not None
                assert address == email
                self.check_login(person, address, owner)
                self.revoke_sessions(owner.id)
                self.accounts[owner.id].password_of = person
                return

    @rule(person=people, username=addresses)
    def log_in(self, person: str, username: str) -> None:
        """Logs in with the person's own password: people guess no others."""
        owner = self.world.owner(username)
        answer = outcome(lambda: self.world.log_in(username=username, password=PASSWORDS[person]))
        if isinstance(answer, TokenSet):
            assert owner is not None
            assert self.accounts[owner.id].password_of == person
            self.add_session(person, owner.id, answer)
        else:
            assert owner is None or self.accounts[owner.id].password_of != person or "Try again" in str(answer)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def guess(self, data: Any) -> None:
        destination = data.draw(addresses)
        codes = [code for person in PEOPLE for _, code in self.codes(person)]
        guess = next(text for text in (wrong(code) for code in [*codes, "123455"]) if text not in codes)

        assert isinstance(outcome(lambda: self.world.log_in_by_code(destination=destination, verify_otp=guess)), Refusal)
        assert isinstance(outcome(lambda: self.world.verify_code(destination=destination, verify_otp=guess)), Refusal)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def refresh(self, data: Any) -> None:
        session = data.draw(st.sampled_from(self.sessions))
        answer = outcome(lambda: self.world.refresh(refresh=session.tokens.refresh_token))

        assert isinstance(answer, TokenSet) is self.is_active(session)
        if isinstance(answer, TokenSet):
            session.rotate(answer, self.world.clock())

    @precondition(lambda self: any(session.previous for session in self.sessions))
    @rule(data=st.data())
    def replay(self, data: Any) -> None:
        """Presents a refresh token that was used before."""
        session = data.draw(st.sampled_from([session for session in self.sessions if session.previous]))
        assert session.previous is not None
        self.world.clock.advance(data.draw(st.sampled_from((0.0, 31.0))))
        is_active, is_grace = self.is_active(session), self.world.clock() - session.refreshed_at <= REUSE_GRACE_SECONDS

        answer = outcome(lambda: self.world.refresh(refresh=session.previous.refresh_token))

        assert isinstance(answer, TokenSet) is (is_active and is_grace)
        if isinstance(answer, TokenSet):
            assert answer.refresh_token == session.tokens.refresh_token
        else:
            session.is_revoked = True

    @precondition(lambda self: self.sessions)
    @rule(
        data=st.data(), email=st.none() | emails, mobile=st.none() | mobiles, password=st.booleans(), with_proofs=st.booleans()
    )
    def change(self, data: Any, email: str | None, mobile: str | None, password: bool, with_proofs: bool) -> None:
        session = data.draw(st.sampled_from(self.sessions))
        identity = self.refreshed_identity(session)
        if identity is None:
            return
        account = identity.account
        after = {address.kind: address.text for address in account.addresses}
        after |= {AddressKind.EMAIL: email} if email else {}
        after |= {AddressKind.MOBILE: mobile} if mobile else {}
        proofs = (
            {address: proof for address, proof in self.proofs[session.person] if address in after.values()}
            if with_proofs
            else {}
        )
        answer = outcome(
            lambda: self.world.change_account(
                identity=identity,
                email=email,
                mobile=mobile,
                password=PASSWORDS[session.person] if password else None,
                proofs=tuple(proofs.values()),
            )
        )
        if isinstance(answer, Account):
            self.changed(session, account, after, proofs, password=password)

    # --- effects by the contract --------------------------------------------------------------------------------------

    def changed(
        self, session: ModelSession, before: Account, after: dict[AddressKind, str], proofs: dict[str, str], *, password: bool
    ) -> None:
        model = self.accounts[before.id]
        model.verified = {address: verifier for address, verifier in model.verified.items() if address in after.values()}
        for address in sorted(proofs, key=lambda address: "@" not in address):
            self.verified_by_session(model, address, session.person)
        if password:
            model.password_of = session.person
            self.revoke_sessions(before.id, but=session)

    def verified_by_session(self, model: ModelAccount, address: str, person: str) -> None:
        """Records an address verified by a session of the account; verifies the owner if no other address is verified."""
        is_only = not any(("@" in other) != ("@" in address) for other in model.verified)
        model.owner_verified = is_only or (model.owner_verified and bool(model.verified))
        model.verified[address] = person

    def verified_by_code(self, address: str, person: str, identity: Identity | None) -> None:
        owner = self.world.owner(address)
        if owner is None:
            return
        model = self.accounts[owner.id]
        if identity is not None and identity.account.id == owner.id:
            self.verified_by_session(model, address, person)
        elif not model.verified:
            model.verified[address], model.owner_verified = person, False

    def check_login(self, person: str, address: str, account: Account) -> None:
        """Checks a login by code: the person reads the address, and it is verified or no address of the account is."""
        assert address in READS[person]
        model = self.accounts[account.id]
        assert address in {stored.text for stored in account.addresses}
        assert not model.verified or address in model.verified
        if not (model.owner_verified and model.verified):
            self.revoke_sessions(account.id)
            model.password_of, model.verified, model.owner_verified = None, {address: person}, True
            assert [stored.text for stored in self.world.now(account).addresses] == [address]

    def logged_in(self, person: str, address: str, account: Account, tokens: TokenSet) -> None:
        self.check_login(person, address, account)
        self.add_session(person, account.id, tokens)

    def add_session(self, person: str, account_id: int, tokens: TokenSet) -> None:
        now = self.world.clock()
        assert self.world.identity(tokens).account.id == account_id
        self.sessions.append(ModelSession(person, account_id, tokens, now, now))

    def revoke_sessions(self, account_id: int, but: ModelSession | None = None) -> None:
        for session in self.sessions:
            if session.account_id == account_id and session is not but:
                session.is_revoked = True

    def is_active(self, session: ModelSession) -> bool:
        now = self.world.clock()
        return (
            not session.is_revoked
            and now < session.refreshed_at + IDLE_SECONDS
            and now < session.created_at + MAX_LIFETIME_SECONDS
        )

    def request_first(self, destination: str, with_request: bool) -> None:
        if with_request:
            self.world.clock.advance(1)
            self.request_code(destination, None, is_login=False)

    def codes(self, person: str) -> list[tuple[str, str]]:
        """Returns the newest code at each address that the person reads."""
        return [(address, codes[-1]) for address in READS[person] if (codes := self.world.codes_at(address))]

    def identity(self, person: str) -> Identity | None:
        identities = (self.refreshed_identity(session) for session in self.sessions if session.person == person)
        return next((identity for identity in identities if identity), None)

    def refreshed_identity(self, session: ModelSession) -> Identity | None:
        """Refreshes the session; returns its identity, or None if it is not active."""
        if not self.is_active(session):
            return None
        session.rotate(self.world.refresh(refresh=session.tokens.refresh_token), self.world.clock())
        return self.world.identity(session.tokens)

    # --- invariants ---------------------------------------------------------------------------------------------------

    @invariant()
    def active_sessions_match_the_model(self) -> None:
        for session in self.sessions:
            fresh = self.world.tokens.issue_access(session.account_id, session.tokens.session, self.world.clock())
            assert (outcome(partial(self.world.authenticate, fresh)).__class__ is Identity) is self.is_active(session)

    @invariant()
    def stored_accounts_match_the_model(self) -> None:
        for account_id, model in self.accounts.items():
            account = self.world.database.accounts.get(account_id)
            assert account is not None
            verified = {address.text for address in account.addresses if account.has_verified(address)}
            assert verified == set(model.verified)
            assert (account.password_hash is not None) is (model.password_of is not None)
            assert all(model.verified[address] == reader_of(address) for address in verified)


AccountModel.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestAccountAccess = pytest.mark.slow(AccountModel.TestCase)
