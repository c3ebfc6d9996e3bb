"""The command ``robustness``: each subcommand calls one function of the library and prints what it returns."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="robustness",
    epilog="Start with: robustness run quickstart",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Study = Annotated[
    str, typer.Argument(help="A preset's name (`robustness plan` lists them) or a YAML file's path.")
]
Out = Annotated[
    str | None, typer.Option(help="The study's folder or pyarrow.fs address. [default: runs/<study>]")
]
Folder = Annotated[str, typer.Argument(metavar="DIR", help="A study's folder, as `run` names it.")]
Workers = Annotated[
    int | None,
    typer.Option(help="Processes; 0: in this process, without Ray. [default: one per core, or per GPU]"),
]
Address = Annotated[str | None, typer.Option(help="A Ray cluster: auto or host:port.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Engine = Annotated[
    str,
    typer.Option(help="fused (many trials as one), sequential, or auto: the faster one, by a measurement."),
]
Retry = Annotated[
    list[str] | None,
    typer.Option(help="failed or diverged (both: give it twice): train stored trials of that status again."),
]


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"robustness {version('ada2ms-robustness')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version, and end.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Is an optimizer robust? Train whole sensitivity surfaces, and read what they say."""


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Register a subcommand: a wrong input is one line and exit code 2, an interruption exit code 130."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        from studies.spec.errors import InputError, SweepError

        try:
            function(*args, **kwargs)
        except (InputError, SweepError) as error:
            typer.echo(f"robustness: {error}", err=True)
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from None
        except KeyboardInterrupt:
            typer.echo(
                "interrupted; finished trials are stored: the same command goes on from there", err=True
            )
            raise typer.Exit(130) from None

    return app.command()(wrapped)


@command
def run(
    study: Study,
    out: Out = None,
    address: Address = None,
    workers: Workers = None,
    device: Device = "auto",
    engine: Engine = "auto",
    retry: Retry = None,
    log: Annotated[
        str | None,
        typer.Option(help="Send rows there too, if it is installed: tensorboard, mlflow or wandb."),
    ] = None,
) -> None:
    """Train every trial of a study that is not stored yet, then print and write tables and heatmaps.

    Killed at any moment and given again, it goes on where it was: nothing stored is trained twice.
    """
    from studies.study_run import run as run_study
    from studies.terminal.study import print_failures, print_report, print_verdict
    from studies.terminal.text import console

    screen = console()
    outcome = run_study(
        study,
        out=out,
        workers=workers,
        address=address,
        device=device,
        engine=engine,
        retry=[word for words in retry or () for word in words.split(",")],
        log=log,
        console=screen,
    )
    print_report(screen, outcome.summary, outcome.location, outcome.files)
    print_verdict(screen, outcome.verdict)
    if outcome.failed or outcome.missing:
        print_failures(screen, outcome.failed, outcome.missing)
        raise typer.Exit(1)


@command
def plan(
    study: Annotated[str | None, typer.Argument(help="As for run. Without it: the presets.")] = None,
    out: Out = None,
    workers: Workers = None,
    device: Device = "auto",
    engine: Engine = "auto",
) -> None:
    """Say what a study would train and what that would take; run nothing."""
    from studies.terminal.text import console, table

    screen = console()
    if study is None:
        from studies.spec.presets import presets

        screen.print(table(("preset", "what it is for"), presets().items()))
        return
    from studies.study_plan import plan_study
    from studies.terminal.study import print_plan

    made = plan_study(study, out=out, workers=workers, device=device, engine=engine)
    print_plan(screen, made.plan, made.cost, made.later)


