"""The examiner: every item is asked once, what comes back is scored and kept, and nothing stops the run.

An error is kept with its item, which then counts as not judged. Samples are written as they come. A run that was killed goes on where
it was when it is started again with the same folder: what was asked of the same examinee in the same words is not asked again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from wellread.errors import UsageError, WellreadError
from wellread.evaluate import letters
from wellread.evaluate.examinee import Ask, Examinee, LogLikelihood, Outcome
from wellread.evaluate.extract import cut, extracted
from wellread.evaluate.results import FILE as RESULTS
from wellread.evaluate.results import Results, read_results, summary, write_results
from wellread.evaluate.sample import FILE, Sample, read_samples, write_samples
from wellread.evaluate.score import Evidence, item_score, probabilities
from wellread.evaluate.task import Item, Task, digest, prompt, score_name
from wellread.types import Progress, Sampling, silent

Scorer = Callable[[Item, Outcome], float | None]
"""A score of one's own: of the whole item, also of what the examinee was not shown, and all that came back. None: not judged."""

NO_ANSWER = frozenset(("", "unanswerable", "no answer", "not answerable", "n/a", "none"))
"""What counts as a refusal from an examinee that only writes, where an item may have no answer."""


@dataclass(frozen=True, slots=True)
class Examination:
    """The results, and the samples they are of."""

    results: Results
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class _Put:
    """An item as it is put: the prompt, what it is kept under, and, for letters, which choice each stands for."""

    item: Item
    prompt: str
    key: str
    order: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Reply:
    outcome: Outcome
    likelihoods: tuple[LogLikelihood, ...] = ()
    error: str | None = None
    seconds: float = 0.0


def examine(
    tasks: Sequence[Task],
    examinee: Examinee,
    out: Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    scorers: Mapping[str, Scorer] | None = None,
    versions: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Examination:
    """Ask every item of every task and write results.json and samples.jsonl to the folder `out`.

    With `limit`, so many items of each task are asked: the first of its categories in turn. `seed` is handed to whoever writes with a
    temperature above 0; `versions` are noted beside those of Python and NumPy. Raises `UsageError` for tasks of one name, and where
    `out` holds the results of another examinee.
    """
    if twice := next((name for name, count in Counter(task.name for task in tasks).items() if count > 1), None):
        raise UsageError(f"two tasks are called {twice}.", hint="examine them one at a time, each in its own folder")
    _check_folder(out, examinee)
    out.mkdir(parents=True, exist_ok=True)
    kept = {sample.key: sample for sample in read_samples(out) if sample.error is None}
    write_samples(out, kept.values())
    (out / RESULTS).unlink(missing_ok=True)  # should this run be killed, results of an earlier one must not pass for its own
    begun, started = datetime.now(UTC), time.monotonic()
    summaries, samples = {}, []
    for task in tasks:
        done = _Run(task, examinee, kept, out, seed, scorers or {}).all(limit, progress)
        summaries[task.name] = summary(task, done, asked=_way(task, examinee), limit=limit)
        samples.extend(done)
    results = Results(
        examinee=examinee.name,
        digest=examinee.digest,
        settings=dict(examinee.settings),
        seed=seed,
        limit=limit,
        begun=begun.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - started, 3),
        tasks=summaries,
    )
    results = replace(results, versions={**(versions or {}), **results.versions})
    write_samples(out, samples)
    write_results(out, results)
    return Examination(results, tuple(samples))


