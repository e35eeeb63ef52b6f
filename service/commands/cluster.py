"""Commands for the machines of a cluster: its certificates, its scheduler, its workers."""

import os
from pathlib import Path
from typing import Annotated

import typer

from service import settings
from service.commands import terminal
from service.errors import SettingsError

cluster = typer.Typer()


@cluster.command()
def certs(
    folder: Annotated[
        Path | None,
        typer.Argument(
            file_okay=False, help="For the files; left out, FALLLINE_CERTIFICATES or its default."
        ),
    ] = None,
) -> None:
    """Make the certificates of a cluster: copy the folder to each of its machines, and keep it secret."""
    from service import certificates  # noqa: PLC0415 - a moment that nobody else pays

    chosen = folder or settings.load().certificate_folder
    certificates.make(chosen)
    terminal.say(f"{chosen} has {', '.join(sorted(path.name for path in chosen.iterdir()))}")


def secrets(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="For the files.")],
) -> None:
    """Make what the services of docker-compose.yml share: token, passwords, certificates; once."""
    from service import secret_files  # noqa: PLC0415 - a moment that nobody else pays

    terminal.say(f"{folder} has {', '.join(secret_files.make(folder))}")


def scheduler(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on.")] = 8786,
) -> None:
    """Start the scheduler of a cluster: the server sends waves to it, and workers fetch them."""
    from service.scheduling import schedule  # noqa: PLC0415 - a second that nobody else pays

    known = settings.load()
    protocol = "tcp" if known.cluster_insecure else "tls"
    address = f"{protocol}://{f'[{host}]' if ':' in host else host}:{port}"
    schedule(address, known.certificate_folder, lambda: terminal.say(f"Scheduler at {address}"))


def worker(
    address: Annotated[str, typer.Argument(help="Of the scheduler: tls://HOST:PORT.")],
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Processes; left out, one for each core.")
    ] = None,
) -> None:
    """Train for a cluster: join it with processes of this machine, until told to stop."""
    from service.joining import join  # noqa: PLC0415 - a second that nobody else pays

    known = settings.load()
    try:
        settings.check_address(address)
        known.check_secure(address)
    except ValueError as error:
        raise SettingsError(f"ADDRESS: {error}") from None
    number = workers or os.cpu_count() or 1
    join(
        address,
        known,
        number,
        lambda: terminal.say(f"{number} worker(s) for {address}; Ctrl-C ends them"),
    )
