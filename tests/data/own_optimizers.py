"""Optimizers as users write them, found in tests by ``own_optimizers:Class``."""

import torch
from torch import Tensor

from robustness.optimizers import Rule, RuleOptimizer
from robustness.optimizers.base import declared


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023: the sign of a moving average. It has the usual constructor, and no weight decay."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.99)):
        super().__init__(params, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is not None:
                    average = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                    p.sub_(group["lr"] * (b1 * average + (1 - b1) * p.grad).sign())
                    average.lerp_(p.grad, 1 - b2)


class Backwards(torch.optim.SGD):
    """Every argument is keyword-only or in an unusual place, and some are no hyperparameters."""

    def __init__(
        self, lr, params, *, nu=0.7, power, pair=(1, None), mode="mean", on=True, act=torch.relu,
        beta1=0.5, foreach=None, maximize=False,
    ):  # fmt: skip
        super().__init__(params, lr, foreach=foreach, maximize=maximize)
        for group in self.param_groups:
            group.update(nu=nu, power=power, pair=pair, mode=mode, on=on, beta1=beta1)


class Passing(torch.optim.AdamW):
    """Passes on what it does not know."""

    def __init__(self, params, nu=1.0, **kwargs):
        super().__init__(params, **kwargs)


class Swallowing(Lion):
    """Takes any keyword, and forgets it."""

    def __init__(self, params, lr=0.1, **kwargs):
        super().__init__(params, lr)


class NoRate(torch.optim.SGD):
    def __init__(self, params, learning_rate=0.1):
        super().__init__(params, learning_rate)


class NoParameters(torch.optim.SGD):
    def __init__(self, *, lr=0.1):
        super().__init__([], lr)


class TwoFamilies(torch.optim.SGD):
    """Has both forms of betas, so that neither may stand for the other."""

    def __init__(self, params, lr=0.1, betas=(0.9, 0.99), beta1=0.5):
        super().__init__(params, lr)


class AnyBetas(torch.optim.SGD):
    def __init__(self, params, lr=0.1, betas=None, weight_decay=0.0):
        super().__init__(params, lr, weight_decay=weight_decay)
        self.betas = betas


def _direction(grad: Tensor, state, scalars) -> Tensor:
    return state["momentum_buffer"].sign()


SIGN = Rule(
    slots=("momentum_buffer",),
    scalars=lambda step, hyper: {"rate": 1 - hyper["momentum"]},
    accumulate=lambda grad, state, scalars: state["momentum_buffer"].lerp_(grad, scalars["rate"]),
    direction=_direction,
)


class Signum(RuleOptimizer):
    """Bernstein et al. 2018: the sign of the momentum, as a rule."""

    rule = SIGN

    @declared
    def __init__(self, params, lr=1e-3, momentum=0.9, weight_decay=0.0):
        pass


class OtherStep(Signum):
    """Inherits the rule, but takes another step."""

    def step(self, closure=None):
        return None


def factory(params, lr=0.1):
    return torch.optim.SGD(params, lr)


class Sharpness(torch.optim.SGD):
    """Foret et al. 2021, by signs: gradient descent by the gradient a little uphill. It needs a closure."""

    def __init__(self, params, lr=0.1, rho=0.05):
        super().__init__(params, lr)
        self.rho = rho

    def step(self, closure=None):
        if closure is None:
            raise RuntimeError("a closure is required")
        held = [p for group in self.param_groups for p in group["params"]]
        uphill = [self.rho * p.grad.sign() for p in held]
        with torch.no_grad():
            torch._foreach_add_(held, uphill)
        loss = closure()
        with torch.no_grad():
            torch._foreach_sub_(held, uphill)
        super().step()
        return loss


class Failing(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)

    def step(self, closure=None):
        raise RuntimeError("it never works")
