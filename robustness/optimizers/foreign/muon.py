"""Muon for models of any kind: torch.optim.Muon for the matrices, torch.optim.AdamW for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch

from robustness.optimizers.base import CheckedOptimizer
from robustness.optimizers.ranges import Range, Ranges

_SHARED = ("lr", "weight_decay")
_OF_MUON = (*_SHARED, "momentum", "nesterov", "ns_steps", "adjust_lr_fn")
_OF_ADAMW = (*_SHARED, "betas", "eps")


class Muon(CheckedOptimizer):
    """Muon (Jordan et al. 2024): momentum, made orthogonal, for every matrix, and AdamW for what is no matrix.

    torch.optim.Muon refuses any parameter that has not two dimensions, so alone it trains few models. Here each
    parameter of two dimensions is trained by it, and biases, weights of normalization, and the kernels of
    convolutions by torch.optim.AdamW, with the same learning rate and weight decay. An optimizer sees parameters and
    not what they are for: the weight of an embedding, and of the last layer, are matrices too, and trained by Muon,
    though its authors advise against it.

    For one learning rate to suit both, the step of Muon is scaled by ``0.2 sqrt(max(rows, columns))`` (Liu et al.
    2025), which gives it the root mean square that steps of AdamW have. In torch, this ``adjust_lr_fn`` has to be
    asked for: there the default, ``original``, ``sqrt(max(1, rows / columns))``, is meant for a learning rate of its
    own, some ten times as large.

    State is that of the two: ``momentum_buffer`` for a matrix; ``step``, ``exp_avg`` and ``exp_avg_sq`` for the rest.

    Args:
        params: Parameters or parameter groups, which may differ in every hyperparameter.
        lr: Learning rate, >= 0.
        weight_decay: Decoupled weight decay, >= 0.
        momentum: Decay rate of the momentum of matrices, in [0, 1).
        nesterov: Whether the gradient counts once more beside the momentum. Requires ``momentum`` > 0.
        ns_steps: Newton-Schulz iterations that make the momentum orthogonal, a whole number from 1 to 99.
        adjust_lr_fn: How the step of a matrix is scaled: ``match_rms_adamw``, ``original`` or
            ``spectral_unclamped``, ``sqrt(rows / columns)``.
        betas: Decay rates b1 and b2 of AdamW, each in [0, 1).
        eps: Stability constant of AdamW, >= 0.

    Raises:
        ValueError: If a value is out of range.
        TypeError: If a value that must be a number is not one.

    Examples:
        >>> model = torch.nn.Linear(3, 2)
        >>> optimizer = Muon(model.parameters(), lr=0.01)
        >>> model(torch.ones(1, 3)).sum().backward()
        >>> optimizer.step()
        >>> [sorted(optimizer.state[parameter]) for parameter in model.parameters()]
        [['momentum_buffer'], ['exp_avg', 'exp_avg_sq', 'step']]
    """

    ranges: ClassVar[Ranges] = {
        "ns_steps": Range("a whole number from 1 to 99", lambda n: isinstance(n, int) and 1 <= n < 100),
        "adjust_lr_fn": ("match_rms_adamw", "original", "spectral_unclamped"),
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_steps: int = 5,
        adjust_lr_fn: str = "match_rms_adamw",
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
            "betas": betas,
            "eps": eps,
        }
        self._parts: list[_Part] = []
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # load_state_dict ends here too, with other groups
        self._parts = []

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group as ``CheckedOptimizer`` does; its matrices and its rest become parts."""
        super().add_param_group(param_group)
        self._parts = []

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Do one update of every parameter that has a gradient.

        Args:
            closure: Evaluates the model again and returns the loss.

        Returns:
            What the closure returned, or None.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if not self._parts:
            self._parts = [part for group in self.param_groups for part in _parts(group)]
        for part in self._parts:
            part.step(self.state)
        return loss


class _Part:
    """The matrices of a parameter group, or the rest of it, with the optimizer that trains them.

    Args:
        optimizer: On the parameters of this part.
        group: The whole group; its hyperparameters, which a schedule may set, are those of the next step.
        names: Which of them ``optimizer`` takes.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, group: dict[str, Any], names: tuple[str, ...]
    ) -> None:
        self.optimizer, self.group, self.names = optimizer, group, names

    def step(self, state: Any) -> None:
        """Take a step whose state tensors are in ``state``."""
        self.optimizer.state = state
        self.optimizer.param_groups[0].update({name: self.group[name] for name in self.names})
        self.optimizer.step()


def _parts(group: dict[str, Any]) -> list[_Part]:
    matrices = [parameter for parameter in group["params"] if parameter.dim() == 2]
    others = [parameter for parameter in group["params"] if parameter.dim() != 2]
    parts = []
    if matrices:
        parts.append(_Part(torch.optim.Muon(matrices), group, _OF_MUON))
    if others:
        parts.append(_Part(torch.optim.AdamW(others), group, _OF_ADAMW))
    return parts
