"""What a browser shows: pages made on the server, over the same functions as the API.

A module for each page; `layout` is what they share. Scripts (`static/`) only add what changes while
one looks, and speak with `/v1` as every other client does.
"""

from fastapi import APIRouter

from service.pages import answer, assets, compare, start

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
# `compare` before whatever answers to any /jobs/{id}.
for each in (assets, start, compare, answer):
    router.include_router(each.router)
