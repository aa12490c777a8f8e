"""How likely it is that the documents answer a question at all, so that it can be refused when they do not.

Calibrated by logistic regression (Platt 1999), on questions that nothing else was learned from.
"""

from __future__ import annotations

import re
from math import exp

from wellread.evidence import Selection

_OPEN = re.compile(
    r"(?:how(?! (?:many|much|long|old|far|often|tall|big|large))|why|can|is|are|was|were|does|do|did|has|have|had|should|could|would"
    r"|what are|list|describe|explain|compare|summari[sz]e)\b",
    re.IGNORECASE,
)
"""How a question begins that a few words do not answer, so that it says little whether a reader finds some."""

_SURE_MOST = 8.0
_READ = (-2.812, 0.405, 1.771, 3.776, -0.829)
"""Intercept, and weights of what the reader is sure of (log odds, at most `_SURE_MOST` either way; 0 for open questions), of coverage,
of closeness, and of the question being open.

Learned from 975 English questions (AUROC on each in brackets): of SQuAD articles held out from all training, answerable, without their
source, or with a name, number or word changed so that the source no longer answers (.88); on the manual of Python (.83) and on two
articles at once (HotpotQA, .83), with and without what answers; on quarterly reports, and with the name of another company (.76)."""

_UNREAD = (-10.775, 9.881, 16.336)
"""Intercept, and weights of coverage and of closeness, where there is no reader: learned from 350 Chinese questions (DRCD, CMRC 2018) put
to a library of their articles, once as it is and once without what answers (AUROC .98)."""


def confidence(question: str, selection: Selection) -> float:
    """The probability, 0..1, that what was found answers the question."""
    if not selection.found:
        return 0.0
    near = min(max(selection.closeness, 0.0), 1.0)
    if selection.located is None:
        intercept, coverage, closeness = _UNREAD
        return _logistic(intercept + coverage * selection.coverage + closeness * near)
    intercept, read, coverage, closeness, openness = _READ
    is_open = _OPEN.match(question.strip()) is not None
    sure = 0.0 if is_open else min(max(selection.located.score, -_SURE_MOST), _SURE_MOST)
    return _logistic(intercept + read * sure + coverage * selection.coverage + closeness * near + openness * is_open)


def _logistic(value: float) -> float:
    return 1 / (1 + exp(-value))
