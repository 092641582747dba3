"""What is said of durations, where it is known how they came about."""

from random import Random

import pytest

from vestibule.testing.timing.statistics import Verdict, auc, likeness

MS = 1e-3


def durations(typical: float, known_longer: float, samples: int, *, seed: int = 7) -> list[tuple[float, float]]:
    """With a long tail, as durations have it."""
    chance = Random(seed)  # noqa: S311 — the same durations each time
    return [
        (typical * chance.lognormvariate(0, 0.1) + known_longer, typical * chance.lognormvariate(0, 0.1))
        for _ in range(samples)
    ]


@pytest.mark.parametrize(
    ("pairs", "share"),
    [
        ([(2.0, 1.0), (4.0, 3.0)], 0.75),
        ([(1.0, 2.0), (1.0, 3.0)], 0.0),
        ([(2.0, 1.0), (3.0, 1.0)], 1.0),
        ([(1.0, 1.0), (1.0, 1.0)], 0.5),
        ([(1.0, 1.0), (2.0, 1.0)], 0.75),
    ],
)
def test_the_auc_is_the_share_of_combinations_in_which_the_known_one_took_longer(
    pairs: list[tuple[float, float]], share: float
) -> None:
    assert auc(pairs) == share


@pytest.mark.parametrize("seed", range(5))
def test_what_differs_by_chance_alone_is_alike(seed: int) -> None:
    found = likeness(durations(2 * MS, 0.0, 400, seed=seed))

    assert found.verdict is Verdict.ALIKE
    assert not found.tells
    assert found.auc.low < 0.5 < found.auc.high
    assert found.difference.low < 0.0 < found.difference.high


@pytest.mark.parametrize("longer", [0.5 * MS, -0.5 * MS])
def test_a_row_that_is_stored_for_the_known_alone_tells_apart_and_so_does_one_for_the_unknown(longer: float) -> None:
    found = likeness(durations(2 * MS, longer, 100))

    assert found.tells
    assert found.difference.value == pytest.approx(longer, rel=0.3)
    assert found.difference.low <= found.difference.value <= found.difference.high
    assert found.auc.low <= found.auc.value <= found.auc.high


def test_a_difference_that_is_certain_but_below_the_floor_is_alike() -> None:
    """Ten microseconds of a call that takes two milliseconds to the microsecond."""
    pairs = [(2 * MS + 10e-6 + at * 1e-8, 2 * MS + at * 1e-8) for at in range(100)]

    assert likeness(pairs).auc.value == 1.0
    assert likeness(pairs).verdict is Verdict.ALIKE


def test_few_samples_of_what_may_differ_are_unclear() -> None:
    assert likeness(durations(2 * MS, 0.08 * MS, 12)).verdict is Verdict.UNCLEAR


def test_an_outlier_moves_nothing() -> None:
    pairs = durations(2 * MS, 0.0, 400)
    assert likeness([(10.0, pairs[0][1]), *pairs[1:]]).verdict is Verdict.ALIKE


def test_the_same_samples_give_the_same_figures() -> None:
    pairs = durations(2 * MS, 0.1 * MS, 50)
    assert likeness(pairs) == likeness(pairs)
