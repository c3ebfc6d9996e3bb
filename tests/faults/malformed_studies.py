"""Malformed study files: each is refused with exit code 2 and one line, or is a valid study; never a traceback.

    python tests/faults/malformed_studies.py --tries 500 --seed 0

Takes presets, changes them (wrong types and keys, huge and non-finite numbers, text of all kinds, nested junk,
aliases of aliases, keys given twice, numbers equal but for rounding, batches larger than the data, bytes that are no
text, nothing at all) and runs `robustness plan FILE` in this
process. Prints how many files were refused and how many were valid, or the first file that broke the rule.
"""

from __future__ import annotations

import argparse
import copy
import io
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from studies.cli import main
from studies.spec.errors import SpecError
from studies.spec.presets import load_spec, presets

LONGEST_LINE = 1000
MOST_PLANNED = 5000  # larger valid studies are read, but not expanded, which would take long

NUMBERS = [0, -1, 1, 3, -0.0, 0.5, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"), 2**63, 10**400]
TEXTS = [
    "",
    " ",
    "x" * 20_000,
    "a\nb",
    "\t",
    "é漢🎈",
    "\u202e",
    "../../x",
    "/",
    "1e-3",
    "yes",
    "adamw",
    "full",
    "nan",
    "~",
]
TEXTS += ["no_such_module:make", "../../x:y", ":", "<script>alert(1)</script>", "{}", "%s%n", "$HOME", "\x7f"]
OTHERS = [None, True, False, b"\x00\xff", [], {}, [[]], {"a": {"b": {"c": [1, {"d": 2}]}}}, {1: 2}, {None: 1}]
OTHERS += [
    [1, "a", None, {}],
    [1, 1],
    [1e-3] * 300,
    {"decades": 1e9, "points": 3},
    {"decades": 4, "points": 10**9},
]
KEYS = [
    "name",
    "task",
    "lr",
    "seeds",
    "extend",
    "confirm",
    "decades",
    "points",
    "nmae",
    "",
    " ",
    "a.b",
    "é",
    "<<",
    "x" * 500,
]
SNIPPETS = [
    "&a ",
    "*a",
    "<<: *a\n",
    "!!python/object/apply:os.system [exit]",
    "!!binary x",
    "!!set {a}",
    "{",
    "}",
    "[",
    "]",
]
SNIPPETS += [
    ": ",
    "- ",
    "\t",
    "\x00",
    "\ufeff",
    "---\n",
    "...\n",
    "%YAML 9.9\n",
    "|",
    ">",
    "'",
    '"',
    "#",
    "!",
    "!x ",
    "? ",
    ",",
    "\r",
]
SNIPPETS += ["2020-13-45", "0x_", "1:99:99", ".inf", "=", "@", "`", "é", "\n", "name: again\n", "9" * 5000]

junk = st.sampled_from(NUMBERS + TEXTS + OTHERS) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def preset_texts() -> list[str]:
    """Return the presets, and one that has every key."""
    folder = resources.files("studies") / "presets"
    texts = [(folder / f"{name}.yaml").read_text("utf-8") for name in presets()]
    return [*texts, (folder / "smoke.yaml").read_text("utf-8") + "extend: {decades: 2}\nconfirm: 3\n"]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every container in ``value`` with each of its keys or indices."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A preset with one to three of its values or keys replaced, removed or added."""
    study = yaml.safe_load(draw(st.sampled_from(preset_texts())))
    for _ in range(draw(st.integers(1, 3))):
        all_places = places(study)
        if not all_places:
            break
        container, key = draw(st.sampled_from(all_places))
        kind = draw(st.sampled_from(["replace", "replace", "remove", "rename", "add"]))
        if kind == "replace":
            container[key] = copy.deepcopy(draw(junk))
        elif kind == "remove":
            del container[key]
        elif isinstance(container, dict):
            name = draw(st.sampled_from(KEYS) | st.text(max_size=10))
            container[name] = container.pop(key) if kind == "rename" else copy.deepcopy(draw(junk))
    return yaml.safe_dump(study, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A preset's text with pieces put in, cut out or doubled."""
    text = draw(st.sampled_from(preset_texts()))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        piece = draw(st.sampled_from([*SNIPPETS, text[start:end] * 2]))
        text = text[:start] + piece + text[end if draw(st.booleans()) else start :]
    return text.encode("utf-8", "surrogatepass")


def bomb(depth: int, shape: str) -> bytes:
    """Aliases of aliases, which mean 9**depth values."""
    lines = [f"x{i}: &x{i} " + shape.format(", ".join([f"*x{i - 1}"] * 9)) for i in range(1, depth)]
    return "\n".join(["x0: &x0 [1, 2]", *lines, "name: *x1"]).encode()


NO_STUDIES = [
    b"",
    b"\n",
    b"# nothing\n",
    b"---\n",
    b"name: a\n---\nname: b\n",
    bytes(range(256)),
    b"\xff\xfe" * 50,
    b"\x00" * 99,
]
NO_STUDIES += [
    b"[" * 5000,
    b"a: {" * 3000,
    b"- " * 3000,
    b"a:\n" + b" " * 300_000,
    b"name: a\nname: b\n",
    b"? [1]\n: 2\n",
]
NO_STUDIES += [
    bomb(30, "[{}]"),
    bomb(12, "{{k: [{}]}}"),
    "name: é".encode("utf-16"),
    b"x: &x [*x]",
    b"&a : *a",
]
# Values that earlier programs took in silence: each file must be refused.
TRAPS = {
    "rates equal but for rounding": {"grid": {"lr": [0.1, 0.10000000000000002], "weight_decay": [0]}},
    "decays equal but for rounding": {"grid": {"lr": [0.1], "weight_decay": [0.3, 0.1 + 0.2]}},
    "scales equal but for rounding": {
        "grid": {"lr": [0.1], "weight_decay": [0], "grad_scale": [1, 1 + 1e-15]}
    },
    "hyperparameters equal but for rounding": {
        "optimizers": {"sgd": {"lr": 0.1, "momentum": [0.9, 0.9000000000000001]}},
    },
    "a batch above the training split": {"budget": {"epochs": 1, "batch_size": 10**6}},
    "a batch of a word": {"budget": {"epochs": 1, "batch_size": "all"}},
    "a batch of nothing": {"budget": {"epochs": 1, "batch_size": None}},
    "a batch in a list": {"budget": {"epochs": 1, "batch_size": ["full"]}},
}


def trap(name: str) -> bytes:
    """Return the preset smoke with the values of a trap."""
    smoke = yaml.safe_load((resources.files("studies") / "presets" / "smoke.yaml").read_text("utf-8"))
    return yaml.safe_dump({**smoke, **TRAPS[name]}, sort_keys=False).encode()


study_files = (
    changed()
    | mangled()
    | st.sampled_from(NO_STUDIES)
    | st.sampled_from([*map(trap, TRAPS)])
    | st.binary(max_size=200)
)


def give(path: Path) -> tuple[int, str]:
    """Run `robustness plan PATH` in this process; return its exit code and what it wrote to stderr."""
    errors = io.StringIO()
    arguments, sys.argv = (
        sys.argv,
        ["robustness", "plan", str(path), "--engine", "sequential", "--workers", "0"],
    )
    try:
        with redirect_stderr(errors), redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("always")
            main()
    except SystemExit as end:
        return int(end.code or 0), errors.getvalue()
    finally:
        sys.argv = arguments
    return 0, errors.getvalue()


def too_large(path: Path) -> bool:
    """Whether the file holds a valid study of more trials than are expanded here."""
    try:
        return load_spec(path).count() > MOST_PLANNED
    except SpecError:
        return False


def checked(path: Path, content: bytes) -> str:
    """Write a file, give it to the command, check the rule; return ``refused`` or ``valid``."""
    path.write_bytes(content)
    if too_large(path):
        return "valid"
    code, said = give(path)
    if code == 0:
        assert said == "", (content, said)
        return "valid"
    assert code == 2, (content, code, said)
    assert said.count("\n") == 1, (content, said)
    assert said.endswith("\n"), (content, said)
    assert said.startswith(f"robustness: {path}: "), (content, said)
    assert len(said) <= LONGEST_LINE + len(str(path)), (content, said)
    return "refused"


def fuzz(tries: int, number: int) -> Counter[str]:
    """Try ``tries`` files, the same ones for the same seed; return how many were refused and how many valid."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:

        @seed(number)
        @settings(
            max_examples=tries,
            deadline=None,
            derandomize=False,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(content=study_files)
        def check_one(content: bytes) -> None:
            counts[checked(Path(folder) / "study.yaml", content)] += 1

        run: Callable[[], None] = check_one
        run()
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print(dict(fuzz(chosen.tries, chosen.seed)))
