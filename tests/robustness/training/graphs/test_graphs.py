"""Compiled graphs: they give the numbers of their functions, to all who find them, or are not used."""

import json
import logging
import re
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from robustness.optimizers.fast.compiling import compiler_found
from robustness.training.graphs import building, library
from robustness.training.graphs.calls import NativeGraph
from robustness.training.graphs.library import Library, Wanted, difference
from robustness.training.graphs.loading import KernelError
from robustness.training.graphs.lowering import NotLoweredError, lowered
from robustness.training.graphs.native import Native, translated

pytestmark = pytest.mark.skipif(not compiler_found("cpu"), reason="needs a C++ compiler")


def stepped(weights, inputs, targets):
    """Move ``weights`` in place; return losses of class numbers ``targets``."""
    scores = torch.tanh(inputs @ weights)
    losses = -scores.log_softmax(-1).gather(-1, targets[:, None])[:, 0]
    weights.sub_(0.1 * weights * losses.mean())
    return (losses,)


def wanted(function=stepped, name="stepped"):
    generator = torch.Generator().manual_seed(0)
    weights, inputs = (torch.randn(*shape, generator=generator) for shape in ((4, 3), (5, 4)))
    return Wanted([name], function, (weights, inputs, torch.tensor([0, 1, 2, 0, 1])), nullcontext(), 1e-5)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A cache folder in which ``stepped`` is compiled."""
    folder = tmp_path_factory.mktemp("graphs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        Library(["test"], "cpu").functions([wanted()])
    return folder / "robustness" / "graphs"


@pytest.fixture
def kept(home, monkeypatch):
    """The same, in use."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(home.parent.parent))
    return home


def refuse(*_):
    raise AssertionError("compiled once more")


def test_who_comes_later_finds_the_graph_and_its_numbers(kept, monkeypatch):
    monkeypatch.setattr(building, "build", refuse)
    one = wanted()
    (graph,) = Library(["test"], "cpu").functions([one])
    assert graph is not one.function
    assert difference(one, graph) is None
    weights, inputs, targets = (tensor.clone() for tensor in one.arguments)
    before = weights.clone()
    graph(weights, inputs, targets)
    assert not torch.equal(weights, before)  # in place


def test_a_kernel_that_refuses_its_input_says_so_and_ends_nothing(kept):
    (graph,) = Library(["test"], "cpu").functions([wanted()])
    weights, inputs, targets = wanted().arguments
    with pytest.raises(KernelError, match="index out of bounds"):
        graph(weights, inputs, targets + 3)


@pytest.mark.parametrize("other", ["identity", "name", "shape", "dtype"])
def test_what_would_compute_otherwise_has_a_graph_of_its_own(other):
    one, here, there = wanted(), Library(["test"], "cpu"), Library(["test"], "cpu")
    if other == "identity":
        there = Library(["changed code"], "cpu")
    changed = {
        "identity": one,
        "name": wanted(name="other"),
        "shape": replace(one, arguments=(*one.arguments[:1], torch.randn(6, 4), torch.arange(6) % 3)),
        "dtype": replace(one, arguments=(one.arguments[0].double(), *one.arguments[1:])),
    }[other]
    assert here._key(one) != there._key(changed)
    assert here._key(one) == here._key(wanted())


@pytest.mark.parametrize("damage", ["text", "layout", "library"])
def test_a_damaged_graph_is_compiled_once_more(home, tmp_path, monkeypatch, damage):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "robustness" / "graphs"
    folder.mkdir(parents=True)
    (entry,) = home.glob("*.json")
    held = json.loads(entry.read_text())
    kept = folder / entry.name
    kept.write_text(json.dumps({**held, "layout": None}) if damage == "layout" else entry.read_text())
    if damage == "text":
        kept.write_text(entry.read_text()[:-20])
    if damage == "library":
        (folder / held["library"]).write_text("no library")
    built = []

    def build(graphs, into):
        built.append(len(graphs))
        (into / held["library"]).write_bytes((home / held["library"]).read_bytes())
        return into / held["library"]

    monkeypatch.setattr(building, "build", build)
    (graph,) = Library(["test"], "cpu").functions([wanted()])
    assert built == [1]
    assert difference(wanted(), graph) is None


class OtherNumbers:
    def __init__(self, library, symbol, layout):
        pass

    def __call__(self, weights, *rest):
        return (stepped(weights, *rest)[0] * 1.001,)


class NothingKnown(OtherNumbers):
    def __call__(self, *tensors):
        return missing  # noqa: F821


@pytest.mark.parametrize(
    ("wrong", "said"), [(OtherNumbers, "gives other numbers"), (NothingKnown, "fails \\(NameError")]
)
def test_a_graph_with_other_numbers_is_not_used(home, tmp_path, monkeypatch, caplog, wrong, said):
    held = json.loads(next(home.glob("*.json")).read_text())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(building, "build", lambda *_: home / held["library"])
    monkeypatch.setattr(library, "NativeGraph", wrong)
    with caplog.at_level(logging.WARNING):
        (function,) = Library(["test"], "cpu").functions([wanted()])
    assert function is stepped
    assert [bool(re.search(said, record.message)) for record in caplog.records] == [True]
    assert not list((tmp_path / "robustness" / "graphs").glob("*.json"))


def test_what_cannot_be_compiled_is_computed_as_it_is(tmp_path, monkeypatch, caplog):
    def judging(weights):
        return (weights if weights.sum() > 0 else -weights,)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    one = Wanted(["judging"], judging, (torch.ones(3),), nullcontext(), 1e-5)
    with caplog.at_level(logging.WARNING):
        assert Library(["test"], "cpu").functions([one]) == [judging]
    assert len(caplog.records) == 1
    assert "continuing uncompiled: slower, same results" in caplog.text


def test_a_compiler_that_fails_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "_command", lambda *_: "echo 'no space left' >&2; exit 1")
    with pytest.raises(NotLoweredError, match="the C\\+\\+ compiler failed: no space left"):
        building.build([lowered(stepped, wanted().arguments)], tmp_path)


def test_graphs_with_the_same_text_are_in_a_library_once(home):
    one = wanted()
    graph = translated(lowered(stepped, one.arguments), one.arguments)
    assert isinstance(graph, Native)
    source = building._source([graph, graph])
    assert source.count(f"const char* {graph.symbol}(") == 1
    assert all(source.count(f"{kernel.symbol}_kernel(") == 2 for kernel in graph.kernels)  # made, and called
    held = json.loads(next(home.glob("*.json")).read_text())
    assert held["symbol"] == graph.symbol  # the same text has the same name, in every process


def test_a_graph_of_other_operations_stays_python_that_calls_kernels(tmp_path, monkeypatch):
    def sorting(values, weights):
        return (torch.sort(values, -1).values * 2, torch.bmm(values, weights).tanh())

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    one = Wanted(["sorting"], sorting, (torch.randn(2, 3, 4), torch.randn(2, 4, 5)), nullcontext(), 1e-5)
    (graph,) = Library(["test"], "cpu").functions([one])
    assert not isinstance(graph, NativeGraph)
    assert graph is not sorting
    monkeypatch.setattr(building, "build", refuse)
    (again,) = Library(["test"], "cpu").functions([one])
    assert difference(one, again) is None
