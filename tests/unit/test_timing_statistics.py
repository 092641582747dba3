"""The verdict on durations of a known distribution."""

from random import Random

import pytest

from vestibule.testing.timing.statistics import Verdict, auc, compare

MS = 1e-3


def durations(typical: float, known_longer: float, samples: int, *, seed: int = 7) -> list[tuple[float, float]]:
    """Returns durations with a long tail."""
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
def test_auc_is_the_share_of_combinations_in_which_the_known_account_took_longer(
    pairs: list[tuple[float, float]], share: float
) -> None:
    assert auc(pairs).value == share


@pytest.mark.parametrize("seed", range(5))
def test_random_differences_get_the_verdict_alike(seed: int) -> None:
    found = compare(durations(2 * MS, 0.0, 400, seed=seed))

    assert found.verdict is Verdict.ALIKE
    assert found.auc.low < 0.5 < found.auc.high
    assert found.difference.low < 0.0 < found.difference.high


@pytest.mark.parametrize("longer", [0.5 * MS, -0.5 * MS])
def test_time_of_an_extra_row_reveals_accounts(longer: float) -> None:
    found = compare(durations(2 * MS, longer, 100))

    assert found.verdict is Verdict.REVEALS
    assert found.difference.value == pytest.approx(longer, rel=0.3)
    assert found.difference.low <= found.difference.value <= found.difference.high
    assert found.auc.low <= found.auc.value <= found.auc.high


def test_certain_difference_below_the_floor_is_alike() -> None:
    """Ten microseconds of a call that takes two milliseconds to the microsecond."""
    pairs = [(2 * MS + 10e-6 + at * 1e-8, 2 * MS + at * 1e-8) for at in range(100)]

    assert compare(pairs).auc.value == 1.0
    assert compare(pairs).verdict is Verdict.ALIKE


def test_few_samples_are_unclear() -> None:
    assert compare(durations(2 * MS, 0.08 * MS, 12)).verdict is Verdict.UNCLEAR


def test_outlier_does_not_change_the_verdict() -> None:
    pairs = durations(2 * MS, 0.0, 400)
    assert compare([(10.0, pairs[0][1]), *pairs[1:]]).verdict is Verdict.ALIKE


def test_intervals_of_99_percent_contain_the_true_values() -> None:
    found = [compare(durations(2 * MS, 0.0, 60, seed=seed)) for seed in range(300)]
    missed_auc = sum(not one.auc.low <= 0.5 <= one.auc.high for one in found)
    missed_difference = sum(not one.difference.low <= 0.0 <= one.difference.high for one in found)
    assert max(missed_auc, missed_difference) <= 9  # 3 are expected, and more than 9 in 1 of 1000 cases
