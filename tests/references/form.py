"""What a reference is."""

from collections.abc import Callable, Mapping

Slope = Callable[[list[float]], list[float]]
"""The gradient of a function at a point."""

Reference = Callable[[list[float], Slope, int, Mapping[str, float]], list[list[float]]]
"""``reference(start, slope, steps, hyperparameters)``: where each step arrives."""
