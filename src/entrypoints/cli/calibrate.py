"""What `vestibule hash-calibrate` measures."""

from collections.abc import Iterator
from statistics import median
from time import perf_counter

from ..container.factories import argon2
from ..settings.parsers import HashCost

_LEAST_KIB = 19 * 1024
_MOST_KIB = 1024 * 1024
_ROUNDS = 5


def calibrate(target_ms: float) -> Iterator[tuple[HashCost, float]]:
    """Costs with the milliseconds that they take here, dearer and dearer, to the first beyond the target.

    Two passes in one lane over more and more memory, which is what an attacker's machines have least of (RFC 9106 § 4).
    """
    memory = _LEAST_KIB
    while memory <= _MOST_KIB:
        cost = HashCost(2, memory, 1)
        milliseconds = _measured(cost)
        yield cost, milliseconds
        if milliseconds > target_ms:
            return
        memory = memory * 5 // 4 // 1024 * 1024


def _measured(cost: HashCost) -> float:
    """The median of one verification, alone on the machine."""
    hasher = argon2(cost)
    stored = hasher.hash("calibration")
    times = []
    for _ in range(_ROUNDS):
        begun = perf_counter()
        hasher.verify(stored, "calibration")
        times.append(perf_counter() - begun)
    hasher.close()
    return median(times) * 1000
