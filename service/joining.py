"""Workers of this machine for a cluster elsewhere."""

import logging
import signal
import threading
from collections.abc import Callable

from service import certificates
from service.processes import make_ready
from service.settings import Settings
from service.workers import Membership, Place, Workers


def join(address: str, settings: Settings, number: int, started: Callable[[], None]) -> None:
    """Train for a cluster until told to stop.

    Args:
        address: of its scheduler, which may come later, and go.
        settings: of this machine: its certificates, and where datasets are.
        number: of processes.
        started: called once they run.

    Raises:
        CertificatesUnusable: there are none.
    """
    security = certificates.security(address, settings.certificate_folder)
    logging.basicConfig(level=logging.INFO)
    make_ready()
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda _signal, _frame: stop.set())
    store = None
    if settings.store_elsewhere is not None:
        store = Place(settings.blob_folder, settings.store_elsewhere, settings.store_cache_bytes)
    with Workers(number, Membership(address, security, store=store)):
        started()
        stop.wait()
