from datetime import timedelta
from typing import Any

from studies.history import Line, history
from studies.report import view
from studies.space import Space
from tests.studies.test_report import LOWEST, START, trial


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def told(number: int, outcome: str, value: float | None = None, **attributes: Any) -> list[Line]:
    made = trial(number, value=value, outcome=outcome)
    made.user_attrs |= attributes
    return history(made, view(made, Space(LOWEST)), LOWEST)


def test_a_log_goes_from_the_asking_to_the_end() -> None:
    lines = told(4, "completed", 0.25, wave=2, rungs={"3": 0.5})
    assert texts(lines) == [
        "asked in wave 2: the sampler's choice",
        "passed the rung of 3 epochs: log_loss 0.5",
        "completed after 2 epochs, 0.25 s of its stack's time: log_loss 1.5",
    ]
    assert lines[0].at == START.astimezone()
    assert lines[1].at is None
    assert lines[2].at is not None
    assert timedelta(0) < lines[2].at - START.astimezone() < timedelta(minutes=1)


def test_a_log_tells_why_a_trial_was_dropped_and_who_may_go_on() -> None:
    failed: dict[str, Any] = {
        "wave": 0,
        "rungs": {"3": 0.5, "7": 0.4},
        "dropped_at": 7,
        "threshold": 0.3,
    }
    rung = "failed the rung of 7 epochs: log_loss 0.4, the last that passed had 0.3"
    dropped = texts(told(1, "dropped", **failed))
    assert dropped[1:3] == ["passed the rung of 3 epochs: log_loss 0.5", rung]
    assert dropped[3].startswith("dropped after 2 epochs")
    audited = texts(told(1, "completed", 0.25, audited=True, **failed))
    assert audited[2] == f"{rung}; trains on, to see whether dropping is right"


def test_a_log_tells_what_went_wrong() -> None:
    lines = texts(told(1, "diverged", wave=0, trouble="blow_up"))
    assert lines[1:3] == ["diverged at step 12", "in trouble: the loss blew up"]


def test_a_log_tells_where_a_configuration_comes_from() -> None:
    source = {
        "job": "j", "dataset": "iris", "trial": 7, "likeness": 0.9, "rank": 1, "completed": 9,
    }  # fmt: skip
    assert texts(told(1, "running", wave=0, transferred=source)) == [
        "asked in wave 0: trial 7 of job j found it, on 'iris'"
    ]


def test_a_trial_of_another_program_has_a_log_too() -> None:
    assert texts(told(1, "running"))[0].startswith("asked: ")
