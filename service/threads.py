"""How many threads a server's own arithmetic takes."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Let this process compute with one thread, whoever started it.

    The cores are the workers': threads that share small products spend their time waiting for each other,
    each on a core that a worker wants. A sampler beside two workers took six times as long with two.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # also in threads to come, which OpenMP's own setting does not reach
    try:
        with threadpool_limits(1):  # NumPy's and SciPy's too
            yield
    finally:
        torch.set_num_threads(before)
