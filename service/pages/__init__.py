"""What a browser shows: pages made on the server, over the same functions as the API.

A module for each page; `layout` is what they share. Scripts (`static/`) only add what changes while
one looks, and speak with `/v1` as every other client does.
"""

from fastapi import APIRouter

from service.pages import assets, optimizers, playground, schedules, start

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
for each in (assets, start, optimizers, schedules, playground):
    router.include_router(each.router)
