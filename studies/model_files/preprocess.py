"""Encode rows for the network, as those that it was trained on; needs Python alone.

rows = csv.DictReader(open("new.csv"))
inputs = [encode(row, how) for row in rows]  # how: what preprocessing.json holds
"""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any


def encode(row: Mapping[str, Any], how: Mapping[str, Any]) -> list[float]:
    """The network's inputs for a row.

    Args:
        row: values by column, as text or as what they are. Numbers have points before decimals,
            dates and times are as of ISO 8601, in UTC unless they say otherwise.
        how: the content of preprocessing.json.

    Raises:
        KeyError: the row lacks a column.
        ValueError: text that should be a number, a boolean or a date is not.
    """
    numbers, indicators, categories = [], [], []
    for column in how["numeric"]:
        value = _number(_known(row[column["name"]], how), column["kind"])
        missing = column["mean"] is None or not abs(value) <= how["largest"]
        scaled = column["missing"] if missing else (value - column["mean"]) / column["scale"]
        numbers.append(scaled)
        indicators += [float(missing)] if column["indicator"] else []
    for column in how["categorical"]:
        value = _known(row[column["name"]], how)
        categories += [float(value == each) for each in column["categories"]]
        categories += [float(value not in column["categories"])] if column["others"] else []
    return [*numbers, *indicators, *categories]


def _known(value: Any, how: Mapping[str, Any]) -> Any:
    """A value without spaces around it; None if it is missing."""
    text = value.strip() if isinstance(value, str) else value
    return None if isinstance(text, str) and text in how["missing"] else text


def _number(value: Any, kind: str) -> float:
    """A value as a number: dates as seconds since 1970, times since midnight; NaN if missing."""
    if value is None:
        return math.nan
    if kind == "boolean" and isinstance(value, str):
        return float(("false", "true").index(value.lower()))
    if kind != "date":
        return float(value)
    if isinstance(value, str):
        value = datetime.fromisoformat(value if "-" in value else f"1970-01-01T{value}")
    elif isinstance(value, time):
        value = datetime.combine(date(1970, 1, 1), value)
    elif not isinstance(value, datetime):
        value = datetime.combine(value, time())
    moment: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
    return moment.timestamp()
