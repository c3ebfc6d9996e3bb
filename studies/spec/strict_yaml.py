"""Reading and writing a study's YAML: strict where PyYAML is silently lenient.

Differences from ``yaml.safe_load``: ``1e-3`` is a number, as in YAML 1.2 (YAML 1.1 reads text); a key given
twice is an error (PyYAML keeps the last); a file has at most 256 KiB; every failure is one ``SpecError``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from studies.spec.errors import SpecError
from studies.spec.problems import Location, dotted, one_line, shown

MAX_BYTES = 256 * 1024
WORKLOADS = "workloads"
"""The key that makes a study file a suite's."""
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+")
_FLOAT_STARTS = list("-+.0123456789")


class _Loader(yaml.SafeLoader):
    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge ``<<`` and keep each key once: merges of merges would otherwise grow exponentially."""
        super().flatten_mapping(node)
        last = {_identity(key): (key, value) for key, value in node.value}
        node.value = list(last.values())


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Write every value out."""
        return True


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, _FLOAT_STARTS)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, _FLOAT_STARTS)


def read_text(path: Path) -> str:
    """Return the text of the study file ``path``.

    Raises:
        SpecError: If it is no readable text file of at most 256 KiB.
    """
    try:
        if not path.exists():
            raise SpecError(f"{path}: no such file")
        if not path.is_file():
            raise SpecError(f"{path}: must be a YAML file, but is none (a directory or a device)")
        if path.stat().st_size > MAX_BYTES:
            raise SpecError(f"{path}: must have at most {MAX_BYTES // 1024} KiB")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SpecError(f"{path}: must be text in UTF-8, but is binary") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        if isinstance(error, SpecError):
            raise
        raise SpecError(one_line(f"{str(path)!r}: cannot be read: {error}")) from None


def parse(text: str) -> dict[str, Any]:
    """Return the mapping that ``text`` holds.

    Raises:
        SpecError: If it is not one YAML mapping whose keys are text, each given once.
    """
    if len(text) > MAX_BYTES:
        raise SpecError(f"must have at most {MAX_BYTES // 1024} KiB")
    try:
        data = _load(text)
    except SpecError:
        raise
    except yaml.YAMLError as error:
        raise SpecError(_where(error)) from None
    except RecursionError:
        raise SpecError("is nested too deeply") from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        # PyYAML's own constructors fail so on values such as 2020-13-45 or !!bool x
        raise SpecError(f"holds a value that is no YAML: {type(error).__name__}: {error}") from None
    if data is None:
        raise SpecError("is empty; a study is a YAML mapping with name, task, budget, …")
    if not isinstance(data, Mapping):
        raise SpecError(f"must be a YAML mapping with name, task, budget, …, but is a {type(data).__name__}")
    for key in data:
        if not isinstance(key, str):
            raise SpecError(f"{shown(key)}: a key must be text")
    return dict(data)


def dump(data: Mapping[str, Any]) -> str:
    """Return ``data`` as YAML that ``parse`` reads back equal, in ASCII, each innermost mapping on a line."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110)


def _load(text: str) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_duplicates(node, (), set())
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _identity(key: yaml.Node) -> object:
    return (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)


def _refuse_duplicates(node: yaml.Node, path: Location, seen: set[int]) -> None:
    """Raise for the first key that a mapping has twice; ``seen`` keeps aliased nodes from being visited again."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _refuse_duplicates(item, (*path, index), seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[object, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            location = (*path, str(key.value) if isinstance(key, yaml.ScalarNode) else "?")
            if _identity(key) in lines:
                first = lines[_identity(key)]
                raise SpecError(
                    f"{dotted(location)}: given twice (lines {first} and {line}); keep one of them"
                )
            lines[_identity(key)] = line
            _refuse_duplicates(value, location, seen)


def _where(error: yaml.YAMLError) -> str:
    """Return what is wrong and where, in one line."""
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    position = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return f"{position}is no YAML: {what}"


def study_name(text: str, source: str = "study") -> str | None:
    """Return the name in a study's YAML without checking the study, or None if it has none.

    Raises:
        SpecError: If ``text`` is no YAML mapping; the message begins with ``source``.
    """
    return _text_at("name", text, source)


def workload_name(text: str, source: str = "study") -> str | None:
    """Return what a study's YAML calls its workload, as ``study_name`` returns the study's name."""
    return _text_at("workload", text, source)


def _text_at(key: str, text: str, source: str) -> str | None:
    try:
        value = parse(text).get(key)
    except SpecError as error:
        raise SpecError(one_line(f"{source}: {error}")) from None
    return value if isinstance(value, str) else None


def is_suite(text: str) -> bool:
    """Return whether ``text`` is the YAML of a suite of workloads, valid or not."""
    try:
        return WORKLOADS in parse(text)
    except SpecError:
        return False


def workload_names(text: str) -> list[str]:
    """Return the names of the workloads in a suite's YAML without checking the suite; none where it is no suite's."""
    listed = parse(text)[WORKLOADS] if is_suite(text) else []
    workloads = listed if isinstance(listed, list) else []
    return [str(workload.get("name")) for workload in workloads if isinstance(workload, Mapping)]
