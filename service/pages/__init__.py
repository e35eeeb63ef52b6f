"""What a browser shows: pages made on the server, over the same functions as the API.

A module for each page; `layout` is what they share. Scripts (`static/`) only add what changes while
one looks, and speak with `/v1` as every other client does.
"""

from fastapi import APIRouter

from service.pages import answer, assets, job, start, trial

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
for each in (assets, start, job, answer, trial):
    router.include_router(each.router)
