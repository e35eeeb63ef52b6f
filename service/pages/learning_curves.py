"""The chart of a job's learning curves: of thousands of trials, as many as one can tell apart."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from service.charts.marks import line
from service.pages.live_chart import Chart, Trace, figure, scores_axis, short, spread
from service.schemas import JobView
from service.trials import Outline

MOST = 120  # curves of one chart
POINTS = 50  # of one curve, about
BOLD = 8  # more could not be told apart
MARKS = {"dropped": "triangle-down-open", "diverged": "x"}

Curves = Mapping[int, dict[int, float]]


def chosen(job: JobView, trials: Sequence[Outline]) -> set[int]:
    """The trials whose curves are drawn: the best of every optimizer, and some of all others."""
    best = set(_leaders(job, trials))
    # While a trial trains here nothing is known of it.
    under_way = job.mode == "managed"
    known = {t.number for t in trials if not (under_way and t.outcome == "running")}
    return best | spread(known - best, MOST - len(best))


def learning_curves(
    job: JobView, trials: Sequence[Outline], curves: Curves, optimizers: Sequence[str]
) -> Chart:
    """The learning curves of some trials, those of the best optimizers' best drawn bold.

    Args:
        job: that they are of.
        trials: all of the job.
        curves: values by epoch of the trials that were chosen, by their numbers.
        optimizers: of the job, in the order of its space.
    """
    drawn = [each for each in trials if each.number in curves]
    best = _leaders(job, drawn)[:BOLD]
    scores = scores_axis(job, [value for curve in curves.values() for value in curve.values()])
    traces: list[Trace] = []
    for name in optimizers:
        own = [each for each in drawn if each.optimizer == name]
        ink = line(name, optimizers)
        bold = _lines(name, [each for each in own if each.number in best], curves)
        faint = _lines(name, [each for each in own if each.number not in best], curves)
        traces.append(bold | {"line": ink | {"width": 3}})
        traces.append(
            faint | {"line": ink | {"width": 1}, "opacity": 0.5, "showlegend": not bold["x"]}
        )
        traces.append(_ends(name, own, curves) | {"marker": _markers(own, ink["color"])})
    total = sum(each.outcome != "running" for each in trials)
    count = f"{len(drawn):,} of {total:,}" if len(drawn) < total else f"All {total:,}"
    whose = f"each of the {BOLD} best optimizers" if len(optimizers) > BOLD else "every optimizer"
    return Chart(
        figure(job, optimizers, traces, scores, x="epoch", has_room=True),
        f"{count} learning curves, the best of {whose} bold: ▽ dropped at a rung, × diverged.",
    )


def _leaders(job: JobView, trials: Iterable[Outline]) -> list[int]:
    """The number of every optimizer's best completed trial, the best optimizer's first."""
    sign = -1.0 if job.direction == "maximize" else 1.0
    best: dict[str, tuple[float, int]] = {}
    for each in trials:
        if each.outcome == "completed" and each.value is not None:
            mine = (sign * each.value, each.number)
            best[each.optimizer] = min(mine, best.get(each.optimizer, mine))
    return [number for _, number in sorted(best.values())]


def _lines(name: str, trials: Iterable[Outline], curves: Curves) -> Trace:
    """Curves of one optimizer as one trace, with a gap after each."""
    points = list(chain.from_iterable(_points(each.number, curves) for each in trials))
    return {
        "mode": "lines",
        "name": name,
        "legendgroup": name,
        "x": [epoch for _, epoch, _ in points],
        "y": [value for _, _, value in points],
        "customdata": [number for number, _, _ in points],
        "hovertemplate": "trial %{customdata}, epoch %{x}: %{y:.5g}",
    }


def _points(number: int, curves: Curves) -> list[tuple[int, int | None, float | None]]:
    """Number, epoch and value; the last point of a curve is always among them."""
    curve = list(curves[number].items())
    every = -(-len(curve) // POINTS)
    kept = curve[::-every][::-1]
    return [*((number, epoch, short(value)) for epoch, value in kept), (number, None, None)]


def _ends(name: str, trials: Iterable[Outline], curves: Curves) -> Trace:
    """Where curves of one optimizer ended early."""
    early = [each for each in trials if each.outcome in MARKS]
    last = [next(reversed(curves[each.number].items())) for each in early]
    return {
        "mode": "markers",
        "name": name,
        "legendgroup": name,
        "showlegend": False,
        "x": [epoch for epoch, _ in last],
        "y": [short(value) for _, value in last],
        "customdata": [each.number for each in early],
        "text": [each.outcome for each in early],
        "hovertemplate": "trial %{customdata}, %{text} after epoch %{x}: %{y:.5g}",
    }


def _markers(trials: Iterable[Outline], colour: str) -> dict[str, object]:
    symbols = [MARKS[each.outcome] for each in trials if each.outcome in MARKS]
    return {"color": colour, "size": 8, "symbol": symbols}
