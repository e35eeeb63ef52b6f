"""A server's own arithmetic."""

from concurrent.futures import ThreadPoolExecutor

import torch
from threadpoolctl import threadpool_info, threadpool_limits

from service.threads import one_thread


def _threads() -> set[int]:
    """Of torch and of the libraries of matrices, as a thread sees it that has just begun."""

    def count() -> set[int]:
        torch.ones(8) @ torch.ones(8)  # a thread takes over torch's number at its first product
        libraries = [each for each in threadpool_info() if each["user_api"] == "blas"]
        return {torch.get_num_threads(), *(each["num_threads"] for each in libraries)}

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(count).result()


def test_a_server_computes_with_one_thread_and_gives_the_others_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threadpool_limits(2):
            assert _threads() == {2}
            with one_thread():
                assert _threads() == {1}
            assert torch.get_num_threads() == 2
            assert _threads() == {2}
    finally:
        torch.set_num_threads(before)
