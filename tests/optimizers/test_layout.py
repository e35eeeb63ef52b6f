"""Sums over a trial's numbers are the same bits in any stack and on any number of threads."""

import pytest
import torch

from optimizers.layout import Layout, row_sums


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("numbers", [7, 2**14, 100_003])
def test_a_row_alone_adds_up_as_among_others(numbers: int, threads: int) -> None:
    rows = torch.randn(5, numbers, generator=torch.Generator().manual_seed(0))
    torch.set_num_threads(1)
    wanted = row_sums(rows)
    torch.set_num_threads(threads)
    assert torch.equal(row_sums(rows), wanted)
    assert all(torch.equal(row_sums(rows[i : i + 1]), wanted[i : i + 1]) for i in range(5))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_norms_and_means_of_tensors_do_not_depend_on_the_stack(threads: int) -> None:
    layout = Layout({"wide": (2, 40_000), "none": (), "bias": (7,)})
    rows = torch.randn(5, layout.size, generator=torch.Generator().manual_seed(0))
    torch.set_num_threads(1)
    wanted = layout.norms(rows), layout.means(rows)
    torch.set_num_threads(threads)
    for i in range(5):
        alone = layout.norms(rows[i : i + 1]), layout.means(rows[i : i + 1])
        assert all(torch.equal(a[0], w[i]) for a, w in zip(alone, wanted, strict=True))


def test_sums_are_those_of_each_tensor() -> None:
    layout = Layout({"matrix": (2, 3), "none": (), "bias": (2,)})
    rows = torch.arange(18.0).view(2, 9)
    assert layout.sums(rows).tolist() == [[15.0, 6.0, 15.0], [69.0, 15.0, 33.0]]
    assert layout.means(rows).tolist() == [[2.5, 6.0, 7.5], [11.5, 15.0, 16.5]]
    assert layout.spread(layout.sums(rows))[0].tolist() == [15.0] * 6 + [6.0] + [15.0] * 2
