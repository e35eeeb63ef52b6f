"""A job's answer as one HTML file that opens anywhere, without a network.

Everything is inside, plotly's script too. Whatever users named is text: Jinja escapes it, and the
page's policy lets no script run but its own two.
"""

import base64
import hashlib
from functools import cache

from plotly.offline import get_plotlyjs

from service import rendering
from service.answer import Answer
from service.charts.shares import shares
from service.rendering import asset
from studies.importance import Importance

STYLES = ("style.css", "answer.css")


def render(answer: Answer, importance: Importance) -> str:
    """The page.

    Args:
        answer: what it says.
        importance: what matters, which takes longer to find out.
    """
    return rendering.render(
        "report.html",
        answer=answer,
        importance=importance,
        figure=shares(importance.choices),
        offline=True,
        policy=policy(),
        scripts=_scripts(),
        style="\n".join(map(_text, STYLES)),
    )


@cache
def policy() -> str:
    """The page's Content-Security-Policy: its own two scripts, and nothing from anywhere else."""
    digests = (hashlib.sha256(script.encode()).digest() for script in _scripts())
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"
    )


@cache
def _scripts() -> tuple[str, str]:
    """Plotly's script, and the module that draws the figures."""
    return get_plotlyjs(), f"{_text('charts.js')}\ndrawAll();\n"


def _text(name: str) -> str:
    found = asset(name)
    if found is None:
        raise FileNotFoundError(name)
    return found.body.decode()
