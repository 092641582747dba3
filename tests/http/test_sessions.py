"""One's own sessions over HTTP: seen, and ended."""

from tests.http.conftest import BOB, Site


def test_people_see_their_own_living_sessions_the_newest_first(site: Site) -> None:
    site.registered()
    site.registered(**BOB)
    site.tokens("bob")
    first = site.tokens()
    site.world.clock.advance(60)
    second = site.tokens()
    sessions = site.call("GET", "/sessions/", token=second["token"]).json()["sessions"]
    assert [(one["id"], one["current"]) for one in sessions] == [(second["session"], True), (first["session"], False)]
    assert (sessions[1]["created_at"], sessions[0]["created_at"]) == ("2027-01-15T08:00:00Z", "2027-01-15T08:01:00Z")


def test_a_session_that_was_ended_is_refused_at_once(site: Site) -> None:
    site.registered()
    stolen, own = site.tokens(), site.tokens()
    assert site.call("DELETE", f"/sessions/{stolen['session']}/", token=own["token"]).status_code == 200
    assert site.call("GET", "/account/", token=stolen["token"]).status_code == 401
    assert site.post("/refresh-token/", {"refresh": stolen["refresh_token"]}).status_code == 401
    assert site.call("GET", "/account/", token=own["token"]).status_code == 200
    assert site.call("DELETE", f"/sessions/{stolen['session']}", token=own["token"]).status_code == 404


def test_nobody_ends_the_session_of_another(site: Site) -> None:
    site.registered()
    site.registered(**BOB)
    ada, bob = site.tokens("ada"), site.tokens("bob")
    assert site.call("DELETE", f"/sessions/{ada['session']}", token=bob["token"]).status_code == 404
    assert site.call("DELETE", "/sessions/", token=bob["token"]).status_code == 200
    assert site.call("GET", "/account/", token=ada["token"]).status_code == 200


def test_all_other_sessions_end_and_the_one_that_asks_stays(site: Site) -> None:
    site.registered()
    others, own = [site.tokens(), site.tokens()], site.tokens()
    assert site.call("DELETE", "/sessions/", token=own["token"]).json() == {"detail": "Ended: 2."}
    assert {site.call("GET", "/account/", token=one["token"]).status_code for one in others} == {401}
    assert site.call("GET", "/account/", token=own["token"]).status_code == 200


def test_who_logs_out_is_logged_out(site: Site) -> None:
    token = site.token()
    assert site.post("/logout/", token=token).status_code == 200
    assert site.call("GET", "/account/", token=token).status_code == 401
