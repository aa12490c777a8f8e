"""Settings and where each came from: command line > WELLREAD_... > ./wellread.toml > the user's config.toml > default."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from wellread.errors import UsageError, suggest
from wellread.options import MIN_CONFIDENCE
from wellread.places import expanded

_PREFIX = "WELLREAD_"
_SECRETS = ("token",)  # what only who needs it looks up, so that it is shown nowhere
_YES_NO = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_KINDS = {bool: "yes or no", int: "a whole number", float: "a number", str: "text", type(Path()): "the path of a folder"}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Each field is also `WELLREAD_ITS_NAME`, a key of wellread.toml, and (but for `trace_days` and the limits)
    `--its-name`.

    library: the library used when none is named.
    model: the chat model: a catalogue name, a path to a .gguf file, "openai:NAME" with `base_url`, or "none".
    base_url: address of an OpenAI-compatible server, for "openai:NAME" models.
    engine: what runs local chat models: "auto", "openvino" or "llamacpp".
    threads: threads for local models; 0 chooses by the machine.
    speculative: how local chat models guess ahead: "lookup" from the prompt, which is quicker where they quote; the name or file of a
        smaller model of the same family; or "none".
    context_window: tokens that a local chat model may read and write together; 0 takes 4096 or what the model can, if less.
    embedder: "auto" (by the language of the documents), "all-minilm", "multilingual-e5-small" or a classic one (docs/finding.md).
    reranker: what reads the best passages again where that is asked for: "none", the folder of a cross-encoder in ONNX, or a file
        (.npz) that `python -m wellread.train.reranker` wrote.
    min_confidence: a question is refused when it is less likely than this that the documents answer it (0 to 1).
    offline: never touch the network; models must be here already.
    jobs: files read at the same time; 0 chooses by the machine.
    private_addresses: whether web pages may be fetched from this machine and the local network.
    trace_days: days for which traces of questions and of the server's requests are kept; 0 keeps them for good.
    max_file_mb, max_pages: the largest file that is read, and the most pages.
    max_read_seconds, max_read_memory_mb: processor time and memory that reading one file may take.
    max_memory_mb: memory that a local chat model may take, in a server all of them together; 0 for what is free.
    keep_alive: how long a server keeps a chat model loaded after its last use: seconds or "10m", 0 for not at all, -1 for ever.
    max_unpacked_mb, max_unpacked_ratio: what an archive may unpack to, in all and per byte of its own.
    """

    library: str = "library.wellread"
    model: str = "smollm2:135m"
    base_url: str = ""
    engine: str = "auto"
    threads: int = 0
    speculative: str = "none"
    context_window: int = 0
    embedder: str = "auto"
    reranker: str = "none"
    min_confidence: float = MIN_CONFIDENCE
    offline: bool = False
    jobs: int = 0
    private_addresses: bool = False
    trace_days: int = 90
    max_file_mb: int = 50
    max_pages: int = 2_000
    max_read_seconds: int = 60
    max_read_memory_mb: int = 2_048
    max_memory_mb: int = 0
    keep_alive: str = "5m"
    max_unpacked_mb: int = 200
    max_unpacked_ratio: int = 100
    home: Path = field(default_factory=Path)
    """The one folder under which everything is kept; empty to use the platform's own places."""

    @property
    def models_folder(self) -> Path:
        """Where model files are kept."""
        return self._under("cache") / "models"

    @property
    def cached_libraries(self) -> Path:
        """Where the libraries of `ask --in` are kept."""
        return self._under("cache") / "libraries"

    @property
    def server_folder(self) -> Path:
        """Where the server keeps what is its own."""
        if self.home != Path():
            return self.home / "server"
        import platformdirs

        return Path(platformdirs.user_data_dir("wellread")) / "server"

    def _under(self, kind: str) -> Path:
        if self.home != Path():
            return self.home / kind
        import platformdirs

        return Path(platformdirs.user_cache_dir("wellread"))


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each field where its value came from ("default", a file's path, a variable's name)."""

    settings: Settings
    origin: Mapping[str, str]


def load(environment: Mapping[str, str] | None = None, *, folder: Path | None = None) -> Loaded:
    """Read the settings that hold in `folder` (the current one). Raises `UsageError` for unknown keys and values of a wrong kind."""
    environment = os.environ if environment is None else environment
    folder = Path.cwd() if folder is None else folder
    found: dict[str, tuple[Any, str]] = {}
    home = environment.get(_PREFIX + "HOME", "")
    for path in (_user_file(Path(home) if home else None), folder / "wellread.toml"):
        for key, value in _from_file(path).items():
            found[key] = (value, str(path))
    names = {field.name: field for field in fields(Settings)}
    for variable, text in environment.items():
        if variable.startswith(_PREFIX):
            key = variable.removeprefix(_PREFIX).lower()
            if key in _SECRETS:
                continue
            if key not in names:
                raise UsageError(f"{variable} is not a setting of Wellread.", hint=_nearest(key))
            found[key] = (text, variable)
    values = {key: _cast(key, value, origin) for key, (value, origin) in found.items()}
    return Loaded(replace(Settings(), **values), {name: found[name][1] if name in found else "default" for name in names})


def override(loaded: Loaded, given: Mapping[str, Any]) -> Loaded:
    """Settings with those given on the command line on top; None means not given."""
    values = {key: _cast(key, value, "the command line") for key, value in given.items() if value is not None}
    return Loaded(replace(loaded.settings, **values), {**loaded.origin, **dict.fromkeys(values, "the command line")})


def _user_file(home: Path | None) -> Path:
    if home is not None:
        return home / "config.toml"
    import platformdirs

    return Path(platformdirs.user_config_dir("wellread")) / "config.toml"


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.", hint="correct that line") from error
    known = {field.name for field in fields(Settings)}
    for key in values:
        if key not in known:
            raise UsageError(f'{path} sets "{key}", which is not a setting of Wellread.', hint=_nearest(key))
    return values


def _nearest(key: str) -> str:
    names = [field.name for field in fields(Settings)]
    return suggest(key, names) or f"the settings are {', '.join(names)}"


def _cast(key: str, value: Any, origin: str) -> Any:
    """A value as its setting wants it; environment and command line give text, files give TOML's kinds."""
    default = getattr(Settings(), key)
    try:
        if isinstance(default, bool):
            return value if isinstance(value, bool) else _YES_NO[str(value).lower()]
        if isinstance(default, int) and isinstance(value, (str, int)) and not isinstance(value, bool):
            return int(value)
        if isinstance(default, float) and isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return float(value)
        if isinstance(default, Path) and isinstance(value, (str, Path)):
            return expanded(value)
        if isinstance(default, str) and isinstance(value, (str, Path)):
            return str(value)
    except (KeyError, ValueError):
        pass
    raise UsageError(f'"{key}" must be {_KINDS[type(default)]}, but {origin} says "{value}".', hint="correct it there")
