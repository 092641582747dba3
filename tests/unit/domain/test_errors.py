from vestibule.application import (
    AlreadyTaken,
    Conflict,
    ErrorCode,
    FieldError,
    InvalidCode,
    InvalidInput,
    Overloaded,
    RateLimited,
    Refusal,
    Unavailable,
)


def every_refusal(parent: type[Refusal] = Refusal) -> list[type[Refusal]]:
    return [refusal for child in parent.__subclasses__() for refusal in (child, *every_refusal(child))]


def test_every_refusal_has_a_unique_slug_and_a_title() -> None:
    slugs = [refusal.slug for refusal in every_refusal() if refusal is not Conflict]

    assert len(slugs) == len(set(slugs)) >= 12
    assert all(refusal.title.endswith(".") for refusal in every_refusal())


def test_refusal_detail_defaults_to_its_title() -> None:
    assert InvalidCode().detail == str(InvalidCode()) == InvalidCode.title
    assert RateLimited(17).detail == "Try again in 17 seconds."


def test_invalid_input_names_every_field() -> None:
    too_long, malformed = FieldError(ErrorCode.TOO_LONG, "too long"), FieldError(ErrorCode.MALFORMED, "no email")
    refusal = InvalidInput({"name": [too_long], "email": [malformed, too_long]})

    assert refusal.errors == {"name": ["too long"], "email": ["no email", "too long"]}
    assert refusal.codes == {"name": ["too-long"], "email": ["malformed", "too-long"]}


def test_already_taken_names_every_field() -> None:
    refusal = AlreadyTaken("email", "mobile")

    assert refusal.fields == ("email", "mobile")
    assert refusal.errors == {
        "email": ["An account with this email exists already."],
        "mobile": ["An account with this mobile exists already."],
    }
    assert refusal.codes == {"email": ["taken"], "mobile": ["taken"]}


def test_conflict_is_an_outage_that_may_be_retried_at_once() -> None:
    assert (Conflict().slug, Conflict().title, Conflict().retry_after) == (Unavailable.slug, Unavailable.title, 0)


def test_outage_and_overload_have_a_retry_after() -> None:
    assert (Unavailable().retry_after, Overloaded().retry_after, Overloaded(9).retry_after) == (2, 1, 9)
