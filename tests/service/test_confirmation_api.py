"""What the service says once the finalists have been trained again."""

import statistics
from pathlib import Path
from typing import Any

import pytest

from tests import datasets as tables
from tests.service.conftest import Live
from tests.service.journeys import SMALL, Json, ended, submit, upload, walk
from tests.studies.scripts import alone

pytestmark = [pytest.mark.xdist_group("shared_live"), pytest.mark.timeout(300)]

SPACE = SMALL["space"] | {"optimizers": ["sgd", "adam", "momentum"]}
BUDGET = {"trials": 24, "epochs": 12}


@pytest.fixture(scope="module")
def dataset(shared_live: Live, tmp_path_factory: pytest.TempPathFactory) -> Json:
    file = tables.wine(tmp_path_factory.mktemp("confirmed") / "wine.csv", imperfect=True)
    return upload(shared_live.client, file, target="target")


def finished(live: Live, dataset: Json, **spec: Any) -> Json:
    fields = {"space": SPACE, "budget": BUDGET, "confirmation": {"seeds": 4}} | spec
    view = ended(live.client, submit(live.client, dataset, **fields)["id"])
    assert view["state"] == "completed", view
    return view


@pytest.fixture(scope="module")
def confirmed(shared_live: Live, dataset: Json) -> Json:
    return finished(shared_live, dataset)


def answers(live: Live, job: Json) -> tuple[Json, Json]:
    """The best and the report."""
    best = live.client.get(f"/v1/jobs/{job['id']}/best").json()
    return best, live.client.get(f"/v1/jobs/{job['id']}/report").json()


def test_finalists_are_trained_from_every_fresh_seed(shared_live: Live, confirmed: Json) -> None:
    best, report = answers(shared_live, confirmed)
    runs = report["confirmation"]["runs"]
    assert (confirmed["finalists"], confirmed["confirmed"]) == (len(runs), True)
    assert report["confirmation"]["seeds"] == [1, 2, 3, 4]
    trials = {str(t["number"]): t for t in walk(shared_live.client, trials_of(confirmed))}
    named = {trials[number]["config"]["optimizer"]["name"] for number in runs}
    assert named == set(SPACE["optimizers"])  # the default of each trains to the end
    for finalist in best["finalists"]:
        of = runs[str(finalist["number"])]
        assert [run["seed"] for run in of] == [1, 2, 3, 4]
        assert finalist["mean"] == pytest.approx(
            statistics.mean(run["test"]["log_loss"] for run in of)
        )
        assert finalist["validation"] == trials[str(finalist["number"])]["value"]


def trials_of(job: Json) -> str:
    return f"/v1/jobs/{job['id']}/trials"


def test_the_best_is_a_finalist_of_an_optimizer_that_nobody_beats(
    shared_live: Live, confirmed: Json
) -> None:
    best, report = answers(shared_live, confirmed)
    verdict = report["verdict"]
    assert (best["sentence"], best["finalists"]) == (verdict["sentence"], verdict["finalists"])
    assert best["config"]["optimizer"]["name"] in verdict["leading"]
    assert best["trial"] in {finalist["number"] for finalist in best["finalists"]}
    assert report["best"]["number"] == best["trial"]
    assert verdict["about"] == "configurations"
    assert len(verdict["pairs"]) == 3


def test_the_script_states_the_interval_and_lands_in_it(
    shared_live: Live, confirmed: Json, tmp_path: Path
) -> None:
    best, report = answers(shared_live, confirmed)
    (finalist,) = [each for each in best["finalists"] if each["number"] == best["trial"]]
    answer = shared_live.client.get(f"/v1/jobs/{confirmed['id']}/best", params={"format": "python"})
    script = tmp_path / "best.py"
    script.write_bytes(answer.content)
    file = str(tables.wine(tmp_path / "wine.csv", imperfect=True))
    for run in report["confirmation"]["runs"][str(best["trial"])][:2]:
        ran = alone(script, file, "--seed", str(run["seed"]))
        low, high = finalist["next_run"]
        assert ran.stdout.splitlines()[-1] == (
            f"test log_loss {run['test']['log_loss']:.4g}, inside the stated interval "
            f"{low:.4g} to {high:.4g} (4 seeds)"
        )
        assert (ran.returncode, ran.stderr) == (0, "")


def test_the_same_seed_gives_the_same_verdict(
    shared_live: Live, dataset: Json, confirmed: Json
) -> None:
    again = finished(shared_live, dataset)
    first, second = (answers(shared_live, job)[1] for job in (confirmed, again))
    for part in ("verdict", "confirmation"):
        assert first[part] == second[part]


def test_compared_optimizers_get_equal_trials_and_a_ranking(
    shared_live: Live, dataset: Json
) -> None:
    best, report = answers(shared_live, finished(shared_live, dataset, question="compare"))
    assert {row["trials"] for row in best["optimizers"]} == {8}
    assert report["verdict"]["about"] == "optimizers"
    assert {pair["first"] for pair in report["verdict"]["pairs"]} == {"adam", "momentum"}


def test_without_a_confirmation_there_is_no_verdict(shared_live: Live, dataset: Json) -> None:
    job = finished(shared_live, dataset, confirmation={"seeds": 0})
    best, report = answers(shared_live, job)
    assert (job["finalists"], job["confirmed"]) == (0, False)
    assert (best["sentence"], best["finalists"]) == (None, [])
    assert (report["verdict"], report["confirmation"]) == (None, None)
    assert (best["value"], best["trial"]) == (job["best_value"], job["best_trial"])
    assert best["optimizers"][0]["best"]["number"] == best["trial"]
