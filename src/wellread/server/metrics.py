"""What happened, in numbers, as Prometheus reads them: https://prometheus.io/docs/instrumenting/exposition_formats/"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_HELP = {
    "wellread_requests_total": ("counter", "Requests that were answered, by route and status."),
    "wellread_request_seconds": ("histogram", "How long requests took, by route."),
    "wellread_tokens_total": ("counter", "Tokens that chat models read (prompt) and wrote (completion)."),
    "wellread_refused_answers_total": ("counter", "Questions that a library's documents do not answer."),
    "wellread_working": ("gauge", "Requests that a model works on."),
    "wellread_waiting": ("gauge", "Requests that wait for a model."),
    "wellread_model_resting": ("gauge", "Chat models that crashed so often that they are not started for now."),
    "wellread_traces_dropped": ("gauge", "Traces that could not be kept since the start."),
}


class Metrics:
    """Counters and times since the start. Several threads may use one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, dict[str, float]] = {}

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Count something."""
        with self._lock:
            rows = self._counts.setdefault(name, {})
            key = _labels(labels)
            rows[key] = rows.get(key, 0) + amount

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Note how long something took."""
        for limit in _BUCKETS:
            if seconds <= limit:
                self.add(name + "_bucket", 1, **labels, le=f"{limit:g}")
        self.add(name + "_bucket", 1, **labels, le="+Inf")
        self.add(name + "_sum", seconds, **labels)
        self.add(name + "_count", 1, **labels)

    def text(self, gauges: Mapping[str, float], resting: Sequence[str] = ()) -> str:
        """Everything, with what is so at this moment, and the models that rest."""
        with self._lock:
            found = {name: dict(rows) for name, rows in self._counts.items()}
        found |= {name: {"": value} for name, value in gauges.items()}
        found["wellread_model_resting"] = {_labels({"model": name}): 1.0 for name in resting}
        lines = []
        for name, (kind, about) in _HELP.items():
            lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
            for full in (name, name + "_bucket", name + "_sum", name + "_count"):
                lines += [f"{full}{labels} {value:g}" for labels, value in sorted(found.get(full, {}).items())]
        return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    escaped = {name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in labels.items()}
    told = ",".join(f'{name}="{value}"' for name, value in escaped.items())  # route templates and the like, never what a client makes up
    return f"{{{told}}}" if told else ""
