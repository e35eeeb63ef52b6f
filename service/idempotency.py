"""Requests that may be sent again: with the same key they do once what they ask for.

After "The Idempotency-Key HTTP Header Field" (IETF draft, 2025).
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from service.errors import Conflict
from service.tables import idempotency_keys as keys
from service.tables import now

KEPT = timedelta(hours=24)


@dataclass(frozen=True)
class Asked:
    """A request that changes something.

    Attributes:
        owner: who asks.
        key: what the client calls the request; None if it will not send it again.
        operation: method, path and query.
        replayed: says that the request was answered by what an earlier one had done.
    """

    owner: str
    key: str | None
    operation: str
    replayed: Callable[[], None]

    def once(self, connection: Connection, content: Any, act: Callable[[], str]) -> str:
        """Do it, unless an earlier request with the same key did.

        Args:
            connection: of the transaction that the act is part of, so that of two requests at
                the same time one acts.
            content: of the request, as JSON or as the digest of its bytes.
            act: what to do; returns the id of what it made or changed.

        Returns:
            What the act returned, now or then.

        Raises:
            Conflict: the key belongs to another request.
        """
        if self.key is None:
            return act()
        connection.execute(delete(keys).where(keys.c.created < now() - KEPT))
        text = json.dumps([self.operation, content], sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        mine = (keys.c.owner == self.owner, keys.c.key == self.key)
        earlier = connection.execute(select(keys).where(*mine)).one_or_none()
        if earlier is None:
            made = act()
            connection.execute(
                insert(keys).values(owner=self.owner, key=self.key, request=digest, made=made)
            )
            return made
        if earlier.request != digest:
            raise Conflict(
                "An earlier request of another content had this Idempotency-Key.",
                field="idempotency-key",
                value=self.key,
                allowed="a key of its own for every request, the same only for the same again",
            )
        self.replayed()
        found: str = earlier.made
        return found
