"""The house keeps its order: who may import whom, no circles, rooms and modules of a size that can be read."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_LINES, MOST_MODULES = 300, 16
NOT_ROOMS = ("studies/published",)

# From left to right; a module imports from its own room and from rooms to its left. Rooms in one tuple share a
# place and do not know each other.
ORDER = {
    "robustness": (("user_code",), ("optimizers", "tasks"), ("training",)),
    "analysis": (
        ("workloads",),
        ("labels", "task_metric", "row_checks"),
        ("rounding",),
        ("trials", "measures"),
        ("runs",),
        ("statistics",),
        ("metrics",),
        ("summaries", "judgement"),
        ("figures",),
        ("page",),
        ("__init__",),
    ),
    "studies": (
        ("spec",),
        ("planning",),
        ("store",),
        ("sweep",),
        ("searches",),
        ("reports", "terminal"),
        ("study_run",),
        ("study_plan", "study_search", "suite_run"),
        ("__init__",),
        ("cli",),
        ("published",),
    ),
}
PACKAGES = {"robustness": (), "analysis": (), "studies": ("robustness", "analysis")}


def modules():
    return sorted(path.relative_to(ROOT) for package in ORDER for path in (ROOT / package).rglob("*.py"))


MODULES = modules()
NAMES = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in MODULES}


@cache
def imports(path):
    """Return (line, module) of each import in a file: in functions and under TYPE_CHECKING too."""
    found = []
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.append((node.lineno, full if full in NAMES else node.module))
    return [(line, name) for line, name in found if name.partition(".")[0] in ORDER]


def room(name):
    """Return the room of a module by its dotted name: the folder, or the module's own name at the top."""
    path = NAMES[name]
    return path.parts[1] if len(path.parts) > 2 else path.stem


def place(package, name):
    return next(i for i, rooms in enumerate(ORDER[package]) if room(name) in rooms)


def breaches(path):
    """Return a line for each import of a module that the order forbids."""
    own = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    package = path.parts[0]
    for line, name in imports(path):
        other = name.partition(".")[0]
        if other != package:
            if other not in PACKAGES[package]:
                yield f"{path}:{line}: {package} must not know {other}"
        elif name == package:
            if package != "robustness" and room(own) not in (
                "cli",
                "published",
            ):  # robustness holds its version alone
                yield f"{path}:{line}: imports all of {package} from inside"
        elif room(name) != room(own) and place(package, name) >= place(package, own):
            yield f"{path}:{line}: {room(own)} must not import {name}"


@pytest.mark.parametrize("package", ORDER)
def test_every_module_has_a_room_of_the_order(package):
    known = {name for rooms in ORDER[package] for name in rooms} | {"__init__"}
    assert {room(name) for name, path in NAMES.items() if path.parts[0] == package} <= known


@pytest.mark.parametrize("package", ORDER)
def test_no_import_breaks_the_order(package):
    assert [line for path in MODULES if path.parts[0] == package for line in breaches(path)] == []


def test_no_two_modules_import_each_other_by_any_way_round():
    graph = {name: {other for _, other in imports(path)} - {name} for name, path in NAMES.items()}
    open_ways = {name: set(others) for name, others in graph.items()}
    while leaves := {name for name, others in open_ways.items() if not others & open_ways.keys()}:
        for name in leaves:
            del open_ways[name]
    assert {name: others & open_ways.keys() for name, others in open_ways.items()} == {}


def test_a_rooms_init_holds_its_job_and_nothing_else():
    for path in MODULES:
        if path.name != "__init__.py" or len(path.parts) == 2 or path.parts[0] == "robustness":
            continue
        tree = ast.parse((ROOT / path).read_text())
        assert len(tree.body) == 1, path
        assert len(ast.get_docstring(tree)) > 40, path


def test_modules_and_rooms_can_be_read():
    assert [str(p) for p in MODULES if (ROOT / p).read_text().count("\n") > MOST_LINES] == []
    sizes = {}
    for path in MODULES:
        sizes.setdefault(str(path.parent), []).append(path.name)
    assert {name: len(held) for name, held in sizes.items() if len(held) > MOST_MODULES} == {}
