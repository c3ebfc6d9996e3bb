"""Flatness of a trained model: the Hessian's largest eigenvalue and trace, and SAM's sharpness.

For explanation, never a criterion: flatness correlates poorly with generalization (Andriushchenko et al. 2023,
https://arxiv.org/abs/2302.07011). All are of the task's own mean loss on a fixed part of the training split, with the
model in evaluation mode: weight decay, gradient scale and learning rate do not enter.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from robustness.tasks import Split, Task
from robustness.training.randomness import stream

EXAMPLES = 2048
RHO = 0.05
# Up to so many parameters the whole Hessian is computed, and the trace is exact; beyond, only products with vectors.
WHOLE = 256
SKETCHED, PROBES, MOST_PROBES = 32, 32, 256
TRACE_TOLERANCE = 5e-3  # no more probes are drawn once the standard error is this fraction of the trace
EIGENVALUE_TOLERANCE = 1e-4
AT_ONCE = 512

MEASURES = ("lambda_max", "hessian_trace", "hessian_trace_se", "sam_sharpness")

logger = logging.getLogger("robustness")

Product = Callable[[Tensor], Tensor]


def flatness(task: Task, model: nn.Module) -> dict[str, float]:
    """Return ``lambda_max``, ``hessian_trace``, ``hessian_trace_se`` and ``sam_sharpness`` of ``model``.

    - ``lambda_max``: the largest (not the absolutely largest) eigenvalue, by Lanczos iteration to a relative
      1e-4.
    - ``hessian_trace``: Hutch++ (Meyer et al. 2021, https://arxiv.org/abs/2010.09649): exact on a sketched
      subspace, Hutchinson's mean of ``z'Hz`` over random signs ``z`` on the rest. Up to 256 parameters it is exact.
    - ``hessian_trace_se``: the standard error of that mean; probes are drawn until it is 0.5 % of the trace, 256 at
      most. 0 where the trace is exact.
    - ``sam_sharpness``: ``L(w + rho g/|g|) - L(w)`` with ``rho = 0.05`` and ``g`` the gradient at ``w``: the
      ascent step of SAM (Foret et al. 2021, https://arxiv.org/abs/2010.01412), which approximates the largest
      loss in a ball; 0 where the gradient is 0.

    If they cannot be computed, all are NaN and the reason is logged.

    Args:
        task: With its data on the model's device, in the dtype of its parameters.
        model: Only read.
    """
    inputs = _part(task)
    was_training = model.training
    model.eval()
    try:
        with _differentiable_twice():
            return _measured(task, model, inputs)
    except (
        Exception
    ) as error:  # a model may hold what has no second derivative; its training run is not to be lost
        logger.warning("flatness of %s cannot be measured: %s: %s", task.name, type(error).__name__, error)
        return dict.fromkeys(MEASURES, math.nan)
    finally:
        model.train(was_training)


def _measured(task: Task, model: nn.Module, part: Split) -> dict[str, float]:
    parameters = _moving(task, model, part)
    device, dtype = parameters[0].device, parameters[0].dtype
    size = sum(parameter.numel() for parameter in parameters)
    hessian = _hessian(task, model, parameters, part)
    generator = stream(task, 0, "flatness")
    signs = _signs(size, device, dtype, generator)
    if size <= WHOLE:
        whole = torch.stack([hessian(row) for row in torch.eye(size, device=device, dtype=dtype)]).double()
        largest = float(torch.linalg.eigvalsh((whole + whole.T) / 2)[-1])
        trace, error = float(whole.trace()), 0.0
    else:
        largest = largest_eigenvalue(hessian, next(signs))
        trace, error = hutchpp(hessian, signs)
    sharpness = _sharpness(task, model, parameters, part)
    return dict(zip(MEASURES, (largest, trace, error, sharpness), strict=True))


def _moving(task: Task, model: nn.Module, part: Split) -> list[nn.Parameter]:
    """Return the parameters that the loss depends on."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    loss = task.loss(model(part.inputs[:AT_ONCE]), part.targets[:AT_ONCE])
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    return [p for p, gradient in zip(parameters, gradients, strict=True) if gradient is not None]


def largest_eigenvalue(product: Product, start: Tensor) -> float:
    """Return the largest eigenvalue of a symmetric operator, by Lanczos iteration from ``start`` ``[P]``."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    def multiply(vector: np.ndarray) -> np.ndarray:
        return product(torch.as_tensor(vector).reshape(-1).to(start)).double().cpu().numpy()

    size = len(start)
    operator = LinearOperator((size, size), matvec=multiply, dtype=np.float64)
    first = start.double().cpu().numpy()
    values = eigsh(operator, k=1, which="LA", v0=first, tol=EIGENVALUE_TOLERANCE, return_eigenvectors=False)
    return float(values[0])


def hutchpp(product: Product, signs: Iterator[Tensor]) -> tuple[float, float]:
    """Return the trace of a symmetric operator and its standard error, by Hutch++.

    Args:
        product: Multiplies a vector ``[P]``.
        signs: Vectors of random signs.
    """
    sketch = torch.stack([product(next(signs)).double() for _ in range(SKETCHED)], 1)
    basis = torch.linalg.qr(sketch)[0]
    like = next(signs)
    exact = sum(float(column @ product(column.to(like)).double()) for column in basis.T)
    samples: list[float] = []
    while len(samples) < MOST_PROBES:
        for _ in range(PROBES):
            probe = next(signs).double()
            rest = probe - basis @ (basis.T @ probe)
            samples.append(float(rest @ product(rest.to(like)).double()))
        trace, error = exact + float(np.mean(samples)), float(np.std(samples, ddof=1)) / len(samples) ** 0.5
        if error <= TRACE_TOLERANCE * abs(trace):
            break
    return trace, error


def _part(task: Task) -> Split:
    """Return training examples with 2,048 predictions, the same at every call, or all if there are fewer."""
    train, most = task.train, -(-EXAMPLES // task.predictions)
    inputs, targets = train.whole()
    if len(train) > most:
        order = torch.randperm(len(train), generator=stream(task, 0, "flatness examples"))
        chosen = order[:most].to(train.device)
        inputs, targets = inputs[chosen], targets[chosen]
    return Split(task.prepared(inputs), targets)


def _batches(part: Split) -> list[tuple[Tensor, Tensor]]:
    return list(zip(part.inputs.split(AT_ONCE), part.targets.split(AT_ONCE), strict=True))


@contextmanager
def _differentiable_twice() -> Iterator[None]:
    """Use only operations that have second derivatives; fused attention and cuDNN's LSTM have none."""
    with (
        sdpa_kernel(SDPBackend.MATH),
        torch.backends.cudnn.flags(enabled=False),
        warnings.catch_warnings(),
    ):
        # torch's forward derivatives use torch.jit.script, about which torch itself warns
        warnings.filterwarnings("ignore", "`torch.jit.script`", FutureWarning)
        yield


class _MeanLoss(nn.Module):
    """A task's loss in the form that curvlinops takes."""

    reduction = "mean"

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.task.loss(outputs, targets)


def _hessian(task: Task, model: nn.Module, parameters: list[nn.Parameter], part: Split) -> Product:
    from curvlinops import HessianLinearOperator  # imported here, so that training needs torch alone

    operator: Any = HessianLinearOperator(
        model, _MeanLoss(task), parameters, _batches(part), check_deterministic=False
    )
    return lambda vector: operator @ vector


def _signs(
    size: int, device: torch.device, dtype: torch.dtype, generator: torch.Generator
) -> Iterator[Tensor]:
    while True:
        bits = torch.randint(0, 2, (size,), generator=generator)
        yield (2 * bits - 1).to(device, dtype)


def _sharpness(task: Task, model: nn.Module, parameters: list[nn.Parameter], part: Split) -> float:
    gradients = [torch.zeros_like(parameter) for parameter in parameters]
    before = 0.0
    for inputs, targets in _batches(part):
        share = len(targets) / len(part)
        loss = task.loss(model(inputs), targets)
        before += float(loss.detach()) * share
        for total, gradient in zip(gradients, torch.autograd.grad(loss, parameters), strict=True):
            total.add_(gradient, alpha=share)
    norm = math.sqrt(sum(float(gradient.double().square().sum()) for gradient in gradients))
    if norm == 0:
        return 0.0
    values = [parameter.detach() for parameter in parameters]
    started = [value.clone() for value in values]
    with torch.no_grad():
        try:
            torch._foreach_add_(values, gradients, alpha=RHO / norm)
            after = sum(float(task.loss(model(x), y)) * len(y) / len(part) for x, y in _batches(part))
        finally:
            torch._foreach_copy_(values, started)
    return after - before
