"""Python literals as `ruff format` would leave them."""

from collections.abc import Mapping


def literal(text: str) -> str:
    """A string in double quotes, or in single ones if those need fewer escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    return f"{quote}{''.join(_character(one, quote) for one in text)}{quote}"


def number(value: float) -> str:
    """A number with all its digits."""
    return repr(value).replace("e+", "e")


def entries(mapping: Mapping[str, str]) -> list[str]:
    """The items of a dict of strings."""
    return [f"{literal(key)}: {literal(value)}" for key, value in mapping.items()]


def _character(one: str, quote: str) -> str:
    if one in "'\"":
        return f"\\{one}" if one == quote else one
    return repr(one)[1:-1]
