"""The `fallline` command."""

import json
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from service import (
    catalogue_table,
    cluster_commands,
    display,
    operations_commands,
    ranking,
    settings,
)
from service.client import Client, FalllineError, Form, Json
from service.errors import StartupError
from service.processes import make_ready

app = typer.Typer(
    help="Which optimizer, learning rate and decay schedule should I use on my data?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
jobs = typer.Typer()
datasets = typer.Typer()
tokens = typer.Typer()
app.add_typer(datasets, name="datasets", help="List your datasets, or delete one.")
app.add_typer(jobs, name="jobs", help="List your jobs, or delete one.")
app.add_typer(tokens, name="tokens", help="List your tokens, make or revoke one.")
app.add_typer(
    cluster_commands.cluster, name="cluster", help="Certificates for a cluster of machines."
)
console = Console()
errors = Console(stderr=True)
for command in (
    operations_commands.doctor,
    operations_commands.backup,
    operations_commands.restore,
    operations_commands.upgrade,
    cluster_commands.scheduler,
    cluster_commands.worker,
    cluster_commands.secrets,
):
    app.command()(command)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Table = Annotated[
    Path,
    typer.Argument(
        exists=True,
        dir_okay=False,
        help="A table: .csv with header, .tsv, .parquet or .npz; or a .zip of pictures.",
    ),
]
Target = Annotated[str | None, typer.Option(help="Column to predict.")]
Metric = Annotated[str | None, typer.Option(help="What to judge trials by.")]
Trials = Annotated[int, typer.Option(help="Configurations to try.")]
Epochs = Annotated[int, typer.Option(help="Passes over the data for each.")]
Seconds = Annotated[float | None, typer.Option(help="Stop after this long.")]
Seeds = Annotated[int, typer.Option(help="Fresh seeds that the finalists train from; 0 for none.")]
Encoding = Annotated[
    str | None, typer.Option(help="Of a text file, such as cp1252; left out, it is found out.")
]
Delimiter = Annotated[
    str | None, typer.Option(help="Between values of a text file: , ; | or a tab, also as \\t.")
]
Decimal = Annotated[str | None, typer.Option(help="Before decimals of a text file: . or ,")]
Name = Annotated[str | None, typer.Option(help="A label for your list of jobs.")]


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


@app.command()
def tune(
    file: Table,
    target: Target = None,
    metric: Metric = None,
    trials: Trials = 100,
    epochs: Epochs = 20,
    seconds: Seconds = None,
    optimizer: Annotated[
        list[str] | None, typer.Option(help="Search only this optimizer; may be repeated.")
    ] = None,
    seeds: Seeds = 10,
    seed: Annotated[
        int,
        typer.Option(
            help="The same seed gives the same study, earlier jobs being the same or --no-transfer."
        ),
    ] = 0,
    transfer: Annotated[
        bool, typer.Option(help="First try what your earlier jobs found on similar data.")
    ] = True,
    name: Name = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    as_json: AsJson = False,
) -> None:
    """Find the best optimizer, learning rate and schedule for a dataset."""
    spec: dict[str, Any] = {
        "budget": {"trials": trials, "epochs": epochs, "seconds": seconds},
        "confirmation": {"seeds": seeds},
        "seed": seed,
        "transfer": transfer,
        "name": name,
    }
    if metric:
        spec["metric"] = metric
    if optimizer:
        spec["space"] = {"optimizers": optimizer}
    with _client() as client:
        written = _written(encoding, delimiter, decimal)
        job = _submit(client, file, target, spec, written, as_json=as_json)
        _await(client, job["id"], as_json=as_json)


@app.command()
def compare(
    file: Table,
    target: Target = None,
    metric: Metric = None,
    trials: Annotated[int, typer.Option(help="Configurations to try, equally many of each.")] = 140,
    epochs: Epochs = 20,
    seconds: Seconds = None,
    optimizer: Annotated[
        list[str] | None, typer.Option(help="Compare only this optimizer; may be repeated.")
    ] = None,
    seeds: Seeds = 10,
    seed: Annotated[int, typer.Option(help="Another seed gives another study.")] = 0,
    name: Name = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    as_json: AsJson = False,
) -> None:
    """Rank optimizers on a dataset: which is better, and which cannot be told apart."""
    spec: dict[str, Any] = {
        "budget": {"trials": trials, "epochs": epochs, "seconds": seconds},
        "confirmation": {"seeds": seeds},
        "question": "compare",
        "seed": seed,
        "metric": metric,
        "name": name,
    }
    if optimizer:
        spec["space"] = {"optimizers": optimizer}
    with _client() as client:
        written = _written(encoding, delimiter, decimal)
        job = _submit(client, file, target, spec, written, as_json=as_json)
        _follow(client, job["id"], as_json=as_json)
        report = client.report(job["id"])
    if as_json:
        parts = ("metric", "direction", "verdict", "optimizers")
        console.print_json(json.dumps({"job": job["id"]} | {part: report[part] for part in parts}))
    else:
        ranking.show_ranking(console, report)


@app.command()
def extend(
    job: Annotated[str, typer.Argument(help="The job's id.")],
    trials: Annotated[int | None, typer.Option(help="Configurations in all.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Seconds in all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give a job a larger budget and wait for its answer; one that has ended goes on."""
    budget = {"trials": trials, "seconds": seconds}
    given = {name: value for name, value in budget.items() if value is not None}
    if not given:
        raise typer.BadParameter("give --trials, --seconds or both")
    with _client() as client:
        client.change(job, **given)
        _await(client, job, as_json=as_json)


@app.command()
def clone(
    job: Annotated[str, typer.Argument(help="The job's id.")],
    trials: Annotated[int | None, typer.Option(help="Configurations to try.")] = None,
    seconds: Annotated[float | None, typer.Option(help="The most seconds to take.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed gives another study.")] = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Submit a job again, with what is given changed, and wait for its answer."""
    given = {"trials": trials, "seconds": seconds}
    budget = {limit: value for limit, value in given.items() if value is not None}
    described = {"seed": seed, "name": name, "budget": budget or None}
    changes = {field: value for field, value in described.items() if value is not None}
    with _client() as client:
        _await(client, client.clone(job, **changes)["id"], as_json=as_json)


@app.command()
def watch(
    job: Annotated[str, typer.Argument(help="The job's id.")], as_json: AsJson = False
) -> None:
    """Follow a job's progress, then print its answer."""
    with _client() as client:
        _await(client, job, as_json=as_json)


@app.command()
def pause(job: Annotated[str, typer.Argument(help="The job's id.")]) -> None:
    """Let a job rest, across restarts too."""
    with _client() as client:
        _say_state(client.pause(job))


@app.command()
def resume(job: Annotated[str, typer.Argument(help="The job's id.")]) -> None:
    """Let a paused job go on."""
    with _client() as client:
        _say_state(client.resume(job))


@app.command()
def cancel(job: Annotated[str, typer.Argument(help="The job's id.")]) -> None:
    """End a job now; its finished trials stay."""
    with _client() as client:
        _say_state(client.cancel(job))


@jobs.callback(invoke_without_command=True)
def list_jobs(
    context: typer.Context,
    state: Annotated[
        list[str] | None, typer.Option(help="Only those in this state; may be repeated.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Only those on this dataset.")] = None,
    name: Annotated[str | None, typer.Option(help="Only those with this in their name.")] = None,
    as_json: AsJson = False,
) -> None:
    """List your jobs, newest first."""

    def fetch(client: Client) -> Iterator[Json]:
        return client.jobs(state=state, dataset=dataset, name=name)

    _list(context, fetch, display.show_jobs, as_json=as_json)


@jobs.command("delete")
def delete_job(job: Annotated[str, typer.Argument(help="The job's id.")]) -> None:
    """Delete a job that has ended or rests, with all its trials."""
    with _client() as client:
        client.delete_job(job)
    console.print(f"job {job} is deleted", highlight=False, soft_wrap=True)


@datasets.callback(invoke_without_command=True)
def list_datasets(context: typer.Context, as_json: AsJson = False) -> None:
    """List your datasets, newest first."""
    _list(context, Client.datasets, display.show_datasets, as_json=as_json)


@datasets.command("delete")
def delete_dataset(dataset: Annotated[str, typer.Argument(help="The dataset's id.")]) -> None:
    """Delete a dataset that no job uses."""
    with _client() as client:
        client.delete_dataset(dataset)
    console.print(f"dataset {dataset} is deleted", highlight=False, soft_wrap=True)


@app.command()
def best(
    job: Annotated[str, typer.Argument(help="The job's id.")],
    as_json: AsJson = False,
    python: Annotated[
        bool, typer.Option("--python", help="Print a script that trains and tests it.")
    ] = False,
) -> None:
    """Show what a job has found so far."""
    if as_json and python:
        raise typer.BadParameter("choose one of --json and --python")
    with _client() as client:
        if python:
            typer.echo(client.best_script(job), nl=False)
            return
        found = client.best(job)
        if as_json:
            console.print_json(json.dumps(found))
        else:
            display.show_answer(console, client.job(job), found)


@app.command()
def export(
    job: Annotated[str, typer.Argument(help="The job's id.")],
    form: Annotated[Form, typer.Option("--format", help="What to save.")],
    output: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Where to; replaced if it is there. Left out, a name that fits."
        ),
    ] = None,
) -> None:
    """Save what a job has found as a file: its trials as csv or parquet, the best in other forms."""
    with _client() as client:
        try:
            saved = client.export(job, form, output)
        except OSError as error:
            raise FalllineError(f"The file cannot be written: {error}") from error
    size = saved.stat().st_size
    console.print(f"{saved}: {size:,} bytes", highlight=False, markup=False, soft_wrap=True)


@app.command()
def optimizers(as_json: AsJson = False) -> None:
    """List every optimizer: its learning rate, and what it does."""
    with _client() as client:
        listed = list(client.optimizers())
    if as_json:
        console.print_json(json.dumps(listed))
    else:
        catalogue_table.show_optimizers(console, listed)


@app.command()
def replay(
    job: Annotated[str, typer.Argument(help="The job's id.")],
    number: Annotated[int, typer.Argument(min=0, help="The trial's number.")],
    as_json: AsJson = False,
) -> None:
    """Train a trial again; exit code 1 unless it is the same to the last bit."""
    with _client() as client:
        found = client.replay(job, number)
    if as_json:
        console.print_json(json.dumps(found))
    else:
        line = display.replay_line(found)
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not found["matches"]:
        raise typer.Exit(1)


@tokens.command("make")
def make_token(
    name: Annotated[str, typer.Argument(help="A label for the list.")],
    owner: Annotated[str | None, typer.Option(help="For whom it acts; left out, for you.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option(help="read, submit or admin; may be repeated.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0, help="It ends after so many days.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once; left out, its scopes are read and submit."""
    request: dict[str, Any] = {"owner": owner, "scopes": scope}
    if days is not None:
        request["expires"] = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    given = {field: value for field, value in request.items() if value is not None}
    with _client() as client:
        made = client.make_token(name, **given)
    if as_json:
        console.print_json(json.dumps(made))
    else:
        typer.echo(made["token"])


@tokens.callback(invoke_without_command=True)
def list_tokens(context: typer.Context, as_json: AsJson = False) -> None:
    """List your tokens, newest first."""
    _list(context, Client.tokens, display.show_tokens, as_json=as_json)


@tokens.command("revoke")
def revoke_token(token: Annotated[str, typer.Argument(help="The token's id.")]) -> None:
    """End a token now."""
    with _client() as client:
        ended = client.revoke_token(token)
    console.print(f"{display.plain(ended['name'])} (...{ended['last4']}) is revoked")


@app.command()
def version() -> None:
    """Print the version."""
    console.print(installed_version("fallline"), highlight=False)


def _list(
    context: typer.Context,
    fetch: Callable[[Client], Iterator[Json]],
    show: Callable[[Console, list[Json]], None],
    *,
    as_json: bool,
) -> None:
    """What a group of commands does when none of them is named."""
    if context.invoked_subcommand is not None:
        return
    with _client() as client:
        listed = list(fetch(client))
    if as_json:
        console.print_json(json.dumps(listed))
    else:
        show(console, listed)


def _say_state(job: dict[str, Any]) -> None:
    console.print(f"job {job['id']} is {job['state']}", highlight=False, soft_wrap=True)


def _submit(
    client: Client,
    file: Path,
    target: str | None,
    spec: dict[str, Any],
    written: dict[str, str | None],
    *,
    as_json: bool,
) -> Json:
    """Upload a table, queue a job on it, and say what is going to happen."""
    dataset = client.upload(file, name=display.label(file.stem), target=target, **written)
    job = client.submit(dataset["id"], **spec)
    if not as_json:
        display.show_plan(console, dataset, job)
    return job


def _written(
    encoding: str | None, delimiter: str | None, decimal: str | None
) -> dict[str, str | None]:
    """How a text file is written, as the client takes it; a tab is hard to type in a shell."""
    delimiter = "\t" if delimiter == r"\t" else delimiter
    return {"encoding": encoding, "delimiter": delimiter, "decimal": decimal}


def _follow(client: Client, job_id: str, *, as_json: bool) -> Json:
    """Show a job's progress; the job when it has completed."""
    job = display.follow(errors if as_json else console, client.watch(job_id))
    if job["state"] != "completed":
        raise FalllineError(f"The job is {job['state']}. {job['error'] or ''}".strip())
    return job


def _await(client: Client, job_id: str, *, as_json: bool) -> None:
    """Show a job's progress, then its answer."""
    job = _follow(client, job_id, as_json=as_json)
    best = client.best(job_id)
    if as_json:
        console.print_json(json.dumps(best))
    else:
        display.show_answer(console, job, best)


def _client() -> Client:
    """A client of the server on this machine, with its token."""
    chosen = settings.load()
    token = chosen.token.get_secret_value() if chosen.token else None
    if token is None and chosen.token_file.exists():
        token = chosen.token_file.read_text(encoding="utf-8").strip()
    if token is None:
        raise FalllineError(
            f"There is no token at {chosen.token_file}. Start a server with `fallline serve`, "
            "or set FALLLINE_TOKEN."
        )
    return Client(chosen.local_url, token)
