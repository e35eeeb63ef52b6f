from collections import Counter

import pytest

from studies.portfolio import chosen, portfolio
from studies.search import Search
from studies.space import Space
from tests.studies.pretend import resolved


def allowed(**space: object) -> list[tuple[str, object]]:
    found = portfolio(Space(resolved(space=space)), 1000)
    return [(one.optimizer, one.batch) for one in found]


def test_all_of_it_is_of_the_space_that_it_was_chosen_in() -> None:
    space = Space(resolved(space={"batch": ["full", 32, 128]}))
    assert portfolio(space, 1000) == list(chosen())
    assert len({one.optimizer for one in chosen()}) >= 5


def test_only_what_a_space_allows_is_tried() -> None:
    every = Counter(one.optimizer for one in chosen())
    for name in every:
        assert Counter(n for n, _ in allowed(optimizers=[name])) == {name: every[name]}
    assert not allowed(optimizers=["lion"])
    assert not allowed(learning_rate={"low": 1e-9, "high": 1e-8})
    constant = sum(one.schedule == "constant" for one in chosen())
    assert len(allowed(schedules=["constant"])) == constant


def test_a_batch_becomes_the_nearest_that_there_is() -> None:
    sizes = {one.batch for one in chosen()} & {32, 128}
    assert sizes == {32, 128}
    assert {batch for _, batch in allowed(batch=[16, 100])} == {16, 100}
    assert {batch for _, batch in allowed(batch=[64])} == {64}


def test_full_and_single_batches_have_nothing_near() -> None:
    whole = [one for one in chosen() if one.batch == "full"]
    assert len(allowed(batch=["full"])) == len(whole)
    assert not allowed(batch=["single"])


def test_optimizers_that_are_compared_have_no_head_start() -> None:
    search = Search(resolved(question="compare", space={"optimizers": ["sgd", "adam"]}))
    assert not any("portfolio" in trial.user_attrs for trial in search.ask(40))


@pytest.mark.parametrize(("trials", "most"), [(1, 1), (10, 5), (11, 6), (24, 12), (100, 12)])
def test_no_more_than_half_of_the_trials_are_of_it(trials: int, most: int) -> None:
    space = {"batch": ["full", 32, 128]}
    search = Search(resolved(space=space, budget={"trials": trials}))
    assert sum("portfolio" in trial.user_attrs for trial in search.ask(100)) == most
    assert portfolio(search.space, trials) == list(chosen())[:most]
