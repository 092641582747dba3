"""Random calls in random order never let a person into another person's account.

Three people share five addresses: each reads some of them, and each may type any of them. The model follows the contract
alone: it holds the person who set an account's password, and the person who verified each address. A session gained by other
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
aims = readers | readers | readers | st.tuples(people, addresses)
"""A person and an address of a code that they enter: mostly one that they read."""


def reader(address: str) -> str:
    return next(person for person in PEOPLE if address in READS[person])


@dataclass
class Held:
    """A session of a person, and the reason for it."""

    person: str
    account_id: int
    tokens: TokenSet
    begun: float
    refreshed: float
    ended: bool = False
    spent: TokenSet | None = None
    """The set before the present one."""

    def turn(self, tokens: TokenSet, now: float) -> None:
        self.spent, self.tokens, self.refreshed = self.tokens, tokens, now


@dataclass
class Known:
    """The model of an account: what the contract alone says of it."""

    password_of: str | None
    verified: dict[str, str] = field(default_factory=dict)
    """The person who verified each address."""
    owner_verified: bool = False


class Anything(RuleBasedStateMachine):
    """Each rule is one call by one person, who knows only what they typed and what they read."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(rate_limits=False, otp_cooldown=1)
        self.known: dict[int, Known] = {}
        self.held: list[Held] = []
        self.proofs: dict[str, list[tuple[str, str]]] = {person: [] for person in PEOPLE}
        self.names = 0

    @initialize()
    def one_account_exists(self) -> None:
        self.register("eve", "ann@mail.example.com", "9999999991", carry=False)

    # --- what people do -----------------------------------------------------------------------------------------------

    @rule(person=people, email=emails, mobile=st.none() | mobiles, carry=st.booleans())
    def register(self, person: str, email: str, mobile: str | None, carry: bool) -> None:
        """With any address, its own or another's; with the person's proofs if `carry`."""
        self.names += 1
        mine = {address: proof for address, proof in self.proofs[person] if address in (email, mobile)} if carry else {}
        answer = outcome(
            lambda: self.world.register(
                username=f"{person}.{self.names}",
                name="Somebody",
                email=email,
                mobile=mobile,
                password=PASSWORDS[person],
                proofs=tuple(mine.values()),
            )
        )
        if isinstance(answer, Account):
            self.known[answer.id] = Known(person, dict.fromkeys(mine, person), owner_verified=bool(mine))

    @rule(destination=addresses, email=st.none() | emails, is_login=st.booleans())
    def ask_for_a_code(self, destination: str, email: str | None, is_login: bool) -> None:
        outcome(lambda: self.world.request_code(destination=destination, email=email, is_login=is_login))

    @rule(email=emails, mobile=mobiles)
    def ask_for_a_code_to_register_or_log_in(self, email: str, mobile: str) -> None:
        outcome(lambda: self.world.request_registration_code(name="Somebody", email=email, mobile=mobile))

    @rule(seconds=st.sampled_from((1.0, 29.0, 31.0, 301.0, 3601.0, 3601.0, 86_400.0, 86_400.0, IDLE_SECONDS)))
    def wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule(aim=aims, with_login=st.booleans(), asks=st.booleans())
    def verify(self, aim: tuple[str, str], with_login: bool, asks: bool) -> None:
        person, destination = aim
        self.ask(destination, asks)
        identity = self.identity(person) if with_login else None
        for address, code in self.codes(person):
            answer = outcome(partial(self.world.verify_code, destination=destination, verify_otp=code, identity=identity))
            if isinstance(answer, IssuedProof):
                self.proofs[person].append((address, answer.proof))
                self.mark(address, person, identity)
                return

    @rule(aim=aims, asks=st.booleans())
    def log_in_by_code(self, aim: tuple[str, str], asks: bool) -> None:
        person, destination = aim
        self.ask(destination, asks)
        owner = self.world.owner(destination)
        for address, code in self.codes(person):
            answer = outcome(partial(self.world.log_in_by_code, destination=destination, verify_otp=code))
            if isinstance(answer, TokenSet):
                assert owner is not None
                self.entered(person, address, owner, answer)
                return

    @rule(person=people, email=emails, mobile=mobiles, asks=st.booleans())
    def register_or_log_in(self, person: str, email: str, mobile: str, asks: bool) -> None:
        if asks:
            self.world.clock.advance(1)
            self.ask_for_a_code_to_register_or_log_in(email, mobile)
        owner = self.world.owner(email) or self.world.owner(mobile)
        for address, code in self.codes(person):
            answer = outcome(
                partial(self.world.register_or_log_in, name="Somebody", email=email, mobile=mobile, verify_otp=code)
            )
            if isinstance(answer, TokenSet) and owner is None:
                account = self.world.identity(answer).account
                self.known[account.id] = Known(None, {address: person}, owner_verified=True)
                self.hold(person, account.id, answer)
            elif isinstance(answer, TokenSet):
                assert owner is not None
                self.entered(person, address, owner, answer)
            if not isinstance(answer, Refusal):
                return

    @rule(aim=aims.filter(lambda aim: "@" in aim[1]), asks=st.booleans())
    def reset(self, aim: tuple[str, str], asks: bool) -> None:
        person, email = aim
        self.ask(email, asks)
        owner = self.world.owner(email)
        for address, code in self.codes(person):
            answer = outcome(partial(self.world.reset_password, email=email, otp=code, password=PASSWORDS[person]))
            if answer is None:
                assert owner is not None
                assert address == email
                self.let_in(person, address, owner)
                self.end_sessions(owner.id)
                self.known[owner.id].password_of = person
                return

    @rule(person=people, username=addresses)
    def log_in(self, person: str, username: str) -> None:
        """People know their own passwords, and guess at no others."""
        owner = self.world.owner(username)
        answer = outcome(lambda: self.world.log_in(username=username, password=PASSWORDS[person]))
        if isinstance(answer, TokenSet):
            assert owner is not None
            assert self.known[owner.id].password_of == person
            self.hold(person, owner.id, answer)
        else:
            assert owner is None or self.known[owner.id].password_of != person or "Try again" in str(answer)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def guess(self, data: Any) -> None:
        destination = data.draw(addresses)
        codes = [code for person in PEOPLE for _, code in self.codes(person)]
        guess = next(text for text in (wrong(code) for code in [*codes, "123455"]) if text not in codes)

        assert isinstance(outcome(lambda: self.world.log_in_by_code(destination=destination, verify_otp=guess)), Refusal)
        assert isinstance(outcome(lambda: self.world.verify_code(destination=destination, verify_otp=guess)), Refusal)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def refresh(self, data: Any) -> None:
        held = data.draw(st.sampled_from(self.held))
        answer = outcome(lambda: self.world.refresh(refresh=held.tokens.refresh_token))

        assert isinstance(answer, TokenSet) is self.lives(held)
        if isinstance(answer, TokenSet):
            held.turn(answer, self.world.clock())

    @precondition(lambda self: any(held.spent for held in self.held))
    @rule(data=st.data())
    def replay(self, data: Any) -> None:
        """A refresh token that was used before is presented again."""
        held = data.draw(st.sampled_from([held for held in self.held if held.spent]))
        assert held.spent is not None
        self.world.clock.advance(data.draw(st.sampled_from((0.0, 31.0))))
        lives, is_grace = self.lives(held), self.world.clock() - held.refreshed <= REUSE_GRACE_SECONDS

        answer = outcome(lambda: self.world.refresh(refresh=held.spent.refresh_token))

        assert isinstance(answer, TokenSet) is (lives and is_grace)
        if isinstance(answer, TokenSet):
            assert answer.refresh_token == held.tokens.refresh_token
        else:
            held.ended = True

    @precondition(lambda self: self.held)
    @rule(data=st.data(), email=st.none() | emails, mobile=st.none() | mobiles, password=st.booleans(), carry=st.booleans())
    def change(self, data: Any, email: str | None, mobile: str | None, password: bool, carry: bool) -> None:
        held = data.draw(st.sampled_from(self.held))
        identity = self.renewed(held)
        if identity is None:
            return
        account = identity.account
        after = {one.kind: one.text for one in account.addresses}
        after |= {AddressKind.EMAIL: email} if email else {}
        after |= {AddressKind.MOBILE: mobile} if mobile else {}
        mine = {address: proof for address, proof in self.proofs[held.person] if address in after.values()} if carry else {}
        answer = outcome(
            lambda: self.world.change_account(
                identity=identity,
                email=email,
                mobile=mobile,
                password=PASSWORDS[held.person] if password else None,
                proofs=tuple(mine.values()),
            )
        )
        if isinstance(answer, Account):
            self.changed(held, account, after, mine, password=password)

    # --- what follows from it, by the contract ------------------------------------------------------------------------

    def changed(
        self, held: Held, before: Account, after: dict[AddressKind, str], mine: dict[str, str], *, password: bool
    ) -> None:
        known = self.known[before.id]
        known.verified = {address: who for address, who in known.verified.items() if address in after.values()}
        for address in sorted(mine, key=lambda one: "@" not in one):
            self.held_proof(known, address, held.person)
        if password:
            known.password_of = held.person
            self.end_sessions(before.id, but=held)

    def held_proof(self, known: Known, address: str, person: str) -> None:
        """A session verified an address of its account: if it is the only verified one, its person owns the account."""
        alone = not any(("@" in other) != ("@" in address) for other in known.verified)
        known.owner_verified = alone or (known.owner_verified and bool(known.verified))
        known.verified[address] = person

    def mark(self, address: str, person: str, identity: Identity | None) -> None:
        owner = self.world.owner(address)
        if owner is None:
            return
        known = self.known[owner.id]
        if identity is not None and identity.account.id == owner.id:
            self.held_proof(known, address, person)
        elif not known.verified:
            known.verified[address], known.owner_verified = person, False

    def let_in(self, person: str, address: str, account: Account) -> None:
        """A code logged in: only from an address that the person reads, if it is verified or no address is."""
        assert address in READS[person]
        known = self.known[account.id]
        assert address in {one.text for one in account.addresses}
        assert not known.verified or address in known.verified
        if not (known.owner_verified and known.verified):
            self.end_sessions(account.id)
            known.password_of, known.verified, known.owner_verified = None, {address: person}, True
            assert [one.text for one in self.world.now(account).addresses] == [address]

    def entered(self, person: str, address: str, account: Account, tokens: TokenSet) -> None:
        self.let_in(person, address, account)
        self.hold(person, account.id, tokens)

    def hold(self, person: str, account_id: int, tokens: TokenSet) -> None:
        now = self.world.clock()
        assert self.world.identity(tokens).account.id == account_id
        self.held.append(Held(person, account_id, tokens, now, now))

    def end_sessions(self, account_id: int, but: Held | None = None) -> None:
        for held in self.held:
            if held.account_id == account_id and held is not but:
                held.ended = True

    def lives(self, held: Held) -> bool:
        now = self.world.clock()
        return not held.ended and now < held.refreshed + IDLE_SECONDS and now < held.begun + MAX_LIFETIME_SECONDS

    def ask(self, destination: str, asks: bool) -> None:
        if asks:
            self.world.clock.advance(1)
            self.ask_for_a_code(destination, None, is_login=False)

    def codes(self, person: str) -> list[tuple[str, str]]:
        """The newest code at each address that the person reads."""
        return [(address, found[-1]) for address in READS[person] if (found := self.world.codes_at(address))]

    def identity(self, person: str) -> Identity | None:
        mine = (self.renewed(held) for held in self.held if held.person == person)
        return next((identity for identity in mine if identity), None)

    def renewed(self, held: Held) -> Identity | None:
        """Who they are by that session, with tokens fresh from a refresh; None where it has ended."""
        if not self.lives(held):
            return None
        held.turn(self.world.refresh(refresh=held.tokens.refresh_token), self.world.clock())
        return self.world.identity(held.tokens)

    # --- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def sessions_are_alive_as_long_as_they_should_be(self) -> None:
        for held in self.held:
            fresh = self.world.tokens.issue_access(held.account_id, held.tokens.session, self.world.clock())
            assert (outcome(partial(self.world.authenticate, fresh)).__class__ is Identity) is self.lives(held)

    @invariant()
    def stored_accounts_match_the_model(self) -> None:
        for account_id, known in self.known.items():
            account = self.world.database.accounts.get(account_id)
            assert account is not None
            verified = {one.text for one in account.addresses if account.has_verified(one)}
            assert verified == set(known.verified)
            assert (account.password_hash is not None) is (known.password_of is not None)
            assert all(known.verified[address] == reader(address) for address in verified)


Anything.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestNoAccountOpensToAnotherPerson = pytest.mark.slow(Anything.TestCase)
