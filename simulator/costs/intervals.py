"""How often to save: the interval that loses least, and what of the machine's time is then training.

Times in seconds. ``mtbf`` is the mean time between failures of the whole job.
"""

from __future__ import annotations

import math

DAY = 86_400.0

YOUNG = "Young: interval = sqrt(2 d M)"
DALY = "Daly: interval = sqrt(2 d M) (1 + sqrt(d / 2M) / 3 + (d / 2M) / 9) - d where d < 2M, else M"
GOODPUT = "goodput = (1 - (R + I / 2) / M) / (1 + d / I), not below 0"
SYMBOLS = "d: what a save stalls, M: mean time between failures, I: interval, R: time to restart and resume"
SOURCES = (
    "J. W. Young, A first order approximation to the optimum checkpoint interval, CACM 17(9), 1974",
    "J. T. Daly, A higher order estimate of the optimum checkpoint interval for restart dumps, FGCS 22(3), 2006",
    "A. Kokolis et al., Revisiting reliability in large-scale machine learning research clusters, 2024 (arXiv "
    "2410.21680), expected training time ratio",
)


def job_mtbf(nodes: int, failures_per_1000_node_days: float) -> float:
    """The mean time between failures of a job on so many nodes, when each fails independently of its age."""
    return 1000 * DAY / (nodes * failures_per_1000_node_days)


def young(stall: float, mtbf: float) -> float:
    """Young's optimal interval of training between two saves."""
    return math.sqrt(2 * stall * mtbf)


def daly(stall: float, mtbf: float) -> float:
    """Daly's optimal interval, which stays right where a save takes no small part of ``mtbf``."""
    if stall >= 2 * mtbf:
        return mtbf
    ratio = stall / (2 * mtbf)
    return young(stall, mtbf) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - stall


def goodput(stall: float, interval: float, mtbf: float, restart: float) -> float:
    """The part of the time that is training which counts, from 0 to 1, to first order in failures.

    Each failure costs ``restart`` and, on average, half of an interval.
    """
    if interval <= 0:
        return 0.0
    lost = (restart + interval / 2) / mtbf
    return max(0.0, 1 - lost) / (1 + stall / interval)
