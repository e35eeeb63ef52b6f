"""The `fallline` command."""

import signal
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from service import display, settings
from service.client import FalllineError
from service.commands import answers, cluster, datasets, jobs, operations, tokens, tuning
from service.commands.terminal import console, errors
from service.errors import StartupError
from service.processes import make_ready

app = typer.Typer(
    help="Which optimizer, learning rate and decay schedule should I use on my data?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command; a foreseeable failure is one line and exit code 1."""
    # Being asked to stop closes what is open, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except FalllineError as error:
        errors.print(f"[red]{display.describe(error)}[/]", highlight=False, soft_wrap=True)
        raise SystemExit(1) from None
    except StartupError as error:
        errors.print(f"[red]{display.plain(str(error))}[/]", highlight=False, soft_wrap=True)
        raise SystemExit(1) from None


@app.command()
def serve() -> None:
    """Start the server; every setting is an environment variable, listed in the README."""
    known = settings.load()
    make_ready()  # it imports beside us
    from service.supervisor import supervise  # noqa: PLC0415 - a second that nobody else pays

    raise typer.Exit(supervise(known, errors))


@app.command()
def demo(
    once: Annotated[bool, typer.Option(help="Exit when the answer is printed.")] = False,
    trials: Annotated[int, typer.Option(help="Configurations to try.")] = 120,
) -> None:
    """Tune on scikit-learn's digits and show the answer."""
    make_ready()
    from service.demo import run  # noqa: PLC0415 - torch: seconds nobody else pays

    run(settings.load(), console, once=once, trials=trials)


def version() -> None:
    """Print the version."""
    console.print(installed_version("fallline"), highlight=False)


for command in (
    tuning.tune,
    tuning.compare,
    tuning.extend,
    tuning.clone,
    tuning.watch,
    jobs.pause,
    jobs.resume,
    jobs.cancel,
    answers.best,
    answers.export,
    answers.optimizers,
    answers.replay,
    version,
    operations.doctor,
    operations.backup,
    operations.restore,
    operations.upgrade,
    cluster.scheduler,
    cluster.worker,
    cluster.secrets,
):
    app.command()(command)
app.add_typer(datasets.datasets, name="datasets", help="List your datasets, or delete one.")
app.add_typer(jobs.jobs, name="jobs", help="List your jobs, or delete one.")
app.add_typer(tokens.tokens, name="tokens", help="List your tokens, make or revoke one.")
app.add_typer(cluster.cluster, name="cluster", help="Certificates for a cluster of machines.")
