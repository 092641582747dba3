"""Simulated users: their actions, and the acknowledged state that the service owes to each."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from tests.soak.client import BrokenPromise, Client, Counts, Reply, shown
from tests.support.nodes import Mail
from tests.support.proxy import Answer, Line, person, picture

READS_MAIL_FOR = 8.0
"""Seconds after which a user requests another code: the delivery worker that held the message may have been killed."""

MOST_CODES = 3
"""That somebody sets out to ask for: five an hour are sent, and some will be asked for again."""


@dataclass
class Login:
    """A session whose tokens arrived."""

    token: str
    refresh: str
    spent: list[str] = field(default_factory=list)


class Person:
    """Somebody with that number. Whatever a method says was done has been acknowledged, or is known to have been done."""

    def __init__(self, number: int, client: Client, mail: Mail, counts: Counts, chance: Random) -> None:
        self.username = f"person{number}"
        self.email = f"{self.username}@example.com"
        self.mobile = f"+49151{20_000_000 + number}"
        self.client = client
        self.password: str | None = None
        self.old_passwords: list[str] = []
        self.is_owner_verified = False
        self.logins: list[Login] = []
        self.ended: list[Login] = []
        self.image: str | None = None
        self.used_codes: list[str] = []
        self._mail = mail
        self._counts = counts
        self._chance = chance
        self._asked = 0

    # --- arriving -------------------------------------------------------------------------------------------------------

    def register(self) -> None:
        proof = self._verified() if self._chance.random() < 0.5 else None
        self.password = new_password()
        body = {**person(self.username, self.password), "proofs": [proof] if proof else []}
        reply = self.client.ask("register", partial(Line.ask, method="POST", path="/register/", body=body), {201}, second={400})
        if reply.status == 400 and reply.answer.problem != "already-taken":
            raise BrokenPromise(f"register: {shown(reply.answer)}")
        self.is_owner_verified = proof is not None
        self._counts.add("registered")

    def register_by_code(self) -> None:
        body = {"name": "A Person", "email": self.email, "mobile": self.mobile}
        self.username = self.mobile
        code = self._code(partial(Line.ask, method="POST", path="/otpreglogin/", body=body))
        call = partial(Line.ask, method="POST", path="/otpreglogin/", body={**body, "verify_otp": code})
        reply = self._use("register by code", code, call, 201)
        self.is_owner_verified = True
        if reply is not None:
            self._logged_in(reply)
        self._counts.add("registered")
        if not self.logins:
            self.reset()

    def _verified(self) -> str | None:
        """A proof of the email; None where the answer with it was lost."""
        code = self._code(partial(Line.send_code, destination=self.email))
        reply = self._use("verify", code, partial(Line.verify, destination=self.email, code=code), 201)
        return None if reply is None else str(reply.json["proof"])

    # --- what people do -------------------------------------------------------------------------------------------------

    def log_in(self) -> None:
        if self.password is None:
            self.reset()
        assert self.password is not None
        self._logged_in(self.client.ask("log in", partial(Line.log_in, name=self.username, password=self.password), {200}))

    def refresh(self) -> None:
        """Some turns, at any node each; the last token is then shown to all nodes at once."""
        login = self._login()
        for _ in range(self._chance.randint(1, 4)):
            self._turn(login, self.client.ask("refresh", partial(Line.refresh, token=login.refresh), {200}).answer)
        if self._chance.random() < 0.5:
            answers = [a for a in self.client.ask_all("refresh", partial(Line.refresh, token=login.refresh)) if a is not None]
            told = {answer.json["refresh_token"] for answer in answers if answer.status == 200}
            if len(told) > 1 or {answer.status for answer in answers} - {200, 503}:
                raise BrokenPromise(f"refresh at all nodes at once: {[shown(answer) for answer in answers]}")
            self._counts.add("tokens shown to all nodes at once")
            self._turn(login, self.client.ask("refresh", partial(Line.refresh, token=login.refresh), {200}).answer, told)

    def _turn(self, login: Login, answer: Answer, told: set[str] | None = None) -> None:
        successor = str(answer.json["refresh_token"])
        if told and told != {successor}:
            raise BrokenPromise("refresh: one token has two successors")
        login.spent.append(login.refresh)
        login.token, login.refresh = str(answer.json["token"]), successor
        self._counts.add("refreshed")

    def change_password(self) -> None:
        login = self._login()
        self._change_password(login)

    def _change_password(self, login: Login) -> None:
        password = new_password()
        self.client.ask("change password", partial(Line.change_password, token=login.token, password=password), {200})
        self._has_password(password)
        self._end(but=login)
        self._counts.add("passwords changed")

    def reset(self) -> None:
        password = new_password()
        code = self._code(partial(Line.send_code, destination=self.email))
        body = {"email": self.email, "otp": code, "password": password}
        self._use("reset", code, partial(Line.ask, method="POST", path="/password/reset/", body=body), 202)
        self._has_password(password)
        self._end()
        self.is_owner_verified = True
        self._counts.add("passwords reset")

    def log_in_by_code(self) -> None:
        """Clears password and sessions of an account without a verified address: anyone may have made it."""
        code = self._code(partial(Line.send_code, destination=self.email))
        body = {"destination": self.email, "verify_otp": code, "is_login": True}
        reply = self._use("log in by code", code, partial(Line.ask, method="POST", path="/otp/", body=body), 201)
        if not self.is_owner_verified:
            self._end()
            self._has_password(None)
            self.is_owner_verified = True
        if reply is not None:
            self._logged_in(reply)
        if self.password is None and self.logins:
            self._change_password(self.logins[-1])
        elif self.password is None:
            self.reset()
        self._counts.add("logged in by code")

    def upload(self) -> None:
        reply = self.client.ask("upload", partial(Line.upload, token=self._login().token, file=picture()), {201})
        self.image = str(reply.json["profile_image"])
        self._counts.add("images uploaded")
        self.client.ask("image", partial(Line.ask, method="GET", path=path_of(self.image)), {200})

    def get(self) -> None:
        account = self.client.ask("account", partial(Line.account, token=self._login().token), {200}).json
        if (account["username"], account["email"], account["profile_image"]) != (self.username, self.email, self.image):
            raise BrokenPromise(f"account: {account} is not {self.username}'s with {self.image}")

    def log_out(self) -> None:
        login = self._login()
        self.client.ask("log out", partial(Line.ask, method="POST", path="/logout/", token=login.token), {200}, second={401})
        self.logins.remove(login)
        self.ended.append(login)
        self._counts.add("logged out")
        self.client.ask("account", partial(Line.account, token=login.token), {401})

    def acts(self) -> list[Callable[[], None]]:
        """What may be done now."""
        by_code = [self.reset, self.log_in_by_code] if self._asked < MOST_CODES else []
        return [self.log_in, self.refresh, self.refresh, self.change_password, self.upload, self.get, self.log_out, *by_code]

    # --- codes ----------------------------------------------------------------------------------------------------------

    def _code(self, send: Callable[[Line], Answer]) -> str:
        """A code out of the mail; another one is asked for where none comes."""
        for _ in range(3):
            self._asked += 1
            reply = self.client.ask("send a code", send, {201, 429})
            self._counts.add("codes sent")
            try:
                return self._mail.code(self.email, reply.json["reference"], within=READS_MAIL_FOR)
            except TimeoutError:
                self._counts.add("codes asked for again")
        raise BrokenPromise(f"no code came to {self.email}")

    def _use(self, what: str, code: str, call: Callable[[Line], Answer], success: int) -> Reply | None:
        """Submits a correct code to one node or all, and perhaps again to each. None if the answer was lost."""
        if self._chance.random() < 0.3:
            reply = self._use_at_once(what, call, success)
        else:
            reply = self.client.ask(what, call, {success}, second={403})
        self.used_codes.append(code)
        self._counts.add("codes used")
        if self._chance.random() < 0.3:
            for node in range(2):
                self.client.ask(f"{what}, again", call, {403}, at=node)
        return reply if reply.status == success else None

    def _use_at_once(self, what: str, call: Callable[[Line], Answer], success: int) -> Reply:
        """One node accepts the code. If that answer is lost, the code is submitted again, and may be used by then."""
        answers = self.client.ask_all(what, call)
        statuses = [answer.status if answer is not None else 503 for answer in answers]
        if statuses.count(success) > 1 or set(statuses) - {success, 403, 503} or set(statuses) == {403}:
            raise BrokenPromise(f"{what} at all nodes at once: {[shown(answer) for answer in answers]}")
        self._counts.add("codes brought back to all nodes at once")
        for answer in answers:
            if answer is not None and answer.status == success:
                return Reply(answer, is_second=False)
        return self.client.ask(what, call, {success, 403})

    # --- bookkeeping ----------------------------------------------------------------------------------------------------

    def _login(self) -> Login:
        if not self.logins:
            self.log_in()
        return self._chance.choice(self.logins)

    def _logged_in(self, reply: Reply) -> None:
        self.logins.append(Login(reply.json["token"], reply.json["refresh_token"]))
        self._counts.add("logged in")

    def _end(self, *, but: Login | None = None) -> None:
        self.ended += [login for login in self.logins if login is not but]
        self.logins = [login for login in self.logins if login is but]

    def _has_password(self, password: str | None) -> None:
        if self.password is not None:
            self.old_passwords.append(self.password)
        self.password = password


def new_password() -> str:
    return f"the engine weaves {os.urandom(6).hex()}"


def path_of(url: str) -> str:
    return f"/images/{url.rpartition('/')[2]}"