class _Run:
    """One task being put to one examinee."""

    def __init__(
        self, task: Task, examinee: Examinee, kept: Mapping[str, Sample], out: Path, seed: int, scorers: Mapping[str, Scorer]
    ) -> None:
        self._task = task
        self._examinee = examinee
        self._kept = kept
        self._out = out
        self._scorers = scorers
        self._way = _way(task, examinee)
        longest = letters.MAX_TOKENS if self._way == "letter" else task.max_tokens
        stops = () if self._way == "letter" else task.until
        self._sampling = Sampling(temperature=task.temperature, seed=seed, max_tokens=longest, stop=stops)
        self._shuffle = letters.always_first(task.items)
        self._may_refuse = any(item.answerable is not None for item in task.items)

    def all(self, limit: int | None, progress: Progress) -> list[Sample]:
        items = self._task.items if limit is None else _first(self._task.items, limit)
        samples = []
        with (self._out / FILE).open("a", encoding="utf-8") as file:
            for number, item in enumerate(items):
                progress(f"Examining {self._task.name}", number, len(items))
                put = self._put(item)
                known = self._kept.get(put.key)
                sample = self._judged(put, _again(known) if known else self._asked(put))
                if known is None:
                    file.write(sample.line())
                    file.flush()
                samples.append(sample)
        progress(f"Examining {self._task.name}", len(items), len(items))
        return samples

    # --- asking

    def _put(self, item: Item) -> _Put:
        if self._way == "letter":
            shown = letters.lettered(self._task, item, shuffle=self._shuffle)
            return _Put(item, shown.prompt, self._key(shown.prompt, ()), shown.order)
        text = prompt(self._task, item.before, item.shots, item.question)
        return _Put(item, text, self._key(text, self._continuations(item)))

    def _key(self, text: str, continuations: Sequence[str]) -> str:
        sampling = self._sampling
        how = [sampling.max_tokens, list(sampling.stop), sampling.temperature, sampling.seed if sampling.temperature else None]
        who = [self._examinee.name, self._examinee.digest, dict(self._examinee.settings)]
        return digest([who, self._way, text, list(continuations), how if self._way != "likelihood" else None])

    def _continuations(self, item: Item) -> tuple[str, ...]:
        """The texts whose likelihood is asked for."""
        if self._way != "likelihood":
            return ()
        if self._task.kind == "multiple_choice":
            return tuple(self._task.delimiter + choice for choice in item.choices)
        return (item.answers[0],)

    def _asked(self, put: _Put) -> _Reply:
        begun = time.monotonic()
        try:
            if self._way == "likelihood":
                reply = self._likelihoods(put)
            else:
                said = self._examinee.generate(Ask(put.prompt, put.item.question, self._sampling))
                reply = _Reply(said if isinstance(said, Outcome) else Outcome(str(said)))
        except Exception as error:  # whatever the examinee does, the next item may fare better
            told = error.message if isinstance(error, WellreadError) else f"{type(error).__name__}: {error}"
            reply = _Reply(Outcome(""), error=told)
        return replace(reply, seconds=round(time.monotonic() - begun, 4))

    def _likelihoods(self, put: _Put) -> _Reply:
        ask = self._examinee.likelihood
        if ask is None:
            raise UsageError(f"{self._examinee.name} cannot say how likely a text is.", hint="this task needs likelihoods")
        before = "" if self._task.kind == "loglikelihood_rolling" else put.prompt
        return _Reply(Outcome(""), tuple(ask(before, text) for text in self._continuations(put.item)))

    # --- scoring

    def _judged(self, put: _Put, reply: _Reply) -> Sample:
        item, outcome = put.item, reply.outcome
        sample = Sample(
            task=self._task.name,
            id=item.id,
            key=put.key,
            prompt=put.prompt,
            question=item.question,
            category=item.category,
            answer=outcome.text,
            golds=item.answers,
            choices=item.choices,
            likelihoods=reply.likelihoods,
            confidence=outcome.confidence,
            answerable=item.answerable,
            given=outcome.scores,
            more=outcome.more,
            error=reply.error,
            seconds=reply.seconds,
            prompt_tokens=outcome.prompt_tokens,
            completion_tokens=outcome.completion_tokens,
        )
        if reply.error is None:
            try:
                return self._scored(sample, put, reply)
            except Exception as error:  # a scorer or a pattern that fails must not lose the answer
                sample = replace(sample, error=f"scoring: {type(error).__name__}: {error}")
        return replace(sample, scores=dict.fromkeys(self._names()))

    def _scored(self, sample: Sample, put: _Put, reply: _Reply) -> Sample:
        text = cut(reply.outcome.text, self._task.until) if self._way == "written" else reply.outcome.text
        chosen = letters.chosen(text, put.item, put.order) if self._way == "letter" else None
        refused = self._refused(reply.outcome, text)
        found = {way.name: "" if refused else extracted(way, text) for way in self._task.extractions}
        scores: dict[str, float | None] = {}
        parts = {}
        for way in self._task.extractions:
            evidence = Evidence(found[way.name], reply.likelihoods, chosen)
            for metric in self._task.metrics:
                got = item_score(self._task.kind, metric, put.item, evidence)
                name = score_name(metric.name, way.name)
                if isinstance(got, list):
                    parts[name] = got
                else:
                    scores[name] = got
        right = scores.get(self._task.main)
        scores |= _refusal_scores(put.item, refused) | dict(reply.outcome.scores)
        scores |= {name: scorer(put.item, reply.outcome) for name, scorer in self._scorers.items()}
        answer, confidence = self._choice(sample, put.item, reply.likelihoods)
        return replace(
            sample,
            answer=answer,
            extracted=found if self._way == "written" else {},
            scores=scores,
            parts=parts,
            chosen=chosen,
            refused=refused,
            confidence=confidence,
            right=right if right is not None and 0 <= right <= 1 else None,
        )

    def _choice(self, sample: Sample, item: Item, likelihoods: Sequence[LogLikelihood]) -> tuple[str, float | None]:
        """The answer and how sure it is, of what was written or of the likeliest choice."""
        if not likelihoods or not item.choices:
            return sample.answer, sample.confidence
        shares = probabilities(likelihoods)
        return item.choices[int(shares.argmax())], float(shares.max())

    def _refused(self, outcome: Outcome, text: str) -> bool | None:
        if outcome.refused is not None or not self._may_refuse:
            return outcome.refused
        return " ".join(text.split()).strip(" .!").casefold() in NO_ANSWER

    def _names(self) -> list[str]:
        return [score_name(metric.name, way.name) for way in self._task.extractions for metric in self._task.metrics]


