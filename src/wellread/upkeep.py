"""The commands that look after a library (doctor, backup, restore, vacuum) and show the settings. Each returns an exit code."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from wellread.config import Loaded
from wellread.doctor import Finding, examine, repair
from wellread.index.backup import backup, restore
from wellread.index.vacuum import vacuum
from wellread.library import Library
from wellread.models.files import ModelStore
from wellread.parts import Parts
from wellread.terminal import Screen

OK, FAILED = 0, 1


def doctor(folder: Path, parts: Parts, screen: Screen, *, mend: bool, as_json: bool) -> int:
    """Look for everything that can be wrong with a library, and with `mend` put right what can be."""
    settings = parts.settings
    models = ModelStore(settings.models_folder)
    done: tuple[str, ...] = ()
    if mend:
        repaired = repair(folder, models, progress=screen.progress)
        done, findings = repaired.done, list(repaired.left)
        if any("sync" in sentence for sentence in done):  # documents that were taken out are read again
            with Library(folder, parts) as library:
                screen.report(library.sync(progress=screen.progress))
    else:
        findings = examine(folder, models, progress=screen.progress)
    if as_json:
        print(json.dumps({"done": done, "findings": [_told(finding) for finding in findings]}, indent=2))
    else:
        for sentence in done:
            print(f"repaired: {sentence}")
        for finding in findings:
            print(f"{finding.severity}: {finding.what}" + (f" --repair: {finding.repair}" if finding.repair and not mend else ""))
        if not findings:
            print(f"{folder} is whole.")
    return FAILED if any(finding.severity == "error" for finding in findings) else OK


def save(folder: Path, to: Path, screen: Screen, *, overwrite: bool, as_json: bool) -> int:
    """Write a library into one file, also while it is in use."""
    count = backup(folder, to, overwrite=overwrite, progress=screen.progress)
    return _counted(screen, "saved", count, to, as_json)


def bring_back(saved: Path, folder: Path, screen: Screen, *, overwrite: bool, as_json: bool) -> int:
    """Make a library of what `save` wrote."""
    count = restore(saved, folder, overwrite=overwrite, progress=screen.progress)
    return _counted(screen, "restored", count, folder, as_json)


def shrink(folder: Path, screen: Screen, *, as_json: bool) -> int:
    """Rewrite a library without anything that was removed from it."""
    done = vacuum(folder, progress=screen.progress)
    if as_json:
        print(json.dumps(dataclasses.asdict(done), indent=2))
    else:
        deleted = f"; deleted {', '.join(done.deleted)}" if done.deleted else ""
        print(f"{done.freed / 1e6:.1f} MB freed{deleted}")
    return OK


def settings_in_force(loaded: Loaded, *, with_origin: bool, as_json: bool) -> int:
    """Print every setting, and where its value comes from."""
    values = {name: str(value) if isinstance(value, Path) else value for name, value in dataclasses.asdict(loaded.settings).items()}
    if as_json:
        origins = {name: {"value": value, "origin": loaded.origin[name]} for name, value in values.items()}
        print(json.dumps(origins if with_origin else values, indent=2))
    else:
        for name, value in values.items():
            print(f"{name} = {value!r}" + (f"  # {loaded.origin[name]}" if with_origin else ""))
    return OK


def _counted(screen: Screen, what: str, count: int, where: Path, as_json: bool) -> int:
    if as_json:
        print(json.dumps({what: count, "where": str(where)}))
    else:
        screen.say(f"{what.capitalize()} {count} document{'s' * (count != 1)} in {where}.")
    return OK


def _told(finding: Finding) -> dict[str, str | None]:
    return {"severity": finding.severity, "what": finding.what, "repair": finding.repair}
