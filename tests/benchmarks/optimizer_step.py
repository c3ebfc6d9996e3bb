"""One step of every optimizer, plain and compiled, against AdamW as torch fuses it, on the parameters of a ResNet-18.

Medians of 30 steps on 2 cores (Intel Xeon, Sapphire Rapids, shared with other work), Python 3.11.7, torch 2.14.1,
times those of AdamW(fused=True), 10.0 ms: AdamW(foreach=True) 3.8; Ada2MS compiled 1.2 at mixing 1, 1.5 at 0, 1.6 at
0.5 and 0.75, 2.1 at 0.3 (a power for each element), without compiling 2.9 to 4.2. On an earlier Xeon with torch
2.15.0 the others compiled took 1.1 to 1.4. A rule with the global moment G reads every gradient twice, so 8/7 is the
least it can take. States are as large as AdamW's, SGD's half as large.

The parameters are torchvision's resnet18 for 10 classes: 62 tensors, 11.2 million elements, float32, with fixed
gradients. ``state`` is the memory of the states against that of AdamW's. Ada2MS is our reimplementation from the
abstract.

Examples:
    python tests/benchmarks/optimizer_step.py
    python tests/benchmarks/optimizer_step.py --only ada2ms --rounds 50 --json
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import torch
import torchvision
from measure import interleaved, medians, report
from torch import nn

from robustness.optimizers import OPTIMIZERS, RULES

VARIATIONS: dict[str, list[dict[str, Any]]] = {
    "ada2ms": [{"mixing": mixing} for mixing in (0.0, 0.3, 0.5, 0.75, 1.0)],
    "smes": [{"exponent": exponent} for exponent in (0.25, 0.3)],
}
BASELINE = "adamw fused"


def parameters(device: str) -> list[nn.Parameter]:
    """Return a ResNet-18's parameters with a gradient each."""
    model = torchvision.models.resnet18(num_classes=10).to(device)
    for param in model.parameters():
        param.grad = torch.randn_like(param)
    return list(model.parameters())


def named(only: str | None) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield a case's name, its optimizer's and its options: torch's AdamW both ways, ours foreach and compiled."""
    for way in ("fused", "foreach"):
        yield f"adamw {way}", "adamw", {way: True}
    for name, found in OPTIMIZERS.items():
        if name not in RULES or found.__module__.startswith("torch") or (only and only != name):
            continue
        for fixed in VARIATIONS.get(name, [{}]):
            text = "".join(f" {key}={value}" for key, value in fixed.items())
            yield f"{name}{text} foreach", name, {**fixed, "foreach": True}
            yield f"{name}{text} compiled", name, {**fixed, "compile": True}


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Return the memory of the state's tensors that are as large as their parameters."""
    tensors = [
        value
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor) and value.dim()
    ]
    return sum(value.numel() * value.element_size() for value in tensors)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30, help="how many steps of each are timed, default 30")
    parser.add_argument("--only", choices=list(OPTIMIZERS), help="one optimizer beside AdamW")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    shared = parameters(device)  # all step on the same memory, as far from the cache for one as for another
    optimizers = {
        case: OPTIMIZERS[name](shared, lr=1e-6, weight_decay=1e-2, **options)
        for case, name, options in named(args.only)
    }
    cases = {case: optimizer.step for case, optimizer in optimizers.items()}
    for step in cases.values():
        step()  # compiles
        step()
    rows = medians(interleaved(cases, args.rounds), BASELINE)
    reference = state_bytes(optimizers[BASELINE])
    for row in rows:
        row["state"] = state_bytes(optimizers[row["case"]]) / reference
    report(f"one step on {sum(p.numel() for p in shared) / 1e6:.1f} million parameters", rows, args.json)


if __name__ == "__main__":
    main()
