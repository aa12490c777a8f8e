"""Measures for which a language model is asked: what it cannot be understood to say is counted as not judged, never made a number.

`judge` takes a prompt and gives the model's reply. A model that fails on a prompt has not judged either. Source: Es et al. 2023, RAGAS.
The prompts are ours and ask for one word, since small local models fail at ragas' JSON (ragas issues 1274, 2044).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from wellread.errors import ModelError
from wellread.evaluate.grounding import Judged, average_precision, cosine, share

Judge = Callable[[str], str]

_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_FIRST = re.compile(r"(?P<no>(?:no|false)\b|否|不|没有)|(?P<yes>(?:yes|true)\b|是(?!否)|支持)", re.IGNORECASE | re.ASCII)
_LAST = re.compile(r"(?:(?P<no>\b(?:no|false)|否|不是|不支持)|(?P<yes>\b(?:yes|true)|是|(?<![不否])支持))$", re.IGNORECASE | re.ASCII)
_NUMBERED = re.compile(r"^\s*(?:[-*•]|\d+[.)、])?\s*")

_SUPPORT = """Text:
{context}

Claim:
{claim}

Can the claim be inferred from the text alone? Reply with one word, yes or no."""
_USEFUL = """Question:
{question}

Answer:
{answer}

Passage:
{passage}

Was the passage useful in arriving at the answer? Reply with one word, yes or no."""
_ASK = """Answer:
{answer}

Write {count} different questions that this answer replies to, one on each line and nothing else, in the language of the answer.
If the answer is evasive or refuses to answer, write only NONE."""


def verdict(reply: str) -> bool | None:
    """What a reply says, yes or no, in English or Chinese; None where its first and last word say neither, or contradict each other."""
    text = _EDGES.sub("", _THOUGHT.sub("", reply))
    found = {match.lastgroup == "yes" for match in (_FIRST.match(text), _LAST.search(text)) if match}
    return found.pop() if len(found) == 1 else None


def judged_faithfulness(claims: Sequence[str], context: str, judge: Judge) -> Judged:
    """The share of claims that the judge says can be inferred from the context, as in `faithfulness`."""
    return share([_asked(judge, _SUPPORT.format(context=context, claim=claim)) for claim in claims])


def judged_context_recall(gold_claims: Sequence[str], contexts: Sequence[str], judge: Judge) -> Judged:
    """The share of the gold answer's claims that can be inferred from all that was retrieved. Source: ragas, LLMContextRecall."""
    return judged_faithfulness(gold_claims, "\n\n".join(contexts), judge)


def judged_context_precision(question: str, gold: str, contexts: Sequence[str], judge: Judge) -> Judged:
    """Average precision of the retrieved passages, in rank order, of which the judge says which were useful for the gold answer.

    Passages that were not judged are taken out of the ranking. Source: ragas, LLMContextPrecisionWithReference.
    """
    verdicts = [_asked(judge, _USEFUL.format(question=question, answer=gold, passage=passage)) for passage in contexts]
    given = [one for one in verdicts if one is not None]
    return Judged(average_precision(given) if given else None, len(given), len(verdicts) - len(given))


def judged_answer_relevancy(
    question: str, answer: str, judge: Judge, embed: Callable[[Sequence[str]], np.ndarray], count: int = 3
) -> Judged:
    """How near the question is to `count` questions that the judge writes for the answer: the mean cosine, 0 for an evasive answer.

    `embed` gives a vector for each text, float [n, d]. Questions that the judge did not write are not judged. Source: Es et al.
    2023, section 3, answer relevance; `answer_relevancy` is the variant without a judge.
    """
    reply = _reply(judge, _ASK.format(answer=answer, count=count))
    lines = [_NUMBERED.sub("", line).strip() for line in _THOUGHT.sub("", reply or "").splitlines()]
    written = [line for line in lines if line][:count]
    if len(written) == 1 and _EDGES.sub("", written[0]).upper() == "NONE":
        return Judged(0.0, count, 0)
    if not written:
        return Judged(None, 0, count)
    first, *others = np.asarray(embed([question, *written]), np.float64)
    return Judged(float(np.mean([cosine(first, other) for other in others])), len(written), count - len(written))


def _asked(judge: Judge, prompt: str) -> bool | None:
    reply = _reply(judge, prompt)
    return None if reply is None else verdict(reply)


def _reply(judge: Judge, prompt: str) -> str | None:
    try:
        return judge(prompt)
    except ModelError:
        return None
