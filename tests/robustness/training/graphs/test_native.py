"""Graphs as one C++ function each: products of all layouts, memory that is used again, calls in a row."""

import pytest
import torch

from robustness.optimizers.fast.compiling import compiler_found
from robustness.training.graphs.building import build
from robustness.training.graphs.calls import NativeGraph, run
from robustness.training.graphs.loading import KernelError
from robustness.training.graphs.lowering import Lowered, lowered
from robustness.training.graphs.native import Native, NotNativeError, native, translated

pytestmark = pytest.mark.skipif(not compiler_found("cpu"), reason="needs a C++ compiler")

# products of [count, m, k] and [count, k, n]: few and many columns, rows that are no multiple of four, single ones
SHAPES = [(3, 5, 7, 10), (2, 4, 3, 16), (2, 9, 2, 17), (1, 3, 6, 2), (2, 1, 5, 8), (2, 6, 1, 4), (2, 5, 4, 1)]
SHAPES += [(1, 4, 3000, 2)]  # more than the stack is to hold


def made(shape, seed, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def chain(left, right):
    """Return several products in all layouts, each of a kernel's result."""
    product = torch.bmm(left, right).tanh()
    back = torch.bmm(product, right.transpose(1, 2))
    across = torch.bmm(left.transpose(1, 2), product + 1)
    single = torch.mm(left[0], right[0]).sigmoid()
    return product, back * 2, across, single


def compiled(functions, arguments, folder):
    graphs = [
        translated(lowered(function, given), given)
        for function, given in zip(functions, arguments, strict=True)
    ]
    assert all(isinstance(graph, Native) for graph in graphs)
    library = build(graphs, folder)
    return [NativeGraph(library, graph.symbol, vars(graph.layout)) for graph in graphs]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_products_of_all_shapes_and_layouts(tmp_path, dtype):
    arguments = [(made((c, m, k), 1, dtype), made((c, k, n), 2, dtype)) for c, m, k, n in SHAPES]
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    for graph, given in zip(compiled([chain] * len(SHAPES), arguments, tmp_path), arguments, strict=True):
        for result, expected in zip(graph(*given), chain(*given), strict=True):
            assert result.shape == expected.shape
            assert torch.allclose(result, expected, rtol=tolerance, atol=tolerance)


def test_memory_is_used_again_and_never_by_two_at_once():
    def long(values):
        kept = torch.bmm(values, values)
        for _ in range(6):
            values = torch.bmm(values.tanh(), kept)
        return (values + kept, kept.sum())

    given = (made((2, 8, 8), 3),)
    graph = native(lowered(long, given), given)
    one = given[0].nbytes
    assert one * 2 <= graph.layout.memory <= one * 4  # kept, read and written, with one to spare


def test_calls_in_a_row_use_what_those_before_them_wrote(tmp_path):
    def doubled(values, out):
        return (values * 2, out + 0)

    def added(values, other):
        values.add_(other)
        return ()

    values, other = made((4, 3), 4), made((4, 3), 5)
    twice, add = compiled([doubled, added], [(values, other)] * 2, tmp_path)
    assert twice.plain
    result, copied = torch.empty_like(values), torch.empty_like(values)
    before = values.clone()
    run(
        [
            twice.call(values, other, outputs=(result, copied)),
            add.call(values, result),
            add.call(values, other),
        ]
    )
    assert torch.equal(result, 2 * before)
    assert torch.equal(copied, other)
    assert torch.allclose(values, 3 * before + other, rtol=1e-15, atol=1e-15)


def test_other_shapes_are_refused_and_a_failing_call_ends_the_row(tmp_path):
    def picked(values, index):
        return (values.gather(1, index) * 2,)

    values, index = made((2, 3), 6), torch.tensor([[0], [2]])
    (graph,) = compiled([picked], [(values, index)], tmp_path)
    with pytest.raises(AssertionError):
        graph(values[:1], index)
    with pytest.raises(KernelError, match="index out of bounds"):
        run([graph.call(values, index), graph.call(values, index + 1)])


@pytest.mark.parametrize(
    "function",
    [
        lambda left, right: (left, torch.bmm(left, right)),
        lambda left, right: (torch.sort(left).values + 1,),
        lambda left, right: (torch.bmm(left[:0], right[:0]),),
    ],
)
def test_what_is_more_than_kernels_and_products_is_not_translated(function):
    given = (made((2, 3, 3), 7), made((2, 3, 3), 8))
    graph = lowered(function, given)
    with pytest.raises(NotNativeError):
        native(graph, given)
    assert translated(graph, given) is graph


def test_without_a_blas_that_torch_shows_graphs_stay_python(monkeypatch):
    def none():
        raise AttributeError("sgemm_")

    given = (made((2, 3, 3), 7), made((2, 3, 3), 8))
    graph = lowered(lambda left, right: (torch.bmm(left, right).tanh(),), given)
    assert isinstance(translated(graph, given), Native)
    monkeypatch.setattr("robustness.training.graphs.native.products_of_torch", none)
    assert translated(graph, given) is graph


@pytest.mark.parametrize(
    ("stride", "left", "said"),
    [("(9, 1, 3)", "left", "by columns"), ("(9, 3, 1)", "_tensor_constant0", "_tensor_constant0")],
)
def test_products_by_columns_and_unknown_names_are_left_to_python(stride, left, said):
    given = (made((2, 3, 3), 7), made((2, 3, 3), 8))
    body = f"""
    left, right = args
    out = empty_strided_cpu((2, 3, 3), {stride}, torch.float64)
    extern_kernels.bmm({left}, right, out=out)
    return (out, )
    """
    with pytest.raises(NotNativeError, match=said):
        native(Lowered(body, ()), given)
