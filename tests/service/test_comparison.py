from typing import Any

from service.comparison import Compared, alike, obstacles
from studies.spec import Goal, StudySpec
from tests.studies.pretend import resolved


def compared(label: str, spec: StudySpec | None = None, **fields: Any) -> Compared:
    given: dict[str, Any] = {"dataset": "wine", "digest": "ab"} | fields
    return Compared(label=label, spec=spec or resolved(), **given)


def test_the_same_rows_and_metric_compare() -> None:
    longer = resolved(budget={"trials": 7, "epochs": 3}, model={"hidden": [4]})
    assert obstacles([compared("A"), compared("B", longer)]) == []
    # Another name for the same table.
    assert obstacles([compared("A"), compared("B", dataset="again")]) == []


def test_everything_that_keeps_scores_from_comparing_is_said() -> None:
    other = resolved(
        target="z", metric="accuracy", seed=4, split={"kind": "grouped", "column": "who"}
    )
    assert obstacles([compared("A"), compared("B", other, dataset="iris", digest="cd")]) == [
        "The tables differ (A: wine; B: iris).",
        "The targets differ (A: y; B: z).",
        "The metrics differ (A: log_loss; B: accuracy).",
        "The splits differ, so other rows judged (A: usual; B: grouped by who).",
        "The seeds differ, so other rows judged (A: 0; B: 4).",
    ]


def test_those_that_compare_are_named() -> None:
    other = resolved(seed=4)
    jobs = [compared("A"), compared("B", other), compared("C"), compared("D", other)]
    assert alike(jobs) == [["A", "C"], ["B", "D"]]
    elsewhere = [compared(label, dataset=None, digest=None) for label in "EF"]
    assert alike([jobs[0], jobs[1], *elsewhere]) == []


def test_of_what_is_trained_elsewhere_nobody_knows() -> None:
    goal = Goal(name="perplexity", direction="minimize")
    spec = StudySpec(metric=goal, seed=9)
    elsewhere = compared("B", spec, dataset=None, digest=None)
    assert obstacles([compared("A"), elsewhere]) == [
        "B: trained elsewhere, so nobody here knows which rows judged.",
        "The metrics differ (A: log_loss; B: perplexity).",
    ]
