from io import StringIO
from typing import Any

from rich.console import Console

from service.catalogue_table import show_optimizers


def hyperparameter(name: str, default: float, low: float | None, high: float | None) -> Any:
    return {
        "name": name,
        "default": default,
        "low": low,
        "high": high,
        "searched": low is not None,
    }


def test_an_optimizer_has_a_line_with_its_numbers() -> None:
    rate = hyperparameter("learning_rate", 0.001, 1e-5, 0.1)
    fixed = hyperparameter("learning_rate", 1.0, None, None)
    beta = hyperparameter("beta1", 0.9, 0.5, 0.99)
    console = Console(file=(text := StringIO()), width=120)
    show_optimizers(
        console,
        [
            {"name": "adam", "summary": "Means [of] it.", "hyperparameters": [rate, beta]},
            {"name": "free", "summary": "Needs none.", "hyperparameters": [fixed]},
        ],
    )
    *_, adam, free = [line.rstrip() for line in text.getvalue().splitlines() if line.strip()]
    assert adam.split("  ")[0].strip() == "adam"
    for part in ("0.001", "1e-05 to 0.1", "Means [of] it."):
        assert part in adam
    assert free.split() == ["free", "1", "-", "Needs", "none."]
