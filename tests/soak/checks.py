"""The final checks: each node has all acknowledged changes, and refuses all revoked and used credentials."""

from functools import partial

from tests.soak.client import BrokenPromise, Counts
from tests.soak.users import Login, User, path_of
from tests.support.http_client import Client, Response


def check(user: User, counts: Counts, nodes: int) -> None:
    """Raises `BrokenPromise` for the first acknowledged state that does not hold."""
    for node in range(nodes):
        _account(user, counts, node)
        for login in user.logins:
            _active(user, login, counts, node)
        for login in user.ended:
            _refused(user, login, node)
            counts.add("checked: ended sessions")
        _codes(user, counts, node)
    for login in user.logins:
        _spent(user, login, counts, nodes)


def _account(user: User, counts: Counts, node: int) -> None:
    """The account accepts only its last password, and has its last image."""
    client = user.client
    for old in user.old_passwords[-2:]:
        client.call("log in by an old password", partial(Client.log_in, name=user.username, password=old), {401}, at=node)
        counts.add("checked: old passwords")
    if user.password is None:
        user.reset()
    assert user.password is not None
    call = partial(Client.log_in, name=user.username, password=user.password)
    token = client.call("log in", call, {200}, at=node).json["token"]
    account = client.call("account", partial(Client.account, token=token), {200}, at=node).json
    if (account["username"], account["email"], account["profile_image"]) != (user.username, user.email, user.image):
        raise BrokenPromise(f"account: {account} is not {user.username}'s with {user.image}")
    counts.add("checked: accounts and passwords")
    if user.image is not None:
        client.call("image", partial(Client.call, method="GET", path=path_of(user.image)), {200}, at=node)
        counts.add("checked: images")


def _active(user: User, login: Login, counts: Counts, node: int) -> None:
    response = user.client.call("refresh", partial(Client.refresh, token=login.refresh), {200}, at=node).response
    _record_refresh(login, response)
    user.client.call("account", partial(Client.account, token=login.token), {200}, at=node)
    counts.add("checked: active sessions")


def _record_refresh(login: Login, response: Response) -> None:
    login.spent.append(login.refresh)
    login.token, login.refresh = str(response.json["token"]), str(response.json["refresh_token"])


def _refused(user: User, login: Login, node: int) -> None:
    user.client.call("account of a revoked session", partial(Client.account, token=login.token), {401}, at=node)
    user.client.call("refresh of a revoked session", partial(Client.refresh, token=login.refresh), {401}, at=node)


def _codes(user: User, counts: Counts, node: int) -> None:
    for code in user.used_codes:
        call = partial(Client.verify, destination=user.email, code=code)
        user.client.call("a used code", call, {403}, at=node)
        counts.add("checked: used codes")


def _spent(user: User, login: Login, counts: Counts, nodes: int) -> None:
    """A refresh token older than the previous one is refused by each node, and its use revokes the session everywhere."""
    for token in login.spent[:-1][-1:]:
        user.client.call("a spent refresh token", partial(Client.refresh, token=token), {401})
        counts.add("checked: spent refresh tokens")
        for node in range(nodes):
            _refused(user, login, node)
