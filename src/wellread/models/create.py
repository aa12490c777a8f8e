"""Making a model from a Modelfile: other instructions, parameters, turns or adapters for weights that are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from wellread.errors import UsageError
from wellread.models.catalog import Entry, LocalFile, ModelFile
from wellread.models.engines import open_chat
from wellread.models.files import ModelStore, Pulled
from wellread.models.manner import Manner
from wellread.models.modelfile import Modelfile, modelfile_text, parse_modelfile
from wellread.places import expanded
from wellread.types import Message, Progress, silent

_ANY_MEMORY = 1 << 62  # whether it fits is looked at when it is used, perhaps on another day


def create(store: ModelStore, name: str, text: str, folder: Path, progress: Progress = silent, *, offline: bool = False) -> Pulled:
    """Make the model that the text of a Modelfile describes; see `make`. Raises `UsageError` where it is not understood, too."""
    return make(store, name, parse_modelfile(text), folder, progress, offline=offline)


def make(store: ModelStore, name: str, modelfile: Modelfile, folder: Path, progress: Progress = silent, *, offline: bool = False) -> Pulled:
    """Make the model that a Modelfile describes, and give it a name. Paths in it begin at `folder`.

    What it says comes before what its base says. Everything is tried out, short of loading the weights, before anything is written.
    Raises `UsageError` for a base or an adapter that is not there, and `ModelError` for files that are not what they should be.
    """
    store.check_own(name)
    new = [_adapter(store, each, folder) for each in modelfile.adapters]
    base = _path(modelfile.base, folder)
    if base is not None:
        check(base, name, modelfile.manner, new)
        file = ModelFile("model", base.name, 0, None, (LocalFile(base),))
        pulled = store.pull(Entry(store.check_own(name), None, "", f"made from {base.name}", "", (), (file,)), progress)
        return store.make(name, pulled, modelfile.manner, new, progress) if new or modelfile.manner != Manner() else pulled
    pulled = store.bring(modelfile.base, progress, offline=offline)
    if pulled.kind != "chat":
        raise UsageError(f"{pulled.name} is not a chat model: it cannot be spoken with.", hint="name a chat model, or a file, behind FROM")
    manner = replace(modelfile.manner.over(pulled.manner), base=pulled.name)
    check(pulled.paths["model"], name, manner, [*pulled.adapters, *new])
    return store.make(name, pulled, manner, new, progress)


def check(path: Path, name: str, manner: Manner, adapters: list[Path]) -> None:
    """Raise `WellreadError` unless the weights could be opened so."""
    chat = open_chat(path, name=name, derived=path.parent, manner=manner, adapters=adapters, memory=_ANY_MEMORY)
    chat.prompt([Message("user", "a")])


def written(pulled: Pulled) -> str:
    """The Modelfile of a model; what is created from it is the same model."""
    base = pulled.manner.base or (str(pulled.paths["model"]) if pulled.manner != Manner() else pulled.name)
    adapters = tuple(str(path) for path in pulled.adapters)
    return modelfile_text(Modelfile(base, pulled.manner, adapters))


def _path(text: str, folder: Path) -> Path | None:
    """The file that FROM or ADAPTER names; None where it is a model's name. Raises `UsageError` for a path where nothing is."""
    path = folder / expanded(text)
    if path.is_file() and (path.suffix == ".gguf" or "/" in text or "\\" in text):
        return path
    if path.suffix == ".gguf" or text.startswith((".", "/", "~")):
        raise UsageError(f"there is no file {path}.", hint="paths in a Modelfile begin at its own folder")
    return None


def _adapter(store: ModelStore, text: str, folder: Path) -> Path:
    path = _path(text, folder)
    if path is not None:
        return path
    pulled = store.get(text)
    if pulled is None or pulled.kind != "adapter":
        raise UsageError(f'there is no adapter "{text}".', hint="name a .gguf file, or an adapter that `wellread models list` shows")
    return pulled.paths["model"]
