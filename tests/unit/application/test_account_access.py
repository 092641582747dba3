"""Random calls in random order never let a person into another person's account, or take from it what its owner proved.

Three people share seven addresses: each reads some of them, and each may type any of them, as squatters do and by mistake.
Before and after each call by one person every account is compared. *Access* to an account is an active session, its password, a
verified or recovery address that the person reads, or any address of an account that never had a verified one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.support.world import PNG, World, outcome, wrong

from vestibule.application import Account, AlreadyTaken, CodeEffects, Identity, InvalidInput, IssuedProof, Refusal, TokenSet
from vestibule.domain.ownership import AddressState, state_of
from vestibule.domain.session import DEFAULT_LIFETIME

PEOPLE = ("ann", "bob", "eve")
READS = {
    "ann": ("ann@mail.example.com", "ann@work.example.com", "9999999991"),
    "bob": ("bob@mail.example.com", "9999999992"),
    "eve": ("eve@mail.example.com", "amn@mail.example.com"),
}
ADDRESSES = tuple(address for person in PEOPLE for address in READS[person])
EMAILS = tuple(address for address in ADDRESSES if "@" in address)
MOBILES = tuple(address for address in ADDRESSES if "@" not in address)
PASSWORDS = {person: f"{person} keeps this secret" for person in PEOPLE}
DAY = 86_400.0

mostly = st.sampled_from((True, True, True, False))
people = st.sampled_from(PEOPLE)
emails = st.sampled_from(EMAILS)
mobiles = st.sampled_from(MOBILES)
addresses = st.sampled_from(ADDRESSES)
readers = st.sampled_from([(person, address) for person in PEOPLE for address in READS[person]])
destinations = readers | readers | readers | st.tuples(people, addresses)
"""A person and an address whose code they enter: mostly an address that they read."""


@dataclass(frozen=True)
class State:
    """An account before or after a call, with the states of its addresses and the ids of its active sessions."""

    account: Account
    states: dict[str, AddressState]
    sessions: frozenset[str]

    @property
    def kept(self) -> tuple[Any, ...]:
        """Everything that a person without access must not change."""
        account, unverified = self.account, (AddressState.UNVERIFIED, AddressState.CLAIMABLE)
        owned = {address: state for address, state in self.states.items() if state not in unverified}
        return account.password_hash, account.name, account.image, account.is_active, owned, self.sessions


class AccountModel(RuleBasedStateMachine):
    """Rules that are one call each, by one person who knows only their own input and the codes that they read."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(rate_limits=False, otp_cooldown=1, fresh_login=None)
        self.ids: list[int] = []
        self.tokens: list[tuple[str, TokenSet]] = []
        self.proofs: dict[str, list[tuple[str, str]]] = {person: [] for person in PEOPLE}
        self.proved: set[tuple[int, str]] = set()
        """Accounts with the addresses that were verified there."""
        self.registrations = 0

    @initialize(is_squatted=st.booleans(), moves=st.booleans())
    def register_first_account(self, is_squatted: bool, moves: bool) -> None:
        """Begins with an account of Ann's addresses that Eve made, or with Ann's own, which may have moved to another email."""
        if is_squatted:
            self.register("eve", "ann@mail.example.com", "9999999991", with_proofs=False)
            return
        self.register_or_log_in("ann", "ann@mail.example.com", "9999999991", with_request=True)
        self.log_in_by_code(("ann", "ann@mail.example.com"), with_login=False, with_request=True)
        if moves:
            identity = self.identity("ann")
            assert identity is not None
            self.act("ann", partial(self.world.change_account, identity=identity, email="amn@mail.example.com"))

    # --- calls --------------------------------------------------------------------------------------------------------

    @rule(person=people, email=emails, mobile=st.none() | mobiles, with_proofs=st.booleans())
    def register(self, person: str, email: str, mobile: str | None, with_proofs: bool) -> None:
        """Registers with any addresses, own or others'; with the person's proofs if `with_proofs`."""
        self.registrations += 1
        proofs = self.proofs_of(person, email, mobile) if with_proofs else {}
        free = all(self.is_free(address, is_proved=address in proofs) for address in (email, mobile) if address)
        answer = self.act(
            person,
            partial(
                self.world.register,
                username=f"{person}.{self.registrations}",
                name="Somebody",
                email=email,
                mobile=mobile,
                password=PASSWORDS[person],
                proofs=tuple(proofs.values()),
            ),
        )
        if not isinstance(answer, InvalidInput) or isinstance(answer, AlreadyTaken):  # a proof may be too old
            assert isinstance(answer, Account) is free, (answer, free)

    @rule(destination=addresses, email=st.none() | emails, is_login=st.booleans())
    def request_code(self, destination: str, email: str | None, is_login: bool) -> None:
        outcome(lambda: self.world.request_code(destination=destination, email=email, is_login=is_login))

    @rule(email=emails, mobile=mobiles)
    def request_registration_code(self, email: str, mobile: str) -> None:
        outcome(lambda: self.world.request_registration_code(name="Somebody", email=email, mobile=mobile))

    @rule(seconds=st.sampled_from((1.0, 29.0, 31.0, 301.0, 3601.0, 3601.0, DAY, 7 * DAY, DEFAULT_LIFETIME.idle)))
    def wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule(attempt=destinations, with_login=st.booleans(), with_request=mostly)
    def verify(self, attempt: tuple[str, str], with_login: bool, with_request: bool) -> None:
        person, destination = attempt
        self.request_first(destination, with_request)
        identity = self.identity(person) if with_login else None
        for address, code in self.codes(person):
            call = partial(self.world.verify_code, destination=destination, verify_otp=code, identity=identity)
            answer = self.act(person, call)
            if isinstance(answer, IssuedProof):
                self.proofs[person].append((address, answer.proof))
                return

    @rule(attempt=destinations, with_login=st.booleans(), with_request=mostly)
    def log_in_by_code(self, attempt: tuple[str, str], with_login: bool, with_request: bool) -> None:
        person, destination = attempt
        self.request_first(destination, with_request)
        identity = self.identity(person) if with_login else None
        for address, code in self.codes(person):
            call = partial(self.world.log_in_by_code, destination=destination, verify_otp=code, identity=identity)
            if not isinstance(self.enter(person, address, call, identity), Refusal):
                return

    @rule(person=people, email=emails, mobile=mobiles, with_request=mostly)
    def register_or_log_in(self, person: str, email: str, mobile: str, with_request: bool) -> None:
        if with_request:
            self.world.clock.advance(1)
            self.request_registration_code(email, mobile)
        for address, code in self.codes(person):
            call = partial(self.world.register_or_log_in, name="Somebody", email=email, mobile=mobile, verify_otp=code)
            if not isinstance(self.enter(person, address, call, None), Refusal):
                return

    @rule(attempt=destinations.filter(lambda attempt: "@" in attempt[1]), with_request=mostly)
    def reset(self, attempt: tuple[str, str], with_request: bool) -> None:
        person, email = attempt
        self.request_first(email, with_request)
        for address, code in self.codes(person):
            call = partial(self.world.reset_password, email=email, otp=code, password=PASSWORDS[person])
            if not isinstance(self.enter(person, address, call, None), Refusal):
                return

    @rule(person=people, username=addresses)
    def log_in(self, person: str, username: str) -> None:
        """Logs in with the person's own password: people guess no others."""
        self.act(person, partial(self.world.log_in, username=username, password=PASSWORDS[person]))

    @rule(destination=addresses)
    def guess(self, destination: str) -> None:
        codes = [code for person in PEOPLE for _, code in self.codes(person)]
        guess = next(text for text in (wrong(code) for code in [*codes, "123455"]) if text not in codes)

        assert isinstance(outcome(lambda: self.world.log_in_by_code(destination=destination, verify_otp=guess)), Refusal)
        assert isinstance(outcome(lambda: self.world.verify_code(destination=destination, verify_otp=guess)), Refusal)

    @precondition(lambda self: self.tokens)
    @rule(
        data=st.data(),
        email=st.none() | emails | emails,
        mobile=st.none() | mobiles,
        removes_mobile=st.sampled_from((False, False, False, True)),
        password=st.booleans(),
        with_proofs=st.booleans(),
    )
    def change(
        self, data: Any, email: str | None, mobile: str | None, removes_mobile: bool, password: bool, with_proofs: bool
    ) -> None:
        person, tokens = data.draw(st.sampled_from(self.tokens))
        identity = self.identity_of(tokens)
        if identity is None:
            return
        before = identity.account
        proofs = self.proofs_of(person, email, mobile) if with_proofs else {}
        answer = self.act(
            person,
            partial(
                self.world.change_account,
                identity=identity,
                email=email,
                mobile=None if removes_mobile else mobile or "",
                password=PASSWORDS[person] if password else None,
                proofs=() if removes_mobile else tuple(proofs.values()),
            ),
        )
        if isinstance(answer, Account):
            had, has = ([one.kind for one in account.addresses if account.has_verified(one)] for account in (before, answer))
            assert has or not had or any(kept.expires_at is None for kept in answer.recovery_addresses)

    @precondition(lambda self: self.tokens)
    @rule(data=st.data())
    def upload_image(self, data: Any) -> None:
        person, tokens = data.draw(st.sampled_from(self.tokens))
        if identity := self.identity_of(tokens):
            self.act(person, partial(self.world.upload_image, identity=identity, profile_image=PNG))

    # --- checks of every call -----------------------------------------------------------------------------------------

    def enter(self, person: str, address: str, call: Callable[[], Any], identity: Identity | None) -> Any:
        """Makes a call that a code from the address may open an account by, and checks the effect that its state has."""
        before = self.states()
        answer = self.act(person, call)
        if isinstance(answer, TokenSet | CodeEffects):
            opened = [one for one, state in before.items() if address in state.states and self.was_opened(one, answer, state)]
            for account_id in opened:
                state, after = before[account_id].states[address], self.states()[account_id]
                assert state is not AddressState.UNVERIFIED
                is_own = identity is not None and identity.account.id == account_id
                if state is AddressState.RECOVERY or (state is AddressState.CLAIMABLE and not is_own):
                    assert not after.sessions & before[account_id].sessions
                    assert after.account.password_hash is None or isinstance(answer, CodeEffects)
                assert after.states[address] is AddressState.VERIFIED
        return answer

    def was_opened(self, account_id: int, answer: TokenSet | CodeEffects, before: State) -> bool:
        if isinstance(answer, TokenSet):
            return self.world.identity(answer).account.id == account_id
        return self.world.now(before.account).password_hash != before.account.password_hash

    def act(self, person: str, call: Callable[[], Any]) -> Any:
        """Makes a call by the person, and checks that it changed only accounts that the person has access to."""
        before = self.states()
        answer = outcome(call)
        if isinstance(answer, Account) and answer.id not in self.ids:
            self.ids.append(answer.id)
        if isinstance(answer, TokenSet):
            account_id = self.world.identity(answer).account.id
            if account_id not in self.ids:
                self.ids.append(account_id)
            else:
                assert self.has_access(person, before[account_id])
            self.tokens.append((person, answer))
        after = self.states()
        for account_id, state in before.items():
            if not self.has_access(person, state):
                assert after[account_id].kept == state.kept
        self.check_verified(person, after)
        return answer

    def check_verified(self, person: str, after: dict[int, State]) -> None:
        """Checks that an address is verified by its reader alone, or because the account had it verified before."""
        for account_id, state in after.items():
            for address, address_state in state.states.items():
                if address_state is AddressState.VERIFIED and (account_id, address) not in self.proved:
                    assert address in READS[person]
                    self.proved.add((account_id, address))

    def has_access(self, person: str, state: State) -> bool:
        opening = (AddressState.VERIFIED, AddressState.RECOVERY, AddressState.CLAIMABLE)
        if any(state.states.get(address) in opening for address in READS[person]):
            return True
        if self.world.hasher.verify(state.account.password_hash, PASSWORDS[person]):
            return True
        return any(of == person and tokens.session in state.sessions for of, tokens in self.tokens)

    def states(self) -> dict[int, State]:
        return {account_id: self.state(account_id) for account_id in self.ids}

    def state(self, account_id: int) -> State:
        account = self.world.database.accounts.get(account_id)
        assert account is not None
        states = {address: self.address_state(account, address) for address in ADDRESSES}
        active = self.world.database.sessions.active(account_id, self.world.clock())
        return State(
            account,
            {address: state for address, state in states.items() if state is not None},
            frozenset(session.id for session in active),
        )

    def address_state(self, account: Account, text: str) -> AddressState | None:
        """The state by the history that this test has seen, and not by a mark that the account carries."""
        address = self.world.address(text)
        if account.has(address):
            if account.has_verified(address):
                return AddressState.VERIFIED
            has_proved = any(account_id == account.id for account_id, _ in self.proved)
            return AddressState.UNVERIFIED if has_proved else AddressState.CLAIMABLE
        if state_of(account, address, self.world.clock()) is None:
            return None
        assert (account.id, text) in self.proved
        return AddressState.RECOVERY

    def is_free(self, address: str, *, is_proved: bool) -> bool:
        """Returns whether a registration must get the address: each person gets an address that they can prove."""
        held = [states[address] for one in self.ids if address in (states := self.state(one).states)]
        return all(is_proved and state in (AddressState.UNVERIFIED, AddressState.CLAIMABLE) for state in held)

    # --- people -------------------------------------------------------------------------------------------------------

    def request_first(self, destination: str, with_request: bool) -> None:
        if with_request:
            self.world.clock.advance(1)
            self.request_code(destination, None, is_login=False)

    def codes(self, person: str) -> list[tuple[str, str]]:
        """Returns the newest code at each address that the person reads."""
        return [(address, codes[-1]) for address in READS[person] if (codes := self.world.codes_at(address))]

    def proofs_of(self, person: str, *wanted: str | None) -> dict[str, str]:
        """Takes the latest proof of each wanted address: each is spent once."""
        latest = {address: proof for address, proof in self.proofs[person] if address in wanted}
        self.proofs[person] = [one for one in self.proofs[person] if one[0] not in latest]
        return latest

    def identity(self, person: str) -> Identity | None:
        identities = (self.identity_of(tokens) for of, tokens in self.tokens if of == person)
        return next((identity for identity in identities if identity), None)

    def identity_of(self, tokens: TokenSet) -> Identity | None:
        """The identity of a session, while it is active, with a new access token."""
        claims = next((one for one in self.ids if tokens.session in self.state(one).sessions), None)
        if claims is None:
            return None
        return self.world.authenticate(self.world.tokens.issue_access(claims, tokens.session, self.world.clock()))

    @invariant()
    def each_address_has_one_holder(self) -> None:
        for address in ADDRESSES:
            held = [states[address] for one in self.ids if address in (states := self.state(one).states)]
            assert len(held) <= 1


AccountModel.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestAccountAccess = pytest.mark.slow(AccountModel.TestCase)
