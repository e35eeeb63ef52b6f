"""What is shown follows from the report, and is put in order once."""

from service.answer import answer
from service.answer.matrix import matrix
from studies.verdict import Pair, Verdict
from tests.service.answers import reported


def pair(first: str, second: str, difference: float, winner: str | None) -> Pair:
    return Pair(
        first=first,
        second=second,
        difference=difference,
        interval=(difference - 0.1, difference + 0.2),
        p_value=0.01 if winner else 0.5,
        margin=0.01,
        outcome="beats" if winner else "open",
        winner=winner,
        more_seeds=None,
        more_trials={},
        sentence="said",
    )


def verdict(*pairs: Pair) -> Verdict:
    return Verdict(
        winner=None,
        leading=["adam"],
        about="optimizers",
        sentence="said",
        finalists=[],
        pairs=list(pairs),
        curves=[],
        confidence=0.95,
    )


def test_the_matrix_says_the_same_from_both_sides() -> None:
    found = matrix(
        verdict(pair("adam", "sgd", -0.5, "adam"), pair("lion", "sgd", 0.0, None)),
        ["adam", "unknown", "sgd", "lion"],
    )
    assert found is not None
    assert found.names == ["adam", "sgd", "lion"]
    cells = dict(zip(found.names, found.rows, strict=True))
    assert [cell and cell.outcome for cell in cells["adam"]] == [None, "wins", None]
    assert [cell and cell.outcome for cell in cells["sgd"]] == ["loses", None, "open"]
    there, back = cells["adam"][1], cells["sgd"][0]
    assert there is not None
    assert back is not None
    assert (there.difference, there.interval) == (-0.5, (-0.6, -0.3))
    assert (back.difference, back.interval) == (0.5, (0.3, 0.6))
    assert there.p_value == back.p_value == 0.01
    nothing = cells["lion"][1]
    assert nothing is not None
    assert str(nothing.difference) == "0.0"


def test_without_pairs_there_is_no_matrix() -> None:
    assert matrix(verdict(), ["adam"]) is None


def test_an_answer_is_ordered_by_who_leads() -> None:
    subject, report = reported()
    found = answer(subject, report)
    assert [each.optimizer for each in found.standings] == ["sgd", "momentum", "adam"]
    assert [each.leads for each in found.standings] == [True, False, False]
    assert [each.optimizer for each in found.rates] == ["sgd", "momentum", "adam"]
    assert found.matrix is not None
    assert found.matrix.names == ["sgd", "momentum", "adam"]
    assert found.ended == 60


def test_before_a_confirmation_the_order_is_that_of_validation() -> None:
    subject, report = reported(confirmed=False)
    found = answer(subject, report)
    assert [each.optimizer for each in found.standings] == [
        each.optimizer for each in report.optimizers
    ]
    assert found.matrix is None
    assert not any(each.leads or each.finalist for each in found.standings)
