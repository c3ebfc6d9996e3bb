"""The same grid of short trials, trained by Ray Tune, by a loop written by hand, by JAX, and by this project.

512 trials of digits-mlp on 2 cores (AMD EPYC, shared), Python 3.11.7, torch 2.14.1, Ray 2.60, JAX 0.10.2, n = 1,
start-up included: with empty caches the loop by hand takes 123 s, this project 85 s, JAX 42 s; with filled ones 70 s
and 38 s. Once running: 4, 12 to 14 and 13 to 15 trials/s; a step of one model with its evaluations 1.56, 0.35 and
0.37 ms, which is 0.17, 0.74 and 0.70 of the speed of torch.mm.

Every contender runs in a fresh process with empty caches, and its seconds are those of the whole process: start,
imports, Ray, calibration, compiling, training, storing, report. Contenders take turns. Those marked ``from a and
b`` were run with a and with b trials, and the rest is read off a straight line through both: this favours Ray Tune,
whose cost per trial grows with the number of trials. ``trials/s`` is the rate once running: the slope of that line
or, where all trials were run, the rate at which the second half of them arrived. ``start s`` is the rest of the time.

``--warm`` lets each contender run once before, untimed, to fill its caches of what it compiles and measures. JAX,
which is no dependency of this project, is left out without ``--jax-python``, the interpreter of an environment with
``jax-requirements.txt``; how many models it trains at once, in one process or one a core, is what an untimed search
beforehand finds to be fastest, and is in its row's note. char-lm is made small, as ``workloads.py`` says.

``steps`` compares what a step of one model takes once running, its evaluations included, by hand, by this project
and by JAX, with the machine's own matrix product.

Examples:
    python tests/benchmarks/sweep_throughput.py
    python tests/benchmarks/sweep_throughput.py --trials 4096 --only iii,iv
    python tests/benchmarks/sweep_throughput.py --only iii,iv,v --warm --rounds 3 --jax-python DIR/bin/python
    python tests/benchmarks/sweep_throughput.py --only steps --task char-lm --jax-python DIR/bin/python
    python tests/benchmarks/sweep_throughput.py --task digits-cnn
    python tests/benchmarks/sweep_throughput.py --task resnet8
    python tests/benchmarks/sweep_throughput.py --device cuda
"""

from __future__ import annotations

import argparse
import sys

from contenders import EPOCHS
from contest import CONTENDERS, axes, cells, sweeps
from jax_choice import INSTALL
from measure import report
from once_running import once_running
from training_steps import resnet8
from workloads import TASKS


def main() -> None:
    """Read the command line, run what it asks for, print tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=(*TASKS, "resnet8"), default="digits-mlp")
    parser.add_argument("--trials", type=int, default=512)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--only", help="some of i,ii,iii,iv,v,steps; default: what the task and the device allow"
    )
    parser.add_argument("--rounds", type=int, default=1, help="how often each contender runs")
    parser.add_argument(
        "--warm", action="store_true", help="run each once before, untimed, to fill its caches"
    )
    parser.add_argument("--jax-python", help="the interpreter of an environment with jax-requirements.txt")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each table")
    arguments = parser.parse_args()
    arguments.jax_way = None
    if arguments.task == "resnet8":
        rows = resnet8(arguments.device, arguments.rounds, arguments.jax_python)
        report(f"ResNet-8, batch 128, {arguments.device}: a training step of a model", rows, arguments.json)
        return
    names = (arguments.only or default(arguments.task, arguments.device)).split(",")
    if unknown := set(names) - {*CONTENDERS, "steps"}:
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}")
    if "v" in names and arguments.jax_python is None:
        names.remove("v")
        print(INSTALL, file=sys.stderr)
    tables(names, arguments)


def default(task: str, device: str) -> str:
    """Return what is compared if nothing is asked for."""
    if device == "cuda":
        return "iii,iv"
    return "i,ii,iii,iv,v,steps" if task == "digits-mlp" else "iii,iv,v"


def tables(names: list[str], arguments: argparse.Namespace) -> None:
    """Print a table for the contenders, and one for a step once running."""
    if contenders := [name for name in CONTENDERS if name in names]:
        caches = "filled" if arguments.warm else "empty"
        title = f"{arguments.trials} trials of {arguments.task}, {EPOCHS} epochs, {arguments.device}, {caches} caches"
        report(title, sweeps(contenders, arguments), arguments.json)
    if "steps" in names:
        rows = once_running(arguments.task, cells(axes(128)), arguments.rounds, arguments.jax_python)
        title = f"{arguments.task}, one thread, once running: a training step of a model with its evaluations"
        report(title, rows, arguments.json)


if __name__ == "__main__":
    main()
