"""The arguments and options of the command: what a user may give, and what its help says of each."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

Study = Annotated[str, typer.Argument(help="A preset (`robustness plan` lists them) or a YAML file.")]
MaybeStudy = Annotated[str | None, typer.Argument(help="As for run. Without it: lists the presets.")]
MaybeOptimizer = Annotated[
    str | None, typer.Argument(help="A name, or package.module:Class. Without it: lists the registered ones.")
]
Folder = Annotated[str, typer.Argument(metavar="DIR", help="A study's folder, such as runs/quickstart.")]
Folders = Annotated[list[str], typer.Argument(metavar="DIR...", help="One folder for each workload.")]
TrialId = Annotated[str, typer.Argument(help="A trial's id from the rows; its first characters are enough.")]

Out = Annotated[
    str | None, typer.Option(help="The study's folder or pyarrow.fs address. [default: runs/<study>]")
]
Into = Annotated[
    str | None,
    typer.Option("--out", help="Where to write. [default: the study's folder, if there is one DIR]"),
]
Workers = Annotated[
    int | None,
    typer.Option(help="Processes; 0: in this process, without Ray. [default: one per core, or per GPU]"),
]
Address = Annotated[str | None, typer.Option(help="A running Ray cluster to train on: auto or host:port.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto: cuda where there is a GPU.")]
Engine = Annotated[
    str,
    typer.Option(help="fused (many trials as one), sequential, or auto: the faster one, by a measurement."),
]
Retry = Annotated[
    list[str] | None,
    typer.Option(help="Train stored trials of a status again: failed, diverged, or failed,diverged."),
]
Log = Annotated[
    str | None, typer.Option(help="Send rows to tensorboard, mlflow or wandb too, if it is installed.")
]
Accept = Annotated[
    bool,
    typer.Option(
        "--accept-changed-code",
        help="Keep rows as they are though the code of a task of your own has changed.",
    ),
]
Points = Annotated[int | None, typer.Option("--trials", help="How many points. [default: the study's]")]
Timeout = Annotated[float | None, typer.Option(help="Seconds after which no new batch of points is begun.")]
Storage = Annotated[
    str | None, typer.Option(help="An Optuna storage's URL. [default: a journal in the study's folder]")
]
Once = Annotated[bool, typer.Option("--once", help="Print the present state and end.")]
Only = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Draw only this figure; give it again, or a,b, for more."),
]
Format = Annotated[str, typer.Option(help="File types, of pdf, svg and png, with commas between them.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"robustness {version('ada2ms-robustness')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", help="Print the version and end.", callback=_print_version, is_eager=True)
]
