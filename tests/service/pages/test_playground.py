"""The playground: its paths are the engine's, its input is checked, its notes are true."""

import re
import threading
from typing import Any
from urllib.parse import parse_qs

import pytest
import torch

from optimizers.configuration import Configuration
from optimizers.models.landscapes import LANDSCAPES, Landscape
from optimizers.stack import Outcome
from optimizers.training import train
from service.errors import Unavailable
from service.pages import descents
from service.pages.asked import Asked
from service.pages.descents import RATES, Descent, Descents, descend
from service.pages.playground import INTRODUCTIONS, PRESETS
from tests.service.conftest import Live
from tests.service.journeys import Json
from tests.service.pages.test_optimizers import PAGE, text
from tests.service.test_problems import problem

pytestmark = pytest.mark.xdist_group("shared_live")


def paths(live: Live, query: str) -> Json:
    answer = live.client.get(f"/playground/paths?{query}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def direct(problem: Landscape, trials: list[Configuration], steps: int) -> list[Outcome]:
    examples = problem.examples(1)
    return train(problem, examples, examples, trials, epochs=steps, dtype=torch.float64)


def test_paths_are_those_of_a_training(shared_live: Live) -> None:
    found = paths(
        shared_live,
        "landscape=beale&path=adam:0.1:cosine&path=sgd:0.01&path=schedule_free_sgd:0.02&steps=30"
        "&x=-1&y=2&noise=0.5",
    )
    problem = Landscape("beale", start=(-1.0, 2.0), gradient_noise=0.5)
    trials = [
        Configuration("adam", {"learning_rate": 0.1}, "cosine", batch="full"),
        Configuration("sgd", {"learning_rate": 0.01}, batch="full"),
        Configuration("schedule_free_sgd", {"learning_rate": 0.02}, batch="full"),
    ]
    for path, outcome in zip(found["paths"], direct(problem, trials, 30), strict=True):
        assert outcome.diverged_at is None
        for name, metric in (("x", "x"), ("y", "y"), ("height", "loss")):
            assert path[name] == [outcome.untrained[metric], *outcome.metrics[metric]]
        assert len(path["x"]) == 31
        assert path["distance"] == outcome.metrics["distance"][-1]
        assert path["best_of"] is None
    assert found["start"] == [-1.0, 2.0]


@pytest.mark.parametrize(
    ("optimizer", "schedule", "steps"),
    [
        ("momentum", "constant", 40),
        ("adam", "cosine", 40),
        ("dog", "constant", 200),  # what ends lowest has been too high on its way
    ],
)
def test_a_rate_left_out_is_the_best_of_all_that_stay(
    shared_live: Live, optimizer: str, schedule: str, steps: int
) -> None:
    query = f"landscape=ravine&path=sgd:0.01&path={optimizer}::{schedule}&steps={steps}"
    sgd, path = paths(shared_live, query)["paths"]
    assert (sgd["rate"], sgd["best_of"]) == (0.01, None)
    trials = [
        Configuration(optimizer, {"learning_rate": rate}, schedule, batch="full") for rate in RATES
    ]
    outcomes = direct(Landscape("ravine"), trials, steps)
    ends = {
        rate: outcome.metrics["loss"][-1]
        for rate, outcome in zip(RATES, outcomes, strict=True)
        if outcome.diverged_at is None
    }
    assert path["rate"] == min(ends, key=ends.__getitem__)
    assert path["height"][-1] == min(ends.values())
    assert (path["best_of"], path["diverged_at"]) == (len(RATES), None)


def test_a_path_that_diverges_leaves_and_the_others_stay(shared_live: Live) -> None:
    query = "landscape=himmelblau&path=sgd:0.05&path=sgd:0.01&path=sgd:100&steps=50"
    wild, tame, mad = paths(shared_live, query)["paths"]
    alone = direct(
        Landscape("himmelblau"), [Configuration("sgd", {"learning_rate": 0.05}, batch="full")], 50
    )[0]
    assert alone.diverged_at is not None
    assert wild["diverged_at"] == alone.diverged_at == len(wild["x"])
    assert mad["diverged_at"] is not None
    assert (tame["diverged_at"], len(tame["x"])) == (None, 51)
    page = shared_live.client.get(f"/playground?{query}", headers=PAGE).text
    assert f"left at step {wild['diverged_at']}" in page


def test_the_same_request_has_the_same_answer(shared_live: Live) -> None:
    query = "landscape=himmelblau&path=adam:0.3&path=lion&steps=25&noise=30"
    first = paths(shared_live, query)
    descend.cache_clear()
    assert paths(shared_live, query) == first


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("landscape=rosenbrok", "landscape", "Did you mean 'rosenbrock'"),
        ("path=adamm", "path", "Did you mean 'adam'"),
        ("path=adam:0.1:cosin", "path", "Did you mean 'cosine'"),
        ("path=adam:0.1:plateau", "path", "schedule must be"),
        ("path=adam:nan", "path", "from 1e-06 to 100"),
        ("path=adam:-1", "path", "from 1e-06 to 100"),
        ("path=adam:1e9", "path", "from 1e-06 to 100"),
        ("path=adam:fast", "path", "from 1e-06 to 100"),
        ("path=adam:1:cosine:2", "path", "optimizer:rate:schedule"),
        ("path=", "path", "optimizer must be"),
        ("&".join(["path=adam"] * 9), "path", "at most 8"),
        ("steps=0", "steps", "greater than or equal to 1"),
        ("steps=501", "steps", "less than or equal to 500"),
        ("steps=many", "steps", "integer"),
        ("x=3", "x", "from -2 to 2 on rosenbrock"),
        ("landscape=ravine&y=1.5", "y", "from -1.2 to 1.2 on ravine"),
        ("x=nan", "x", "finite"),
        ("noise=-1", "noise", "greater than or equal to 0"),
        ("noise=inf", "noise", "finite"),
        ("stepz=3", "stepz", "not permitted"),
    ],
)
def test_bad_input_is_refused(shared_live: Live, query: str, field: str, says: str) -> None:
    answer = shared_live.client.get(f"/playground/paths?{query}")
    body = problem(answer)
    assert body["status"] == 422
    assert body["field"] == field
    assert says in body["detail"]
    page = shared_live.client.get(f"/playground?{query}", headers=PAGE)
    assert (page.status_code, page.headers["content-type"][:9]) == (422, "text/html")


