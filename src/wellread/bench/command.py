"""`wellread bench ...`: what was asked for is measured, and shown as tables, JSON, or a picture. Each function returns an exit code.

Every collection that is finished is kept when Ctrl-C comes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wellread.bench import peers
from wellread.bench.collection import Collection, read_collection, sample
from wellread.bench.retrieval import METHODS, Measured, is_chinese, measure, methods_named
from wellread.bench.retrieval_plot import check, draw
from wellread.bench.retrieval_report import FIRST, as_json, compare, comparison_table, read_json, table
from wellread.config import Settings
from wellread.errors import UsageError
from wellread.evaluate.bootstrap import estimate
from wellread.parts import Parts
from wellread.places import expanded
from wellread.recipe import By
from wellread.terminal import Screen

if TYPE_CHECKING:
    from wellread.bench.scale import ScalePoint

OK, FAILED, INTERRUPTED = 0, 1, 130

_SMALLEST = 1_000
_SCALE_QUERIES = 100
_EMBEDDERS = ("tfidf", "ngram-hash", "word2vec", "doc2vec", "all-minilm", "multilingual-e5-small")


def bench(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the bench that `arguments.bench` names."""
    screen = Screen()
    if "queries" in arguments and arguments.queries is not None and arguments.queries < 1:
        raise UsageError(f"--queries must be at least 1, not {arguments.queries}.", hint="leave it out to ask all of them")
    if "plot" in arguments and arguments.plot:
        check(expanded(arguments.plot))
    with Parts(settings, progress=screen.progress) as parts:
        return _BENCHES[arguments.bench](arguments, parts, screen)


# --- retrieval


def _retrieval(arguments: argparse.Namespace, parts: Parts, screen: Screen) -> int:
    methods = methods_named(_names(arguments.by)) if arguments.by else METHODS
    return _each(arguments, screen, lambda collection: _measured(collection, methods, parts, screen))


def _measured(collection: Collection, methods: Sequence[By], parts: Parts, screen: Screen) -> Measured:
    embedder = parts.embedder(parts.embedder_for(chinese=is_chinese(collection)))
    return measure(collection, embedder, _cache(parts), methods, screen.progress)


def _each(arguments: argparse.Namespace, screen: Screen, measured: Callable[[Collection], Measured]) -> int:
    """Measure one collection after another, show each when it is done, and those that are done when Ctrl-C comes."""
    collections = [read_collection(expanded(folder)) for folder in arguments.folders]
    names = [collection.name for collection in collections]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two collections are called {twice}.", hint="give their folders different names")
    done: list[Measured] = []
    code = OK
    try:
        for collection in collections:
            done.append(measured(sample(collection, arguments.queries) if arguments.queries else collection))
            if not arguments.json:
                print(table(done[-1]) + "\n", flush=True)
    except KeyboardInterrupt:
        screen.say(f"Stopped after {len(done)} of {len(collections)} collections.")
        code = INTERRUPTED
    if arguments.json:
        print(json.dumps(as_json(done)), flush=True)
    if arguments.plot and done:
        draw(
            {one.name: {name: estimate(scores[FIRST]) for name, scores in one.scores.items()} for one in done},
            FIRST,
            expanded(arguments.plot),
        )
    return code


def _compare(arguments: argparse.Namespace, parts: Parts, screen: Screen) -> int:
    rows = compare(read_json(expanded(arguments.before)), read_json(expanded(arguments.after)))
    if arguments.json:
        print(json.dumps([{**row, "difference": dataclasses.asdict(row["difference"])} for row in rows], indent=2))
    else:
        print(comparison_table(rows))
    return OK


# --- other systems


def _peers(arguments: argparse.Namespace, parts: Parts, screen: Screen) -> int:
    root = expanded(arguments.peers_root)
    found = peers.check_root(root)
    if arguments.scale is not None:
        if arguments.folders or arguments.plot:
            raise UsageError("--scale takes no collection and draws nothing.", hint="see `wellread bench scale --help`")
        return _peers_scale(arguments, [peer for peer in found if peer in peers.SCALED], root, screen)
    if not arguments.folders:
        raise UsageError("there is no collection to compare on.", hint="name a folder, or compare by size with --scale N")
    cache = _cache(parts) / "peers.npz"

    def measured(collection: Collection) -> Measured:
        ours = _measured(collection, METHODS[:1], parts, screen)
        scores: dict[str, Mapping[str, Any]] = {"wellread": ours.scores[METHODS[0]]}
        for done, peer in enumerate(found, 1):
            try:
                scores |= peers.quality(collection, peer, root, cache)
            except peers.PeerFailed as failed:
                screen.say(f"{peer} did not get through {collection.name}: {failed}")
            screen.progress(f"{collection.name}: other systems", done, len(found))
        return dataclasses.replace(ours, scores=scores)

    return _each(arguments, screen, measured)


