"""GET /v1/optimizers and /v1/schedules: what can be searched, straight from the registries."""

from collections.abc import Sequence

from fastapi import APIRouter

from optimizers.hyperparameters import Hyperparameter
from optimizers.registry import RULES
from optimizers.schedules import SCHEDULES
from service.schemas import CatalogueEntry, HyperparameterView, Page

router = APIRouter(tags=["catalogue"])


@router.get("/optimizers")
def optimizers() -> Page[CatalogueEntry]:
    """Every optimizer: what it does, its formula, its hyperparameters, where it comes from."""
    entries = [
        CatalogueEntry(
            name=rule.name,
            summary=rule.summary,
            formula=rule.formula,
            reference=rule.reference,
            hyperparameters=_views(rule.hyperparameters),
        )
        for rule in RULES.values()
    ]
    return Page(items=entries, next=None)


@router.get("/schedules")
def schedules() -> Page[CatalogueEntry]:
    """Every learning-rate schedule: what it does, its formula, its hyperparameters."""
    entries = [
        CatalogueEntry(
            name=schedule.name,
            summary=schedule.summary,
            formula=schedule.formula,
            reference=schedule.reference,
            hyperparameters=_views(schedule.hyperparameters),
        )
        for schedule in SCHEDULES.values()
    ]
    return Page(items=entries, next=None)


def _views(declared: Sequence[Hyperparameter]) -> list[HyperparameterView]:
    return [
        HyperparameterView(
            name=h.name,
            default=h.default,
            meaning=h.meaning,
            allowed=h.allowed,
            searched=h.searched,
            low=h.low,
            high=h.high,
            scale=h.scale,
        )
        for h in declared
    ]
