"""Times and rates by hand."""

from __future__ import annotations

import numpy as np
import pytest

from wellread.evaluate.efficiency import Efficiency, efficiency


def test_times_by_hand() -> None:
    found = efficiency(np.array([1.0, 2.0, 3.0, 10.0]), np.array([10, 20, 30, 20]))
    assert found == Efficiency(4, 4.0, 2.5, pytest.approx(8.95), 5.0)
    assert efficiency(np.zeros(2), np.array([5, 5])).tokens_per_second is None


def test_times_that_cannot_be_are_refused() -> None:
    for seconds in ([1.0, -1.0], [1.0], [float("nan"), 1.0]):
        with pytest.raises(ValueError, match="negative"):
            efficiency(np.array(seconds), np.array([1, 2]))
