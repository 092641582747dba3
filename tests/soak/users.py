"""Simulated users: their actions, and the acknowledged state that the service owes to each."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from tests.soak.client import BrokenPromise, Counts, Reply, RetryingClient, description
from tests.support.http_client import Client, Response, random_png, registration
from tests.support.nodes import Mail

MAIL_SECONDS = 8.0
"""Seconds after which a user requests another code: the delivery worker that held the message may have been killed."""

MAX_CODES = 3
"""Planned code requests of a user. The limit is five a day from a known network, and some requests are repeated."""


@dataclass
class Login:
    """A session whose tokens arrived."""

    token: str
    refresh: str
    spent: list[str] = field(default_factory=list)


class User:
    """One simulated user. Its attributes hold only state that the service acknowledged, or that a later call confirmed."""

    def __init__(self, number: int, client: RetryingClient, mail: Mail, counts: Counts, random: Random) -> None:
        self.username = f"user{number}x"
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
        self._random = random
        self._codes_requested = 0

    # --- registration -------------------------------------------------------------------------------------------------

    def register(self) -> None:
        proof = self._verified() if self._random.random() < 0.5 else None
        self.password = new_password()
        body = {**registration(self.username, self.password), "proofs": [proof] if proof else []}
        reply = self.client.call(
            "register", partial(Client.call, method="POST", path="/register/", body=body), {201}, on_retry={400}
        )
        if reply.status == 400 and reply.response.problem != (
            "invalid-input" if proof else "already-taken"
        ):  # the proof is spent
            raise BrokenPromise(f"register: {description(reply.response)}")
        self.is_owner_verified = proof is not None
        self._counts.add("registered")

    def register_by_code(self) -> None:
        body = {"name": "A User", "email": self.email, "mobile": self.mobile}
        self.username = self.mobile
        code = self._code(partial(Client.call, method="POST", path="/otpreglogin/", body=body))
        call = partial(Client.call, method="POST", path="/otpreglogin/", body={**body, "verify_otp": code})
        reply = self._submit("register by code", code, call, 201)
        self.is_owner_verified = True
        if reply is not None:
            self._logged_in(reply)
        self._counts.add("registered")
        if not self.logins:
            self.reset()

    def _verified(self) -> str | None:
        """Returns a proof of the email address, or None if the response with it was lost."""
        code = self._code(partial(Client.send_code, destination=self.email))
        reply = self._submit("verify", code, partial(Client.verify, destination=self.email, code=code), 201)
        return None if reply is None else str(reply.json["proof"])

    # --- actions ------------------------------------------------------------------------------------------------------

    def log_in(self) -> None:
        if self.password is None:
            self.reset()
        assert self.password is not None
        self._logged_in(self.client.call("log in", partial(Client.log_in, name=self.username, password=self.password), {200}))

    def refresh(self) -> None:
        """Refreshes several times, each at a random node, and sometimes sends the last token to all nodes at once."""
        login = self._login()
        for _ in range(self._random.randint(1, 4)):
            self._record_refresh(
                login, self.client.call("refresh", partial(Client.refresh, token=login.refresh), {200}).response
            )
        if self._random.random() < 0.5:
            responses = [
                a for a in self.client.call_all("refresh", partial(Client.refresh, token=login.refresh)) if a is not None
            ]
            successors = {response.json["refresh_token"] for response in responses if response.status == 200}
            if {response.status for response in responses} - {200, 503}:
                raise BrokenPromise(f"refresh at all nodes at once: {[description(response) for response in responses]}")
            self._counts.add("tokens sent to all nodes at once")
            response = self.client.call("refresh", partial(Client.refresh, token=login.refresh), {200}).response
            if response.json["refresh_token"] in successors:
                raise BrokenPromise("refresh: a repeated token got a successor that was given before")
            self._record_refresh(login, response)

    def _record_refresh(self, login: Login, response: Response) -> None:
        login.spent.append(login.refresh)
        login.token, login.refresh = str(response.json["token"]), str(response.json["refresh_token"])
        self._counts.add("refreshed")

    def change_password(self) -> None:
        login = self._login()
        self._change_password(login)

    def _change_password(self, login: Login) -> None:
        password = new_password()
        self.client.call("change password", partial(Client.change_password, token=login.token, password=password), {200})
        self._set_password(password)
        self._end_logins(except_for=login)
        self._counts.add("passwords changed")

    def reset(self) -> None:
        password = new_password()
        code = self._code(partial(Client.send_code, destination=self.email))
        body = {"email": self.email, "otp": code, "password": password}
        self._submit("reset", code, partial(Client.call, method="POST", path="/password/reset/", body=body), 202)
        self._claim()
        self._set_password(password)
        self._end_logins()
        self._counts.add("passwords reset")

    def log_in_by_code(self) -> None:
        """Logs in by a code. On an account whose owner is not verified this clears the password, all sessions and the image."""
        code = self._code(partial(Client.send_code, destination=self.email))
        body = {"destination": self.email, "verify_otp": code, "is_login": True}
        reply = self._submit("log in by code", code, partial(Client.call, method="POST", path="/otp/", body=body), 201)
        if not self.is_owner_verified:
            self._end_logins()
            self._set_password(None)
        self._claim()
        if reply is not None:
            self._logged_in(reply)
        if self.password is None and self.logins:
            self._change_password(self.logins[-1])
        elif self.password is None:
            self.reset()
        self._counts.add("logged in by code")

    def upload(self) -> None:
        reply = self.client.call("upload", partial(Client.upload, token=self._login().token, file=random_png()), {201})
        self.image = str(reply.json["profile_image"])
        self._counts.add("images uploaded")
        self.client.call("image", partial(Client.call, method="GET", path=path_of(self.image)), {200})

    def get(self) -> None:
        account = self.client.call("account", partial(Client.account, token=self._login().token), {200}).json
        if (account["username"], account["email"], account["profile_image"]) != (self.username, self.email, self.image):
            raise BrokenPromise(f"account: {account} is not {self.username}'s with {self.image}")

    def log_out(self) -> None:
        login = self._login()
        self.client.call(
            "log out", partial(Client.call, method="POST", path="/logout/", token=login.token), {204}, on_retry={401}
        )
        self.logins.remove(login)
        self.ended.append(login)
        self._counts.add("logged out")
        self.client.call("account", partial(Client.account, token=login.token), {401})

    def actions(self) -> list[Callable[[], None]]:
        """Returns the actions that are possible now."""
        by_code = [self.reset, self.log_in_by_code] if self._codes_requested < MAX_CODES else []
        return [self.log_in, self.refresh, self.refresh, self.change_password, self.upload, self.get, self.log_out, *by_code]

    # --- codes --------------------------------------------------------------------------------------------------------

    def _code(self, send: Callable[[Client], Response]) -> str:
        """Requests a code and reads it from the mail; requests another one if no mail arrives."""
        for _ in range(3):
            self._codes_requested += 1
            reply = self.client.call("send a code", send, {201, 429})
            self._counts.add("codes sent")
            try:
                return self._mail.code(self.email, reply.json["reference"], within=MAIL_SECONDS)
            except TimeoutError:
                self._counts.add("codes requested again")
        raise BrokenPromise(f"no code arrived at {self.email}")

    def _submit(self, name: str, code: str, call: Callable[[Client], Response], success: int) -> Reply | None:
        """Submits a correct code to one node or all, and sometimes again to each. Returns None if the response was lost."""
        if self._random.random() < 0.3:
            reply = self._submit_to_all(name, call, success)
        else:
            reply = self.client.call(name, call, {success}, on_retry={403})
        self.used_codes.append(code)
        self._counts.add("codes used")
        if self._random.random() < 0.3:
            for node in range(2):
                self.client.call(f"{name}, again", call, {403}, at=node)
        return reply if reply.status == success else None

    def _submit_to_all(self, name: str, call: Callable[[Client], Response], success: int) -> Reply:
        """Checks that one node accepts the code. If its response is lost, submits again: the code may be used by then."""
        responses = self.client.call_all(name, call)
        statuses = [response.status if response is not None else 503 for response in responses]
        if statuses.count(success) > 1 or set(statuses) - {success, 403, 503} or set(statuses) == {403}:
            raise BrokenPromise(f"{name} at all nodes at once: {[description(response) for response in responses]}")
        self._counts.add("codes submitted to all nodes at once")
        for response in responses:
            if response is not None and response.status == success:
                return Reply(response, is_retry=False)
        return self.client.call(name, call, {success, 403})

    # --- state --------------------------------------------------------------------------------------------------------

    def _login(self) -> Login:
        if not self.logins:
            self.log_in()
        return self._random.choice(self.logins)

    def _logged_in(self, reply: Reply) -> None:
        self.logins.append(Login(reply.json["token"], reply.json["refresh_token"]))
        self._counts.add("logged in")

    def _end_logins(self, *, except_for: Login | None = None) -> None:
        self.ended += [login for login in self.logins if login is not except_for]
        self.logins = [login for login in self.logins if login is except_for]

    def _claim(self) -> None:
        """Notes that a code came back: the first one clears the image of an account that had no verified address."""
        if not self.is_owner_verified:
            self.image = None
        self.is_owner_verified = True

    def _set_password(self, password: str | None) -> None:
        if self.password is not None:
            self.old_passwords.append(self.password)
        self.password = password


def new_password() -> str:
    return f"the engine weaves {os.urandom(6).hex()}"


def path_of(url: str) -> str:
    return f"/images/{url.rpartition('/')[2]}"
