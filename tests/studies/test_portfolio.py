from collections import Counter
from typing import Any, get_args

import pytest

from studies.portfolio import FEW, ONE_IN, chosen, portfolio
from studies.search import Search
from studies.space import Space
from studies.spec import Task
from tests.studies.pretend import resolved

TASKS = get_args(Task)


def allowed(task: Task, **space: object) -> list[tuple[str, object]]:
    found = portfolio(Space(resolved(space=space)), task, 1000)
    return [(one.optimizer, one.batch) for one in found]


@pytest.mark.parametrize("task", TASKS)
def test_all_of_it_is_of_the_space_that_it_was_chosen_in(task: Task) -> None:
    space = Space(resolved(space={"batch": ["full", 32, 128]}))
    assert portfolio(space, task, 1000) == list(chosen(task))
    assert len({one.optimizer for one in chosen(task)}) >= 4


@pytest.mark.parametrize("task", TASKS)
def test_only_what_a_space_allows_is_tried(task: Task) -> None:
    every = Counter(one.optimizer for one in chosen(task))
    for name in every:
        assert Counter(n for n, _ in allowed(task, optimizers=[name])) == {name: every[name]}
    assert not allowed(task, optimizers=["lion"])
    assert not allowed(task, learning_rate={"low": 1e-9, "high": 1e-8})
    constant = sum(one.schedule == "constant" for one in chosen(task))
    assert len(allowed(task, schedules=["constant"])) == constant


@pytest.mark.parametrize("task", TASKS)
def test_a_batch_becomes_the_nearest_that_there_is(task: Task) -> None:
    sizes = {one.batch for one in chosen(task)} & {32, 128}
    assert sizes == {32, 128}
    assert {batch for _, batch in allowed(task, batch=[16, 100])} == {16, 100}
    assert {batch for _, batch in allowed(task, batch=[64])} == {64}


@pytest.mark.parametrize("task", TASKS)
def test_full_and_single_batches_have_nothing_near(task: Task) -> None:
    whole = [one for one in chosen(task) if one.batch == "full"]
    assert len(allowed(task, batch=["full"])) == len(whole)
    assert not allowed(task, batch=["single"])


def test_a_study_starts_with_the_portfolio_of_its_task() -> None:
    fields: dict[str, Any] = {"space": {"batch": ["full", 32, 128]}, "budget": {"trials": 120}}
    for spec in (resolved(**fields), resolved(**fields, task="regression", metric="rmse")):
        search = Search(spec)
        asked = [t.params for t in search.ask(60) if "portfolio" in t.user_attrs]
        assert spec.task is not None
        most = 120 // ONE_IN
        assert FEW[spec.task] < most < len(chosen(spec.task))
        assert asked == [search.space.params(one) for one in chosen(spec.task)[:most]]


def test_regressions_try_their_own_first_and_then_that_of_classifications() -> None:
    own = chosen("regression")[: FEW["regression"]]
    assert chosen("regression") == own + chosen("classification")
    assert not set(map(str, own)) & set(map(str, chosen("classification")))


def test_optimizers_that_are_compared_have_no_head_start() -> None:
    search = Search(resolved(question="compare", space={"optimizers": ["sgd", "adam"]}))
    assert not any("portfolio" in trial.user_attrs for trial in search.ask(40))


@pytest.mark.parametrize(
    ("trials", "most"), [(1, 1), (10, 5), (11, 6), (24, 12), (100, 12), (160, 20)]
)
def test_no_more_than_half_of_the_trials_are_of_it(trials: int, most: int) -> None:
    space = {"batch": ["full", 32, 128]}
    search = Search(resolved(space=space, budget={"trials": trials}))
    assert sum("portfolio" in trial.user_attrs for trial in search.ask(100)) == most
    assert (
        portfolio(search.space, "classification", trials) == list(chosen("classification"))[:most]
    )
