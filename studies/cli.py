"""The command ``robustness``: each subcommand calls one function of the library and prints what it returns."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from studies.terminal import options

app = typer.Typer(
    name="robustness",
    epilog="Start with: robustness run quickstart",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def about(version: options.Version = False) -> None:
    """Is an optimizer robust? Train it over whole grids of hyperparameters, and see where it stays good."""


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Register a subcommand; an error that the user can mend is one line, and every kind has its exit code.

    2: the input is wrong. 1: the work could not be done, or some of it failed. 130: interrupted.
    """

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


def _words(values: list[str] | None) -> list[str]:
    """Return the values of an option that may be given several times, or once with commas."""
    return [word for value in values or () for word in value.split(",")]


@command
def run(
    study: options.Study,
    out: options.Out = None,
    address: options.Address = None,
    workers: options.Workers = None,
    device: options.Device = "auto",
    engine: options.Engine = "auto",
    retry: options.Retry = None,
    log: options.Log = None,
    accept_changed_code: options.Accept = False,
) -> None:
    """Train every trial of a study that is not stored yet, then print and write tables and heatmaps.

    Interrupt it whenever you like: the same command goes on from there, and nothing stored is trained twice.
    """
    from studies.suite_run import run as run_study
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
        retry=_words(retry),
        log=log,
        accept_changed_code=accept_changed_code,
        console=screen,
    )
    print_report(screen, outcome.summary, outcome.location, outcome.files, outcome.left_out)
    print_verdict(screen, outcome.verdict)
    if outcome.failed or outcome.missing:
        print_failures(screen, outcome.failed, outcome.missing)
        raise typer.Exit(1)


@command
def plan(
    study: options.MaybeStudy = None,
    out: options.Out = None,
    workers: options.Workers = None,
    device: options.Device = "auto",
    engine: options.Engine = "auto",
    accept_changed_code: options.Accept = False,
) -> None:
    """Say what a study would train, and what time, memory and disk that would take; train nothing."""
    from studies.terminal.text import console, table

    screen = console()
    if study is None:
        from studies.spec.presets import presets

        screen.print(table(("preset", "what it is for"), presets().items()))
        return
    from studies.study_plan import plan_study
    from studies.terminal.plan import print_forecast

    forecast = plan_study(
        study, out=out, workers=workers, device=device, engine=engine, accept_changed_code=accept_changed_code
    )
    print_forecast(screen, forecast)


@command
def search(
    study: options.Study,
    out: options.Out = None,
    trials: options.Points = None,
    timeout: options.Timeout = None,
    storage: options.Storage = None,
    address: options.Address = None,
    workers: options.Workers = None,
    device: options.Device = "auto",
    engine: options.Engine = "auto",
    accept_changed_code: options.Accept = False,
) -> None:
    """Search one optimizer's hyperparameters, such as its exponent, for both accuracy and robustness.

    Every point is trained on the whole grid and scored twice: at its best cell, and for how little it loses
    elsewhere. The answer is a Pareto front, beside the study's other optimizers trained on the same grid. Presets:
    exponent, exponent-plane, mixing-schedule. Interrupt it whenever you like: the same command goes on from there.

    \b
    A study file that searches has the usual keys, and:
      optimizers: {adamw: {lr: 0.01}, sgd: {lr: 0.1}, ada2ms: {lr: 0.01}}
      search:
        optimizer: ada2ms                   # the others are its references
        space: {mixing: {low: 0, high: 1}}  # log: true for a logarithmic range; a list is a choice
        objectives: [val_error, sensitivity]    # also transfer_regret, width; one or several
        sampler: tpe                        # or gp, nsga2, random; grid: all of lists and of ranges with points: 9
        trials: 32                          # points, suggested and trained in batches (batch: 8)
        max_diverged: 0.5                   # optional: the share of diverged trials allowed on the front
        confirm: 5                          # optional: fresh seeds for the front and the references
    """
    from studies.study_search import search as search_study
    from studies.terminal.search import print_searches
    from studies.terminal.text import console

    screen = console()
    found = search_study(
        study,
        out=out,
        workers=workers,
        address=address,
        device=device,
        engine=engine,
        trials=trials,
        timeout=timeout,
        storage=storage,
        accept_changed_code=accept_changed_code,
        console=screen,
    )
    if print_searches(screen, found):
        raise typer.Exit(1)


@command
def status(directory: options.Folder) -> None:
    """Say how far a study is: how many trials are completed, diverged, failed and missing, by optimizer."""
    from studies.store.study_folder import open_studies
    from studies.terminal.study import print_status
    from studies.terminal.text import console

    print_status(console(), open_studies(directory))


@command
def watch(directory: options.Folder, once: options.Once = False) -> None:
    """Show a running study from another terminal: surfaces filling in, rate, time left. Ctrl-C ends the view only."""
    from studies.terminal.text import console
    from studies.terminal.watch import watch as watch_study

    watch_study(directory, console(), once=once)


@command
def report(
    directories: options.FoldersAndFiles, out: options.Into = None, columns: options.Columns = None
) -> None:
    """Print and write the tables and heatmaps of a study, or of several together, each of them a workload.

    report.html holds all of it in one file, with surfaces to explore. Runs of other tools are reported on from files
    of rows, one row a run: --columns says what their columns are called.
    """
    from studies.reports.report import report as study_report
    from studies.store.layout import REPORT_PAGE
    from studies.terminal.study import print_metrics, print_report, print_verdict
    from studies.terminal.text import console, say

    screen = console()
    written = study_report(*directories, out=out, columns=columns)
    print_report(screen, written.summary, written.location, written.files, written.left_out)
    print_metrics(screen, written.tables)
    for note in written.notes:
        say(screen, note)
    print_verdict(screen, written.verdict)
    say(screen, f"\n{written.location}/{REPORT_PAGE}")


@command
def figures(
    directories: options.Folders,
    only: options.Only = None,
    format: options.Format = "pdf,png",
    out: options.Into = None,
) -> None:
    """Draw every figure that the rows allow, for a two-column paper; say which are left out and why."""
    from studies.reports.figures import figures as study_figures
    from studies.terminal.study import print_figures
    from studies.terminal.text import console

    drawn = study_figures(*directories, only=_words(only), formats=format.split(","), out=out)
    print_figures(console(), drawn.location, drawn.files, drawn.left_out)


@command
def replay(directory: options.Folder, trial_id: options.TrialId) -> None:
    """Train one stored trial again and compare: exit code 0 if its numbers are the same, 1 if not."""
    from studies.sweep.replay import replay as replay_trial
    from studies.terminal.study import print_replay
    from studies.terminal.text import console

    replayed = replay_trial(directory, trial_id)
    print_replay(console(), replayed)
    if not replayed.equal:
        raise typer.Exit(1)


@command
def optimizers(name: options.MaybeOptimizer = None) -> None:
    """List the optimizers and the hyperparameters that a study file may set for each; or show what one takes."""
    from studies.terminal.optimizers import print_optimizer, print_optimizers
    from studies.terminal.text import console

    if name is None:
        print_optimizers(console())
    else:
        print_optimizer(console(), name)


@command
def tasks() -> None:
    """List the tasks: registered ones, and data and networks to combine, as in cifar10/resnet18.

    A task of your own is named package.module:function.
    """
    from robustness.tasks import catalogue
    from studies.terminal.text import console, table

    console().print(table(("task", "what it is", "options"), catalogue()))


def main() -> None:
    """Run the command."""
    atexit.register(gc.freeze)  # or the collector looks through all that was imported, a second in vain
    app()


if __name__ == "__main__":
    main()
