"""At the end: whatever was acknowledged is there, and whatever is over is refused, at every node."""

from functools import partial

from tests.soak.client import BrokenPromise, Counts
from tests.soak.people import Login, Person, path_of
from tests.support.proxy import Answer, Line


def check(person: Person, counts: Counts, nodes: int) -> None:
    """Raises `BrokenPromise` for the first acknowledged state that does not hold."""
    for node in range(nodes):
        _account(person, counts, node)
        for login in person.logins:
            _living(person, login, counts, node)
        for login in person.ended:
            _refused(person, login, node)
            counts.add("checked: ended sessions")
        _codes(person, counts, node)
    for login in person.logins:
        _spent(person, login, counts, nodes)


def _account(person: Person, counts: Counts, node: int) -> None:
    """It logs in by the last password and no other, and has the last image."""
    client = person.client
    for old in person.old_passwords[-2:]:
        client.ask("log in by an old password", partial(Line.log_in, name=person.username, password=old), {401}, at=node)
        counts.add("checked: old passwords")
    if person.password is None:
        person.reset()
    assert person.password is not None
    call = partial(Line.log_in, name=person.username, password=person.password)
    token = client.ask("log in", call, {200}, at=node).json["token"]
    account = client.ask("account", partial(Line.account, token=token), {200}, at=node).json
    if (account["username"], account["email"], account["profile_image"]) != (person.username, person.email, person.image):
        raise BrokenPromise(f"account: {account} is not {person.username}'s with {person.image}")
    counts.add("checked: accounts and passwords")
    if person.image is not None:
        client.ask("image", partial(Line.ask, method="GET", path=path_of(person.image)), {200}, at=node)
        counts.add("checked: images")


def _living(person: Person, login: Login, counts: Counts, node: int) -> None:
    answer = person.client.ask("refresh", partial(Line.refresh, token=login.refresh), {200}, at=node).answer
    _next(login, answer)
    person.client.ask("account", partial(Line.account, token=login.token), {200}, at=node)
    counts.add("checked: living sessions")


def _next(login: Login, answer: Answer) -> None:
    login.spent.append(login.refresh)
    login.token, login.refresh = str(answer.json["token"]), str(answer.json["refresh_token"])


def _refused(person: Person, login: Login, node: int) -> None:
    person.client.ask("account after the end", partial(Line.account, token=login.token), {401}, at=node)
    person.client.ask("refresh after the end", partial(Line.refresh, token=login.refresh), {401}, at=node)


def _codes(person: Person, counts: Counts, node: int) -> None:
    for code in person.used_codes:
        call = partial(Line.verify, destination=person.email, code=code)
        person.client.ask("a used code", call, {403}, at=node)
        counts.add("checked: used codes")


def _spent(person: Person, login: Login, counts: Counts, nodes: int) -> None:
    """A refresh token from before the last one is good nowhere, and who shows it ends the session everywhere."""
    for token in login.spent[:-1][-1:]:
        person.client.ask("a spent refresh token", partial(Line.refresh, token=token), {401})
        counts.add("checked: spent refresh tokens")
        for node in range(nodes):
            _refused(person, login, node)