@command
def search(
    study: Study,
    out: Out = None,
    trials: Annotated[int | None, typer.Option(help="How many points. [default: the study's]")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds after which no new batch is begun.")] = None,
    storage: Annotated[
        str | None, typer.Option(help="An Optuna storage's URL. [default: a journal in the study's folder]")
    ] = None,
    address: Address = None,
    workers: Workers = None,
    device: Device = "auto",
    engine: Engine = "auto",
) -> None:
    """Search hyperparameters of one optimizer, such as its exponent, for accuracy against robustness.

    Every point is trained on its whole surface, as a grid would, and scored for its best cell and its robustness;
    the answer is a Pareto front, beside the study's other optimizers trained on the same surface. Presets:
    exponent, exponent-plane, mixing-schedule. Killed at any moment and given again, it goes on where it was.

    \b
    A study file that searches has the usual keys, and:
      optimizers: {adamw: {lr: 0.01}, sgd: {lr: 0.1}, ada2ms: {lr: 0.01}}
      search:
        optimizer: ada2ms                   # the others are its references
        space: {mixing: {low: 0, high: 1}}  # log: true for a logarithmic range; a list is a choice
        objectives: [val_error, sensitivity]    # also transfer_regret, width; one or several
        sampler: tpe                        # gp, nsga2, random; grid takes lists, and ranges with points: 9
        trials: 32                          # points, suggested and trained in batches (batch: 8)
        max_diverged: 0.5                   # optional: the share of diverged trials allowed on the front
        confirm: 5                          # optional: fresh seeds for the front and the references
    """
    from studies.study_search import search as search_study
    from studies.terminal.search import print_search
    from studies.terminal.study import print_failures
    from studies.terminal.text import console

    screen = console()
    result = search_study(
        study,
        out=out,
        workers=workers,
        address=address,
        device=device,
        engine=engine,
        trials=trials,
        timeout=timeout,
        storage=storage,
        console=screen,
    )
    print_search(screen, result)
    if result.failed:
        print_failures(screen, result.failed, 0)
        raise typer.Exit(1)


@command
def status(directory: Folder) -> None:
    """Say how far a study is: trials done, diverged, failed and missing, by optimizer."""
    from studies.store.study_folder import status as study_status
    from studies.terminal.text import console, table

    counts = study_status(directory)
    console().print(table(list(counts.columns), counts.itertuples(index=False)))


@command
def watch(
    directory: Folder,
    once: Annotated[bool, typer.Option("--once", help="Print it once.")] = False,
) -> None:
    """Show a study as it runs, from another terminal: surfaces filling in, rate, time left; Ctrl-C ends the view."""
    from studies.terminal.text import console
    from studies.terminal.watch import watch as watch_study

    watch_study(directory, console(), once=once)


@command
def report(
    directories: Annotated[list[str], typer.Argument(metavar="DIR...", help="One folder for each workload.")],
    out: Annotated[
        str | None, typer.Option(help="Where to write. [default: the study's folder, if there is one DIR]")
    ] = None,
) -> None:
    """Print and write the tables and heatmaps of what one study's folder holds, or several as several workloads.

    report.html there holds all of it in one file, with surfaces to explore.
    """
    from studies.reports.report import report as study_report
    from studies.store.layout import REPORT_PAGE
    from studies.terminal.study import print_metrics, print_report, print_verdict
    from studies.terminal.text import console, say

    screen = console()
    made = study_report(*directories, out=out)
    print_report(screen, made.summary, made.location, made.files)
    print_metrics(screen, made.tables)
    print_verdict(screen, made.verdict)
    say(screen, f"\n{made.location}/{REPORT_PAGE}")


@command
def figures(
    directories: Annotated[list[str], typer.Argument(metavar="DIR...", help="One folder for each workload.")],
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A figure's name; give it again, or a,b, for more."),
    ] = None,
    format: Annotated[str, typer.Option(help="Some of pdf,svg,png.")] = "pdf,png",
    out: Annotated[
        str | None, typer.Option(help="Where to write. [default: the study's folder, if there is one DIR]")
    ] = None,
) -> None:
    """Draw every figure that the rows allow, for a two-column paper, and say which it leaves out and why."""
    from studies.reports.figures import figures as study_figures
    from studies.terminal.study import print_figures
    from studies.terminal.text import console

    names = [name for word in only or () for name in word.split(",")]
    made = study_figures(*directories, only=names, formats=format.split(","), out=out)
    print_figures(console(), made.location, made.files, made.left_out)


@command
def replay(
    directory: Folder,
    trial_id: Annotated[str, typer.Argument(help="A trial's id, or enough of its beginning.")],
) -> None:
    """Train one stored trial again and say whether its numbers come back: exit code 0 equal, 1 not."""
    from studies.sweep.replay import replay as replay_trial
    from studies.terminal.study import print_replay
    from studies.terminal.text import console

    again = replay_trial(directory, trial_id)
    print_replay(console(), again)
    if not again.equal:
        raise typer.Exit(1)


@command
def optimizers() -> None:
    """List the optimizers and the hyperparameters that a study file may set, with their defaults."""
    from robustness.optimizers import OPTIMIZERS, hyperparameters
    from studies.terminal.text import console, table

    rows = [
        (name, ", ".join(f"{key}={value}" for key, value in hyperparameters(name).items()))
        for name in sorted(OPTIMIZERS)
    ]
    console().print(table(("optimizer", "hyperparameters beside lr and weight_decay"), rows))


@command
def tasks() -> None:
    """List tasks, image data and networks (data/network names a task); any other is package.module:function."""
    from robustness.tasks import catalogue
    from studies.terminal.text import console, table

    console().print(table(("task", "what it is", "options"), catalogue()))


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
