"""Every rule as its paper prints it: one trial, plain floats, nothing shared with `optimizers`."""

from tests.references import adaptive, descent
from tests.references.form import Reference

REFERENCES: dict[str, Reference] = {
    "sgd": descent.sgd,
    "momentum": descent.momentum,
    "nesterov": descent.nesterov,
    "adagrad": adaptive.adagrad,
    "rmsprop": adaptive.rmsprop,
    "adam": adaptive.adam,
    "adamw": adaptive.adamw,
}
