"""What a browser shows: pages made on the server, over the same functions as the API.

A module for each page; `layout` is what they share. Scripts (`static/`) only add what changes while
one looks, and speak with `/v1` as every other client does.
"""

from fastapi import APIRouter
from fastapi.routing import APIRoute

from service.pages import (
    about,
    answer,
    assets,
    compare,
    datasets,
    job,
    jobs,
    optimizers,
    playground,
    samples,
    schedules,
    start,
    tokens,
    trial,
)

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
# `compare` before whatever answers to any /jobs/{id}.
for each in (
    assets,
    start,
    samples,
    datasets,
    jobs,
    compare,
    job,
    answer,
    trial,
    optimizers,
    schedules,
    playground,
    tokens,
    about,
):
    for route in each.router.routes:
        if isinstance(route, APIRoute) and "GET" in (methods := route.methods or set()):
            methods.add("HEAD")  # which browsers and checkers of links may ask of any page
    router.include_router(each.router)
