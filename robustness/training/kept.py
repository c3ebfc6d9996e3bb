"""What was found out once on this machine and is kept in the user's cache folder, as small files of JSON."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from robustness.tasks.storage import cache_home


def kept_path(folder: str, identity: list[Any]) -> Path:
    """Return where in the cache is kept what belongs to ``identity``, which holds values of JSON."""
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    return cache_home() / folder / f"{digest}.json"


def read_kept(path: Path) -> dict[str, Any]:
    """Return what was kept; empty if there is nothing, or nothing that can be read."""
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def keep(path: Path, content: dict[str, Any]) -> None:
    """Keep ``content``; if the folder cannot be written to, it is found out again the next time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(content))
        temporary.replace(path)
    except OSError:
        return
