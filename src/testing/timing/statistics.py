"""Whether two sets of durations can be told apart: a robust look at samples that are not normal and have long tails."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from statistics import median

BAND = (0.4, 0.6)
FLOOR_SECONDS = 200e-6
FLOOR_SHARE = 0.03
CONFIDENCE = 0.99
_RESAMPLES = 500

Pairs = Sequence[tuple[float, float]]


class Verdict(StrEnum):
    """What the samples say."""

    ALIKE = "alike"
    UNCLEAR = "unclear"
    TELLS_APART = "TELLS APART"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, and the interval that holds the true one with 99 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Likeness:
    """Durations in seconds. `difference` is of the medians, known less unknown.

    `auc` is the chance that a known one took longer than an unknown one: the Mann-Whitney U as a share, 0.5 where nothing
    tells them apart. It asks for no shape of the distributions, and one slow outlier moves it no more than any other sample.
    """

    samples: int
    known: float
    unknown: float
    difference: Estimate
    auc: Estimate

    @property
    def floor(self) -> float:
        """The difference that is too small to count, in seconds: 200 µs, and 3 % of a call that is short."""
        return min(FLOOR_SECONDS, FLOOR_SHARE * self.unknown)

    @property
    def tells(self) -> bool:
        return self.verdict is Verdict.TELLS_APART

    @property
    def verdict(self) -> Verdict:
        """Told apart where the AUC is surely outside 0.4 to 0.6, and the medians differ by more than the floor.

        At an AUC of 0.6 one look is right in 57 of 100 cases, where guessing is right in 50, and the ten codes that a day
        allows to one destination, looked at together, in 71; and that by the clock of the process itself, before any network
        has added its noise. Real leaks lie far outside: a hash that is not computed at an AUC of 1, a row or two stored only
        for those who are known at 0.9. Both are demanded because many samples make the smallest difference certain, and few
        let chance look like one. Unclear is what needs more samples, or a quieter machine.
        """
        outside = self.auc.low > BAND[1] or self.auc.high < BAND[0]
        inside = self.auc.low >= BAND[0] and self.auc.high <= BAND[1]
        if outside and abs(self.difference.value) > self.floor:
            return Verdict.TELLS_APART
        small = max(abs(self.difference.low), abs(self.difference.high)) <= self.floor
        return Verdict.ALIKE if inside or small else Verdict.UNCLEAR


def likeness(pairs: Pairs) -> Likeness:
    """Of durations measured side by side, known and unknown: intervals by resampling the pairs (the percentile bootstrap)."""
    chance = Random(len(pairs))  # noqa: S311 — the same samples are to give the same verdict
    resampled = [chance.choices(pairs, k=len(pairs)) for _ in range(_RESAMPLES)]
    known, unknown = (median(each) for each in zip(*pairs, strict=True))
    return Likeness(
        samples=len(pairs),
        known=known,
        unknown=unknown,
        difference=_estimate(known - unknown, [_difference(each) for each in resampled]),
        auc=_estimate(auc(pairs), [auc(each) for each in resampled]),
    )


def auc(pairs: Pairs) -> float:
    """The share of all combinations in which the known one took longer; a tie counts half."""
    unknown = sorted(pair[1] for pair in pairs)
    longer = sum(bisect_left(unknown, known) + bisect_right(unknown, known) for known, _ in pairs)
    return longer / (2 * len(pairs) ** 2)


def _difference(pairs: Pairs) -> float:
    return median(known for known, _ in pairs) - median(unknown for _, unknown in pairs)


def _estimate(value: float, resampled: list[float]) -> Estimate:
    resampled.sort()
    cut = round((1 - CONFIDENCE) / 2 * (len(resampled) - 1))
    return Estimate(value, resampled[cut], resampled[-1 - cut])
