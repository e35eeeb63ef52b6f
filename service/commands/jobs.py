"""Commands about jobs: list them, let one rest, go on or end, delete one."""

from collections.abc import Iterator
from typing import Annotated

import typer

from service import display
from service.client import Client, Json
from service.commands import terminal

jobs = typer.Typer()


def pause(job: terminal.JobId) -> None:
    """Let a job rest, across restarts too."""
    with terminal.client() as client:
        _say_state(client.pause(job))


def resume(job: terminal.JobId) -> None:
    """Let a paused job go on."""
    with terminal.client() as client:
        _say_state(client.resume(job))


def cancel(job: terminal.JobId) -> None:
    """End a job now; its finished trials stay."""
    with terminal.client() as client:
        _say_state(client.cancel(job))


@jobs.callback(invoke_without_command=True)
def list_jobs(
    context: typer.Context,
    state: Annotated[
        list[str] | None, typer.Option(help="Only those in this state; may be repeated.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Only those on this dataset.")] = None,
    name: Annotated[str | None, typer.Option(help="Only those with this in their name.")] = None,
    as_json: terminal.AsJson = False,
) -> None:
    """List your jobs, newest first."""

    def fetch(client: Client) -> Iterator[Json]:
        return client.jobs(state=state, dataset=dataset, name=name)

    terminal.list_all(context, fetch, display.show_jobs, as_json=as_json)


@jobs.command("delete")
def delete_job(job: terminal.JobId) -> None:
    """Delete a job that has ended or rests, with all its trials."""
    with terminal.client() as client:
        client.delete_job(job)
    terminal.say(f"job {job} is deleted")


def _say_state(job: Json) -> None:
    terminal.say(f"job {job['id']} is {job['state']}")