def _peers_scale(arguments: argparse.Namespace, found: Sequence[str], root: Path, screen: Screen) -> int:
    points: list[peers.PeerPoint] = []
    code = OK
    with tempfile.TemporaryDirectory(prefix="wellread-bench-", dir=_existing(arguments.folder)) as folder:
        try:
            given = peers.prepare(_sizes(arguments.scale), Path(folder), queries=_SCALE_QUERIES, progress=screen.progress)
            for size in given:
                for peer in found:
                    if not any(point.problem for point in points if point.name == peer):  # what failed does no better when there is more
                        points.append(peers.scale(peer, size, root))
                        screen.say(peers.scale_table(points[-1:]).splitlines()[1])
        except KeyboardInterrupt:
            code = INTERRUPTED
    if arguments.json:
        print(json.dumps(peers.points_json(points), indent=2))
    else:
        print(peers.scale_table(points))
    return code


# --- size


def _scale(arguments: argparse.Namespace, parts: Parts, screen: Screen) -> int:
    from wellread.bench.scale import as_json as points_json
    from wellread.bench.scale import measure as measure_sizes
    from wellread.bench.scale_plot import draw as draw_sizes

    others = peers.read_points(expanded(arguments.peers_file)) if arguments.peers_file else []
    with tempfile.TemporaryDirectory(prefix="wellread-bench-", dir=_existing(arguments.folder)) as folder:
        points = measure_sizes(_sizes(arguments.size), Path(folder), queries=_SCALE_QUERIES, progress=screen.progress)
    if arguments.json:
        print(json.dumps(points_json(points), indent=2))
    else:
        print(_scale_table(points))
    if arguments.plot:
        draw_sizes(points, others, expanded(arguments.plot))
    return OK


def _scale_table(points: Sequence[ScalePoint]) -> str:
    """The sizes, a line each: processor milliseconds as median and 95th percentile, then what it takes to open and to keep."""
    times_of = "".join(f"{head:>13}" for head in ("keyword ms", "vector ms", "hybrid ms", "filtered ms"))
    lines = [f"{'chunks':>10}{'ingest s':>9}{times_of}{'recall@10':>11}{'open s':>8}{'RSS MB':>8}{'disk MB':>9}"]
    for point in points:
        stages = (point.keyword, point.vector, point.hybrid, point.filtered)
        times = "".join(f"{f'{stage.p50_ms:.1f} {stage.p95_ms:.1f}':>13}" for stage in stages)
        kept = f"{point.recall_at_10:>11.3f}{point.open_s:>8.2f}{point.rss_mb:>8.0f}{sum(point.disk_mb.values()):>9.0f}"
        lines.append(f"{point.chunks:>10,}{sum(point.ingest_cpu_s.values()):>9.1f}{times}{kept}")
    return "\n".join(lines)


# --- embeddings


def _embeddings(arguments: argparse.Namespace, parts: Parts, screen: Screen) -> int:
    from wellread.bench.embeddings import measure as measure_embedders
    from wellread.bench.embeddings_plot import draw as draw_embedders

    folders = [expanded(folder) for folder in arguments.folders]
    names = _names(arguments.embedders) if arguments.embedders else _EMBEDDERS
    points = measure_embedders(folders, names, parts, screen.progress, questions=arguments.queries or 500)
    if arguments.json:
        print(json.dumps([{**dataclasses.asdict(point), "mean": point.mean} for point in points], indent=2))
    else:
        print(f"{'':<40}{'nDCG@10':>9}{'chunks/cpu s':>14}{'MB':>8}{'dimensions':>12}")
        for point in points:
            print(f"{point.name[-38:]:<40}{point.mean:>9.3f}{point.speed:>14,.0f}{point.megabytes:>8.1f}{point.dimensions:>12}")
    if arguments.plot:
        draw_embedders(points, expanded(arguments.plot))
    return OK


# --- shared


def _existing(folder: str | None) -> Path | None:
    if folder is not None and not expanded(folder).is_dir():
        raise UsageError(f"there is no folder {folder}.", hint="make it first, or leave out --folder")
    return expanded(folder) if folder is not None else None


def _names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]


def _sizes(largest: int) -> list[int]:
    """1,000 and ten times as many again, as far as `largest`, which is the last."""
    if largest < 1:
        raise UsageError(f"{largest} chunks cannot be measured.", hint="name a size such as 100000")
    sizes = [size for size in (_SMALLEST * 10**power for power in range(12)) if size < largest]
    return [*sizes, largest]


def _cache(parts: Parts) -> Path:
    """Where collections are kept as libraries, and the vectors of other systems."""
    folder = parts.settings.cached_libraries.with_name("bench")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


_BENCHES: Mapping[str, Callable[[argparse.Namespace, Parts, Screen], int]] = {
    "retrieval": _retrieval,
    "compare": _compare,
    "peers": _peers,
    "scale": _scale,
    "embeddings": _embeddings,
}
