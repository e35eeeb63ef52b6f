"""Pages as HTML: their templates, the files that they load, and the policy that binds them.

Whatever users named is text: Jinja escapes it, and the policy lets no script run but those that the
server brings along.
"""

import gzip
import hashlib
import re
from datetime import datetime
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # plotly sets styles as attributes
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
CODE = re.compile(r"`([^`]+)`")
PLOTLY = "plotly.js"  # from plotly's own package


class Asset(NamedTuple):
    """A file that pages load.

    Attributes:
        body: as it is.
        compressed: the same by gzip.
        media_type: what it is.
        digest: the first characters of its SHA-256; its address bears them.
    """

    body: bytes
    compressed: bytes
    media_type: str
    digest: str


def render(name: str, **context: Any) -> str:
    """A template, filled in.

    Args:
        name: of the file in the folder of templates.
        context: all that the template asks for.
    """
    return _environment().get_template(name).render(**context)


@cache
def asset(name: str) -> Asset | None:
    """A file of the folder ``static``, or plotly's script; None if there is no such file."""
    if name == PLOTLY:
        body = get_plotlyjs().encode()
    else:
        file = next((each for each in _static().iterdir() if each.name == name), None)
        if file is None:
            return None
        body = file.read_bytes()
    media_type = TYPES[name.rpartition(".")[2]]
    return Asset(body, gzip.compress(body), media_type, hashlib.sha256(body).hexdigest()[:12])


def address(name: str) -> str:
    """Where a browser gets an asset: another address whenever its content is another.

    Raises:
        FileNotFoundError: there is no such asset.
    """
    found = asset(name)
    if found is None:
        raise FileNotFoundError(name)
    return f"/assets/{name}?v={found.digest}"


def number(value: float | None) -> str:
    """Four digits of a number; a dash for none."""
    return "–" if value is None else f"{value + 0.0:.4g}"  # no -0


def rate(value: float | None) -> str:
    """Two digits, which is all that a learning rate needs."""
    return "–" if value is None else f"{value:.2g}"


def score(value: float | None, metric: str) -> str:
    """A value of a metric; accuracies in percent."""
    if value is None:
        return "–"
    return f"{value:.2%}" if metric == "accuracy" else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """A time span as people say it."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def size(count: int) -> str:
    """Bytes in the largest unit that leaves a whole number before the point."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"


def moment(at: datetime | None) -> str:
    """A time in UTC, to the minute."""
    return "–" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def prose(text: str) -> Markup:
    """Text in which what stands between backticks is code."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped here)


def _static() -> Any:
    return resources.files("service.pages").joinpath("static")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("service.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"asset": address, "plotly": PLOTLY, "version": version("fallline")}
    environment.filters |= {
        "number": number,
        "rate": rate,
        "score": score,
        "duration": duration,
        "size": size,
        "moment": moment,
        "prose": prose,
    }
    return environment
