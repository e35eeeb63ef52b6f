"""GET /optimizers and /optimizers/{name}: the rules, straight from their registry."""

import math
import re
import unicodedata
from functools import cache
from typing import NamedTuple

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import HTMLResponse

from optimizers.memory import state_bytes
from optimizers.registry import FAMILIES, RULES, Family
from optimizers.rule import Rule
from service import profiles
from service.errors import NotFound
from service.login import CurrentPrincipal
from service.pages.catalogue import reference, rows
from service.pages.formulas import formula, symbol
from service.pages.layout import page
from service.services import CurrentServices
from studies.profile import Profile

router = APIRouter()

JOBS = 30  # newest of the owner's; more take long to read
FEW = 5  # studies from which nothing follows yet

EXAMPLE = "64-128-10"
SHAPES = {"first": (128, 64), "bias": (128,), "second": (10, 128), "second_bias": (10,)}
WEIGHTS = sum(math.prod(shape) for shape in SHAPES.values())

LEGEND = (
    ("θ", "θ", "the weights"),
    ("(?<![a-z])g", "g", "the gradient on the batch"),
    ("η", "η", "the learning rate, as its schedule has it"),
    ("(?<![a-z])t(?![a-z])|ᵗ|ₜ", "t", "the number of the step"),
    ("/T", "T", "the number of all steps"),
    ("λ", "λ", "the weight decay"),
    ("[^g]\u0302", "m̂", "a mean corrected for its start at zero"),
    ("₋₁", "g₋₁", "that of the step before"),
    ("θ₀", "θ₀", "the weights at the start"),
    ("‖", "‖u‖", "a norm: the root of the sum of squares"),
    ("g²|g−m", "g²", "squares, roots and fractions go number by number"),
)
"""What stands in many formulas: how to find it, what to show, what it means."""


class Record(NamedTuple):
    """How an optimizer did in the studies of an owner.

    Attributes:
        studies: that can be compared, of all optimizers.
        took_part: in so many of them.
        reached: their target in so many.
        quickest: of all in so many.
        twice: as many epochs as the quickest, at most, in so many.
        place: among the optimizers by area; None if it took part in none.
        rivals: how many optimizers there are to compare.
    """

    studies: int
    took_part: int
    reached: int
    quickest: int
    twice: int
    place: int | None
    rivals: int

    @property
    def few(self) -> bool:
        """Whether there are too few studies to say anything."""
        return self.took_part < FEW


@router.get("/optimizers")
def every(request: Request, principal: CurrentPrincipal) -> HTMLResponse:
    """All rules, family by family."""
    families = [(each, [RULES[name] for name in each.rules]) for each in FAMILIES]
    return page(
        request,
        principal,
        "optimizers.html",
        families=families,
        count=len(RULES),
        step=step,
        memory=memory,
    )


@router.get("/optimizers/{name}")
def one(
    request: Request, services: CurrentServices, principal: CurrentPrincipal, name: str
) -> HTMLResponse:
    """One rule: formula, origin, hyperparameters, memory, and how it did in one's own studies."""
    if name not in RULES:
        raise NotFound("There is no optimizer of this name.")
    profile = profiles.across(services.database, services.reports, principal.owner, JOBS)
    rule = RULES[name]
    return page(
        request,
        principal,
        "optimizer.html",
        rule=rule,
        family=family(rule),
        formula=formula(rule.formula),
        legend=legend(rule),
        hyperparameters=rows(rule.hyperparameters, rule.formula),
        reference=reference(rule.reference),
        memory=memory(rule),
        example=EXAMPLE,
        kilobytes=memory(rule) * 4 * WEIGHTS,
        record=record(profile, name),
        jobs=JOBS,
        target=profile.target,
    )


def family(rule: Rule) -> Family:
    """The family that a rule belongs to."""
    return next(each for each in FAMILIES if rule.name in each.rules)


@cache
def memory_of(name: str) -> float:
    """Numbers that a rule remembers for each weight of the example network."""
    return state_bytes(name, SHAPES) / 4 / WEIGHTS


def memory(rule: Rule) -> float:
    """The same of a rule."""
    return memory_of(rule.name)


@cache
def step(rule: Rule) -> Markup:
    """The last line of its formula that moves the weights."""
    lines = [line for line in rule.formula.split(";  ") if line.startswith("θ")]
    return formula(lines[-1])


def legend(rule: Rule) -> list[tuple[Markup, str]]:
    """What the letters of its formula mean, those that many formulas have."""
    text = unicodedata.normalize("NFD", rule.formula)
    return [(symbol(shown), said) for mark, shown, said in LEGEND if re.search(mark, text)]


def record(profile: Profile, name: str) -> Record:
    """How an optimizer did, from the profile of all."""
    names = [each.optimizer for each in profile.optimizers]
    if name not in names:
        return Record(profile.studies, 0, 0, 0, 0, None, len(names))
    place = names.index(name)
    own = profile.optimizers[place]
    within = dict(zip(profile.ratios, own.fractions, strict=True))
    quickest, twice = (round(within[ratio] * own.studies) for ratio in (1.0, 2.0))
    return Record(profile.studies, own.studies, own.reached, quickest, twice, place + 1, len(names))
