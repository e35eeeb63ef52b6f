"""What schemathesis cannot know of the API, said in its hooks."""

import os
import re
from typing import Any

import schemathesis
from schemathesis import Case, HookContext, SerializationContext

from service.ingest import TYPES
from tests.service.journeys import table

UUID = re.compile("[0-9a-f-]{36}")


@schemathesis.serializer(*TYPES)
def upload(_context: SerializationContext, value: object) -> bytes:
    """The body for a generated value, which decides as well whether it is a table.

    Random text never is one, and what is no text was made to be refused.
    """
    text = str(value)
    is_table = isinstance(value, str) and len(text) % 2 == 0
    return table(40 + len(text) % 20) if is_table else text.encode(errors="surrogatepass")


@schemathesis.hook
def before_call(_context: HookContext, case: Case[Any], _kwargs: dict[str, Any]) -> None:
    """Keep what others need, the job with results and the token in use: spare ones go in their place.

    And name the lease of an external trial, which nobody would guess.
    """
    if isinstance(case.body, dict) and UUID.fullmatch(str(case.body.get("lease"))):
        case.body["lease"] = os.environ["LEASE"]
    if case.method == "DELETE" and case.path_parameters.get("token_id") == os.environ["TOKEN_ID"]:
        case.path_parameters["token_id"] = os.environ["SPARE_TOKEN_ID"]
    if case.method == "DELETE" and case.path_parameters.get("job_id") == os.environ["JOB_ID"]:
        case.path_parameters["job_id"] = os.environ["SPARE_ID"]