def test_what_is_refused_is_escaped(shared_live: Live) -> None:
    page = shared_live.client.get("/playground?landscape=<script>alert(1)</script>", headers=PAGE)
    assert page.status_code == 422
    assert "<script>alert" not in page.text


@pytest.mark.parametrize("name", LANDSCAPES)
def test_surfaces_are_heights_above_the_deepest_point(shared_live: Live, name: str) -> None:
    answer = shared_live.client.get(f"/playground/surfaces/{name}")
    assert "max-age" in answer.headers["Cache-Control"]
    found, surface = answer.json(), LANDSCAPES[name]
    columns, rows, height = found["x"], found["y"], found["height"]
    assert ((columns[0], columns[-1]), (rows[0], rows[-1])) == surface.domain
    assert len(height) == len(rows)
    for row, column in ((0, 0), (17, 80), (120, 3)):
        point = torch.tensor([columns[column], rows[row]], dtype=torch.float64)
        wanted = float(surface.height(point)) - surface.minimum
        assert height[row][column] == pytest.approx(wanted, rel=1e-12, abs=1e-12)


def test_an_unknown_surface_is_not_found(shared_live: Live) -> None:
    assert problem(shared_live.client.get("/playground/surfaces/mountain"))["status"] == 404


def test_every_landscape_is_introduced() -> None:
    assert list(INTRODUCTIONS) == list(LANDSCAPES)


def test_the_page_says_where_paths_end_without_scripts(shared_live: Live) -> None:
    query = "landscape=beale&path=adam:0.1:linear&path=momentum&steps=20"
    page = shared_live.client.get(f"/playground?{query}", headers=PAGE).text
    adam, momentum = paths(shared_live, query)["paths"]
    body = text(page[page.index('<tbody id="paths">') : page.index("</tbody>")])
    assert body == (
        f"adam 0.1 linear height {adam['height'][-1]:.2g} "
        f"momentum {momentum['rate']:.2g}, the best of {len(RATES)} constant "
        f"height {momentum['height'][-1]:.2g}"
    )