def _first(items: Sequence[Item], limit: int) -> list[Item]:
    """The first items of every category in turn, as many as wanted: a short run should not see one subject only."""
    seen: Counter[str] = Counter()
    rounds = []
    for place, item in enumerate(items):
        rounds.append((seen[item.category], place))
        seen[item.category] += 1
    return [items[place] for place in sorted(place for _, place in sorted(rounds)[:limit])]


def _way(task: Task, examinee: Examinee) -> str:
    """How answers are had: "written", "likelihood", or "letter" where likelihoods are wanted and only writing can be had."""
    if task.kind == "generate_until":
        return "written"
    return "letter" if task.kind == "multiple_choice" and examinee.likelihood is None else "likelihood"


def _refusal_scores(item: Item, refused: bool | None) -> dict[str, float | None]:
    """Of a question without an answer, whether one was given; of any other, whether it was refused."""
    if item.answerable is None or refused is None:
        return {}
    return {"false_refusal": float(refused)} if item.answerable else {"false_answer": float(not refused)}


def _again(sample: Sample) -> _Reply:
    """What was kept of an answer, as it came. Of likelihoods the choice follows anew."""
    outcome = Outcome(
        "" if sample.likelihoods else sample.answer,
        confidence=None if sample.likelihoods else sample.confidence,
        refused=sample.refused,
        scores=sample.given,
        more=sample.more,
        prompt_tokens=sample.prompt_tokens,
        completion_tokens=sample.completion_tokens,
    )
    return _Reply(outcome, sample.likelihoods, seconds=sample.seconds)


def _check_folder(out: Path, examinee: Examinee) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is no folder.", hint="give --out a folder of its own")
    if (out / RESULTS).exists() and (was := read_results(out)).examinee != examinee.name:
        raise UsageError(f"{out} holds the results of {was.examinee}.", hint="give each examinee its own --out")
