"""What a person sees: answers as they are written, footnotes, progress. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wellread.types import Answer, Bytes, Citation, Delta, Hit, marked_text, one_line, page_name, place

if TYPE_CHECKING:
    from wellread.index.rows import Failure
    from wellread.replay import Replay
    from wellread.sync import SyncReport

_SHOW_AFTER_SECONDS = 0.7
_TELL_AFTER_SECONDS = 10.0
"""How long something takes before a terminal shows its progress, and before its end is told where lines cannot be rewritten."""
_MANY_FAILURES, _SHOWN_FAILURES = 12, 3
_QUOTE_CHARS = 240


class Screen:
    """The terminal, or whatever stands in its place: without one there is no colour, no link and no moving progress."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._links = sys.stdout.isatty()
        self._begun: dict[str, float] = {}
        self._shown = False

    # --- progress

    def progress(self, what: str, done: int, total: int) -> None:
        """Show how far something is, once it has taken a moment; one line, rewritten on a terminal."""
        now = time.monotonic()
        begun = self._begun.setdefault(what, now)
        finished = total > 0 and done >= total
        if now - begun >= (_SHOW_AFTER_SECONDS if self._live else _TELL_AFTER_SECONDS) and (self._live or finished):
            self._print_progress(what, done, total, now - begun)
        if finished:
            del self._begun[what]
            self._clear()

    def _print_progress(self, what: str, done: int, total: int, seconds: float) -> None:
        amount = _amount(done, total)
        left = f", {_rate(done, seconds)}, {_duration(seconds * (total - done) / done)} left" if 0 < done < total else ""
        filled = 24 * done // total if total else 0
        bar = "█" * filled + "·" * (24 - filled)
        print(
            f"\r\x1b[K{what} {bar} {amount}{left}" if self._live else f"{what}: {amount}",
            end="" if self._live else "\n",
            file=sys.stderr,
            flush=True,
        )
        self._shown = True

    def _clear(self) -> None:
        """Take the line of progress away, if one is shown."""
        if self._shown and self._live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        self._shown = False

    def say(self, text: str) -> None:
        """A message to the person, on stderr."""
        self._clear()
        print(text, file=sys.stderr, flush=True)

    # --- questions and answers

    def question(self) -> str | None:
        """The next question of a conversation, or None at its end."""
        try:
            if sys.stdin.isatty():
                print("\n> ", end="", file=sys.stderr, flush=True)
            text = sys.stdin.readline()
        except KeyboardInterrupt:
            return None
        return text.strip() or None

    def answer(self, pieces: Iterator[Delta | Answer], *, live: bool) -> Answer:
        """Show an answer as it is written, then its footnotes. With `live` False nothing is printed. Returns the answer."""
        written = ""
        for piece in self._ticking(pieces):
            if isinstance(piece, Answer):
                if live:
                    self._rest_of(piece, written)
                return piece
            if live and self._links:
                written += piece.text
                print(piece.text, end="", flush=True)
        raise AssertionError("a stream ends with an answer")

    def _ticking(self, pieces: Iterator[Delta | Answer]) -> Iterator[Delta | Answer]:
        """The pieces, with the seconds counted on a terminal until the first of them comes."""
        came = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(came,), daemon=True)
        if self._live:
            ticker.start()
        try:
            for piece in pieces:
                if not came.is_set():
                    came.set()
                    if self._live:
                        ticker.join()
                    self._clear()
                yield piece
        finally:
            came.set()

    def _tick(self, came: threading.Event) -> None:
        began = time.monotonic()
        while not came.wait(0.5):
            seconds = time.monotonic() - began
            if seconds > _SHOW_AFTER_SECONDS and not self._begun:
                print(f"\r\x1b[Kreading and thinking, {seconds:.0f} s", end="", file=sys.stderr, flush=True)
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _rest_of(self, answer: Answer, written: str) -> None:
        """What is left to show when the answer is complete: on a terminal, the draft is written over by the checked text."""
        if written:
            self._wipe(written)
        print(self._emphasised(answer) if not answer.refused else answer.text)
        for note in answer.notes:
            print(f"({note})")
        if answer.refused:
            print(f"({answer.refusal_reason})")
            if answer.nearest:
                print("\nNearest passages:")
            for hit in answer.nearest:
                print(f"  {_where(hit)}\n    “{_short(hit.chunk.text)}”")
        elif answer.citations:
            print()
            for citation in answer.citations:
                print(f"  [{citation.marker}] {self._linked(citation, answer.citations)}\n      “{_short(citation.quote)}”")

    def _emphasised(self, answer: Answer) -> str:
        """The marked text; where a terminal can show it, the words that answer are bold."""
        text = marked_text(answer)
        words = one_line(answer.short.text) if answer.short and self._links else ""
        return text.replace(words, f"\x1b[1m{words}\x1b[22m", 1) if words else text

    def _wipe(self, written: str) -> None:
        """Go back to where the draft began, unless it has scrolled away; then the checked text simply follows."""
        import shutil

        width, height = shutil.get_terminal_size()
        rows = sum(max(1, -(-len(line) // width)) for line in written.split("\n"))
        if rows < height - 1:
            print(f"\r\x1b[{rows - 1}A\x1b[J" if rows > 1 else "\r\x1b[J", end="")
        else:
            print("\n")

    def _linked(self, citation: Citation, among: Sequence[Citation]) -> str:
        """Title and page, as a link to the file where the terminal can show one."""
        text = place(citation, among)
        path = Path(citation.source)
        if not self._links or not path.is_file():
            return text
        page = f"#page={citation.page.index + 1}" if citation.page is not None else ""
        return f"\x1b]8;;{path.as_uri()}{page}\x1b\\{text}\x1b]8;;\x1b\\"

    def prompt(self, trace: Mapping[str, Any]) -> None:
        """Every prompt that the model was sent for an answer: for a local model the very text that it read, else the messages."""
        prompts = [step["data"] for step in trace["steps"] if step["kind"] == "prompt" and "messages" in step["data"]]
        for at, data in enumerate(prompts, start=1):
            self.say(f"=== prompt {at} of {len(prompts)}: {data['why']}, {data['tokens']} tokens")
            if "text" in data:
                self.say(data["text"])
            for message in () if "text" in data else data["messages"]:
                self.say(f"--- {message['role']}\n{message['content']}")
        if not prompts:
            self.say("The model was sent nothing.")

    def replay(self, replay: Replay) -> None:
        """Whether an answer came out the same again, and what differs."""
        print("same" if replay.same else "different")
        for line in (*replay.differences, *(f"({changed})" for changed in replay.changed)):
            print(line)

    # --- lists

    def hits(self, hits: Sequence[Hit]) -> None:
        """Passages with where they stand and why they were found."""
        for number, hit in enumerate(hits, start=1):
            print(f"{number}. {_where(hit)}\n   {_short(hit.chunk.text)}\n   {_reason(hit)}")
        if not hits:
            self.say("Nothing matches.")

    def report(self, report: SyncReport) -> None:
        """What a sync did."""
        self._clear()
        counts = [
            f"{count} {name}"
            for name, count in (
                ("added", report.added),
                ("updated", report.updated),
                ("moved", report.moved),
                ("removed", report.removed),
                ("unchanged", report.unchanged),
                ("failed", len(report.failed)),
            )
            if count
        ]
        print(", ".join(counts) if counts else "nothing to do")
        self.failures(report.failed)

    def failures(self, failed: Sequence[Failure]) -> None:
        """The files that could not be read, with the reason: each by name, or where they are many, some of each kind."""
        by_reason: dict[str, list[Failure]] = {}
        for failure in failed:
            by_reason.setdefault(failure.reason, []).append(failure)
        shown = len(failed) if len(failed) <= _MANY_FAILURES else _SHOWN_FAILURES
        for alike in by_reason.values():
            for failure in alike[:shown]:
                self.say(
                    f"skipped {failure.path}: {failure.message}" + (f" ({failure.hint})" if failure.hint and shown == len(failed) else "")
                )
            if shown < len(failed):
                more = f"  ... and {len(alike) - shown:,} more like these. " if len(alike) > shown else "  "
                if more.strip() or alike[0].hint:
                    self.say(more + (f"hint: {alike[0].hint}" if alike[0].hint else ""))
        if shown < len(failed):
            self.say(f"{len(failed):,} files were skipped; `wellread list --failed` names them all.")

    def traces(self, traces: Sequence[Mapping[str, Any]]) -> None:
        for trace in traces:
            what = trace["question"] if "question" in trace else f"({trace['kind']} by {trace['model']}: {trace['outcome']})"
            print(f"{trace['id']}  {datetime.fromtimestamp(trace['at']):%Y-%m-%d %H:%M:%S}  {what}")
        if not traces:
            self.say("No question has been asked yet.")

    def trace(self, trace: Mapping[str, Any]) -> None:
        """A trace as a list of steps with their times, then what was sent to the model and what was not."""
        if "question" in trace:
            print(f"{trace['question']}\n{trace['answer']['answer']}\n")
        else:
            tokens = trace["tokens"] or {}
            print(f"{trace['kind']} by {trace['model']}, {trace['route']}: {trace['outcome']} ({trace['status']})")
            print(", ".join(f"{count} {name} tokens" for name, count in tokens.items()) + "\n")
        for step in trace["steps"]:
            facts = ", ".join(f"{name} {_plain(value)}" for name, value in step["data"].items() if len(_plain(value)) < 80)
            print(f"{step['at_ms']:8.1f} ms  {step['kind']:<10} {step['took_ms']:8.1f} ms  {facts}")
        if "feedback" in trace:
            print(f"\nthumb {trace['feedback']['thumb']}: {trace['feedback']['comment']}")
        if "question" not in trace:
            return
        ledger = trace["answer"]["ledger"]
        chunks = ", ".join(str(sent["chunk"]) for sent in ledger["sent"]) or "none"
        print(f"\nsent {ledger['sent_tokens']} of {ledger['window']} tokens: chunks {chunks}")
        for dropped in ledger["dropped"]:
            print(f"left out chunk {dropped['chunk']}: {dropped['reason']}")


def _where(hit: Hit) -> str:
    place = f", {page_name(hit.page_label)}" if hit.page_label is not None else ""
    return f"{hit.title}{place}" + (f" ({hit.heading})" if hit.heading and hit.heading != hit.title else "")


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _QUOTE_CHARS else line[: _QUOTE_CHARS - 1] + "…"


def _amount(done: int, total: int) -> str:
    """Done of total: bytes in megabytes, everything else as it is counted."""
    if isinstance(done, Bytes):
        return f"{done / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{done / 1e6:.1f} MB"
    return f"{done:,} of {total:,}" if total else f"{done:,}"


def _rate(done: int, seconds: float) -> str:
    """How much a second, in the unit of `_amount`."""
    a_second = done / max(seconds, 0.001)
    if isinstance(done, Bytes):
        return f"{a_second / 1e6:.1f} MB/s"
    return f"{a_second:,.0f}/s" if a_second >= 100 else f"{a_second:.3g}/s"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _plain(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _reason(hit: Hit) -> str:
    """Where the score of a hit comes from, on one line; `--json` has all of it."""
    why = hit.why
    told = [f"relevance {why['relevance']:.2f}", f"score {hit.score:.2f}"]
    if "dense_z" in why:
        told += [
            f"meaning {why['dense_z']:+.2f} (cosine {why['cosine']:.2f}) and of its document {why['head_z']:+.2f}",
            f"words {why['keyword_z']:+.2f} (bm25 {why['bm25']:.1f}), around {why['passage_z']:+.2f}, trusted {why['keyword_trust']:.2f}",
        ]
    else:
        told += [f"{name} {why[name]:.2f}" for name in ("bm25", "cosine", "rrf") if name in why]
    if "rerank" in why:
        told.append(f"reranker {why['rerank']:.2f}, before {why['retrieved']:.2f}")
    return "; ".join(told)
