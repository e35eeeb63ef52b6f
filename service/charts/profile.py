"""How often each optimizer is how quick, over several studies."""

from service.charts.frame import Figure, axis, frame, visible
from service.charts.marks import line
from studies.profile import Profile


def profiles(profile: Profile) -> Figure | None:
    """The chart; None where no study had a rivalry."""
    if not profile.optimizers:
        return None
    names = [each.optimizer for each in profile.optimizers]
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": each.optimizer,
            "x": profile.ratios,
            "y": [100 * fraction for fraction in each.fractions],
            "line": line(each.optimizer, names) | {"shape": "hv"},
            "hovertemplate": "%{y:.0f} % within %{x:.1f} times",
            "visible": visible(place),
        }
        for place, each in enumerate(profile.optimizers)
    ]
    return frame(
        traces,
        x=axis("times the epochs of the quickest"),
        y=axis("jobs in which it got there, %", range=[0, 104]),
    )
