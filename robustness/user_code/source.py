"""The source of a user's own object: which files it is made of, and a digest that tells one version from another.

What this covers: the file of the object's module, and the modules beside it that these files import, however deep;
for ``package.module`` also the package's own files, and modules beside the package. What it does not: code that is
imported by a computed name, data files, and installed packages, whose versions are recorded elsewhere.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

_THIS_PROJECT = ("robustness", "studies", "analysis")
_INSTALLED = ("site-packages", "dist-packages")
_imported: dict[str, tuple[ModuleSpec, str]] = {}


def is_installed(module: ModuleType) -> bool:
    """Return whether a module lies where packages are installed, or has no file."""
    file = getattr(module, "__file__", None)
    return file is None or any(folder in _INSTALLED for folder in Path(file).parts)


def source_file(name: str) -> Path | None:
    """Return the file of the module of ``package.module:name``, once imported; None where there is none."""
    module, own, _ = name.partition(":")
    file = getattr(sys.modules.get(module), "__file__", None)
    if not own or file is None or module.partition(".")[0] in _THIS_PROJECT:
        return None
    path = Path(file)
    return path if path.suffix == ".py" and path.is_file() else None


def source_code(name: str) -> str | None:
    """Return a digest of the source of ``package.module:name``, whose module is imported.

    Returns:
        16 hexadecimal digits of SHA-256; None for a registered name, or where there is no source.

    Raises:
        ValueError: If the source has changed since this process imported it, so that what would be trained is not
            what the files say.
    """
    file = source_file(name)
    if file is None:
        return None
    module = name.partition(":")[0]
    digest = _digest(file, module)
    spec = sys.modules[module].__spec__
    if spec is not None:
        before, known = _imported.setdefault(module, (spec, digest))
        if before is not spec:  # it was imported or reloaded since
            _imported[module] = spec, digest
        elif known != digest:
            raise ValueError(f"{file}: has changed since this process imported it: start Python again")
    return digest


def other_file(name: str, folder: Path) -> Path | None:
    """Return the file in ``folder`` that ``package.module:name`` means, if this process has imported another."""
    module = name.partition(":")[0]
    file, meant = source_file(name), _file(folder, tuple(module.split(".")))
    return None if file is None or meant is None or file.samefile(meant) else meant


def check_origin(name: str, folder: Path | None) -> None:
    """Check that ``package.module:name``, once imported, is of the file that ``folder`` has for it, if it has one.

    Raises:
        ValueError: If this process has imported another file's.
    """
    if folder is not None and (other := other_file(name, folder)):
        raise ValueError(f"{other}: is not the module that this process imported: start Python again")


def _digest(file: Path, module: str) -> str:
    parts = tuple(module.split("."))
    root = file.parents[len(parts) - (file.name != "__init__.py")]
    content = hashlib.sha256()
    for dotted, path in sorted(_files(root, parts).items()):
        imported = getattr(sys.modules.get(dotted), "__file__", None)
        if imported is not None and not path.samefile(imported):
            raise ValueError(f"{path}: is not the {dotted} that this process imported: start Python again")
        source = path.read_bytes().replace(b"\r\n", b"\n")
        content.update(f"{path.relative_to(root).as_posix()} {len(source)}\n".encode() + source)
    return content.hexdigest()[:16]


def _files(root: Path, module: tuple[str, ...]) -> dict[str, Path]:
    """Return the files beneath ``root`` of ``module`` and of modules that it imports, by the modules' names."""
    installed = any(folder in _INSTALLED for folder in root.parts)
    files: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        parts = waiting.pop()
        if parts[0] in _THIS_PROJECT or (installed and parts[0] != module[0]):
            continue
        for depth in range(1, len(parts) + 1):
            file, dotted = _file(root, parts[:depth]), ".".join(parts[:depth])
            if file is not None and dotted not in files:
                files[dotted] = file
                package = parts[:depth] if file.name == "__init__.py" else parts[: depth - 1]
                waiting += _imports(file, package)
    return files


def _file(root: Path, module: tuple[str, ...]) -> Path | None:
    base = root.joinpath(*module)
    for file in (base / "__init__.py", base.parent / f"{base.name}.py"):
        if file.is_file():
            return file
    return None


def _imports(file: Path, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the modules that a file imports, and names in them, which may be modules too."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # nothing can import it
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            origin = base + tuple(node.module.split(".") if node.module else ())
            yield from ((*origin, alias.name) for alias in node.names)