def test_who_would_wait_too_long_is_told_to_come_again(
    shared_live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descents, "_room", threading.BoundedSemaphore(1))
    assert descents._room.acquire(blocking=False)
    answer = shared_live.client.get("/playground/paths")
    assert problem(answer)["status"] == 503
    assert "Retry-After" in answer.headers
    descents._room.release()
    assert shared_live.client.get("/playground/paths").status_code == 200


def test_a_descent_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descents, "SECONDS", 0.0)
    with pytest.raises(Unavailable):
        descend(Asked(path=("sgd:0.001",), steps=499))


def preset(name: str) -> tuple[list[Descent], Descents]:
    """What an example comes to."""
    (query,) = (each.query for each in PRESETS if each.name == name)
    fields: dict[str, Any] = parse_qs(query)
    one = {key: values[0] for key, values in fields.items() if key != "path"}
    found = descend(Asked(path=tuple(fields["path"]), **one))
    return found.paths, found


def test_the_first_example_is_what_the_page_begins_with() -> None:
    assert preset(PRESETS[0].name)[1] == descend(Asked())


def test_examples_run_to_their_ends() -> None:
    for each in PRESETS:
        assert all(path.diverged_at is None for path in preset(each.name)[0]), each.name
        assert re.fullmatch(r"[A-Z].*\.", each.note)


def test_too_large_a_rate_climbs_out() -> None:
    (small, near, large), _ = preset("Too large a rate")
    assert all(y > 0 for y in small.y)
    for path, grows in ((near, False), (large, True)):
        assert all(a * b < 0 for a, b in zip(path.y, path.y[1:], strict=False))
        assert all((abs(b) > abs(a)) == grows for a, b in zip(path.y, path.y[1:], strict=False))
    assert max(map(abs, large.y)) > LANDSCAPES["ravine"].domain[1][1]


def test_momentum_is_quicker_in_a_ravine_and_around_the_bend() -> None:
    (sgd, momentum, nesterov), _ = preset("Slow in a ravine")
    assert sgd.height[-1] > 1e4 * max(momentum.height[-1], nesterov.height[-1])
    (sgd, momentum, adam), _ = preset("A bent valley")
    assert sgd.height[-1] > 20 * max(momentum.height[-1], adam.height[-1])


def test_plain_descent_stays_at_the_saddle_longest() -> None:
    (sgd, momentum, adam, rmsprop), _ = preset("Leaving a saddle")

    def left(path: Descent) -> int:
        """The step at which it is half way down from the saddle, 0.25 high."""
        return next(step for step, height in enumerate(path.height) if height < 0.125)

    assert left(sgd) > 100 > left(momentum) > max(left(adam), left(rmsprop))

    def nearest(path: Descent) -> float:
        return min(abs(x) + abs(y) for x, y in zip(path.x, path.y, strict=True))

    assert max(nearest(sgd), nearest(momentum)) < 0.1 < min(nearest(adam), nearest(rmsprop))


def test_small_steps_are_caught_in_the_next_dent() -> None:
    (sgd, adam, leaping, falling), _ = preset("Caught in a dent")
    for path in (sgd, adam):
        assert (path.x[-1], path.y[-1]) == pytest.approx((-1.99, 2.985), abs=0.01)
    assert max(leaping.height[-1], falling.height[-1]) < sgd.height[-1] / 2
    assert min(leaping.distance, falling.distance) > 1


def test_decay_lets_swings_die_out() -> None:
    (constant, linear, cosine), _ = preset("What decay changes")
    assert constant.height[-1] > 5 * max(linear.height[-1], cosine.height[-1])


def test_adaptive_rules_go_down_both_slopes_at_once() -> None:
    (sgd, *adaptive), _ = preset("Uneven slopes")
    for path in adaptive:
        # After ten steps they have gone as far in one direction as in the other, within a fifth.
        gone_x, gone_y = (abs(places[1] - places[0]) for places in (path.x, path.y))
        assert gone_y == pytest.approx(gone_x, rel=0.2)
    assert abs(sgd.y[1] - sgd.y[0]) > 5 * abs(sgd.x[1] - sgd.x[0])
    assert sgd.height[-1] > 10 * max(path.height[-1] for path in adaptive)
