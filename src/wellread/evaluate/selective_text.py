"""What is gained by answering less, in words: risk at some coverages, and what each threshold of refusal costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wellread.evaluate.sample import Sample
from wellread.evaluate.selective import OperatingPoint, auroc, operating_point, operating_points, risk_area, selective_accuracy

_FEWEST = 10
"""Of fewer answers, no curve is worth looking at."""

_COVERAGES = (1.0, 0.9, 0.75, 0.5, 0.25)
_FALSE_ANSWERS = (0.05, 0.1, 0.2)


def selective_text(samples: Sequence[Sample]) -> str:
    """Lines to stand below the scores of a run; "" where the examinee does not say how sure it is, or answered next to nothing."""
    judged = [(one.confidence, one.right >= 0.5) for one in given(samples) if one.confidence is not None and one.right is not None]
    asked = [(one.confidence, one.answerable) for one in samples if one.confidence is not None and one.answerable is not None]
    lines = []
    if len(judged) >= _FEWEST:
        lines += _risk(np.array([sure for sure, _ in judged]), np.array([right for _, right in judged]))
    if len(asked) >= _FEWEST and len({answerable for _, answerable in asked}) == 2:
        lines += _refusal(np.array([sure for sure, _ in asked]), np.array([answerable for _, answerable in asked]))
    return "".join(f"\n{line}" for line in lines)


def given(samples: Sequence[Sample]) -> list[Sample]:
    """The samples in which something was answered: how sure a refusal was of its answer, there is no saying."""
    return [sample for sample in samples if not sample.refused and sample.error is None]


def _risk(sure: np.ndarray, right: np.ndarray) -> list[str]:
    told = ", ".join(f"{coverage:.0%}: {1 - selective_accuracy(sure, right, coverage):.3f}" for coverage in _COVERAGES)
    apart = auroc(sure, right)
    area = f"area {risk_area(sure, right):.3f}" + ("" if apart is None else f", AUROC {apart:.3f}")
    return ["", f"wrong among the surest of {len(sure):,} answers given: {told} ({area})"]


def _refusal(sure: np.ndarray, answerable: np.ndarray) -> list[str]:
    points = operating_points(sure, answerable)
    lines = ["", f"if refusals followed confidence alone ({len(sure):,} questions):"]
    chosen: dict[OperatingPoint, None] = dict.fromkeys(operating_point(points, rate) for rate in _FALSE_ANSWERS)
    lines += [
        f"  below {point.threshold:.3f}: false answers {point.false_answers:.3f}, false refusals {point.false_refusals:.3f}"
        for point in chosen
    ]
    return lines
