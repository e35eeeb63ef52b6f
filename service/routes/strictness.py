"""What no route takes: parameters that it does not have, and bodies of another type than its own.

What is ignored looks as if it were obeyed: `?limt=5` would list everything.
"""

import email.message
from collections import Counter
from typing import get_args, get_origin

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from service.errors import FieldProblem, Invalid, UnsupportedMedia


async def only_what_is_known(request: Request) -> None:
    """FastAPI dependency: refuse what the route would not look at.

    Raises:
        Invalid: a query parameter is unknown, or is given twice and is no list.
        UnsupportedMedia: the body should be JSON and is declared to be something else.
    """
    route: APIRoute = request.scope["route"]
    if route.body_field is not None:
        _check_json(request)
    _check_query(request, route)


def _check_query(request: Request, route: APIRoute) -> None:
    known = {
        each.alias: _is_list(each.field_info.annotation)
        for each in get_flat_params(route.dependant)
        if isinstance(each.field_info, Query)
    }
    allowed = sorted(known) or "no query parameters"
    times = Counter(name for name, _ in request.query_params.multi_items())
    problems = [
        FieldProblem(name, "There is no such query parameter", request.query_params[name], allowed)
        for name in times
        if name not in known
    ]
    problems += [
        FieldProblem(
            name, "This may be given once", request.query_params.getlist(name), "one value"
        )
        for name, count in times.items()
        if count > 1 and not known.get(name, True)
    ]
    if problems:
        first = problems[0]
        raise Invalid(
            f"{first.field}: {first.message}.",
            field=first.field,
            value=first.value,
            allowed=first.allowed,
            errors=problems,
        )


def _is_list(annotation: object) -> bool:
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))


def _check_json(request: Request) -> None:
    message = email.message.Message()
    message["content-type"] = declared = request.headers.get("content-type", "")
    subtype = message.get_content_subtype()
    is_json = message.get_content_maintype() == "application" and (
        subtype == "json" or subtype.endswith("+json")
    )
    if not is_json:
        raise UnsupportedMedia(
            f"The body must be JSON. Got {declared!r}.",
            field="Content-Type",
            value=declared,
            allowed="application/json",
        )
