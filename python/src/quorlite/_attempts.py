"""When a transaction that failed is done again: the rules of run(), for threads and for asyncio."""

from __future__ import annotations

import random
import time
from typing import Optional

from quorlite._errors import Error

_PAUSE_MIN_S = 0.005
_PAUSE_MAX_S = 0.5
_LEFT_MIN_S = 0.001
# A transaction during which the connection broke so often may be what broke it.
_LOSSES_MAX = 2


def may_repeat(error: Error, idempotent: bool) -> bool:
    """Whether what failed so has no effect, or may have it twice, and could succeed."""
    return error.retriable and (idempotent or error.verdict == "not_committed")


class Attempts:
    """The attempts of one call of run(), which may take `timeout` seconds in all."""

    def __init__(self, timeout: float, idempotent: bool) -> None:
        self._until = time.monotonic() + timeout
        self._idempotent = idempotent
        self._pause = _PAUSE_MIN_S
        self._losses = 0

    def left(self) -> float:
        """How long the next attempt may take, in seconds."""
        return max(self._until - time.monotonic(), _LEFT_MIN_S)

    def pause_after(self, error: Error) -> Optional[float]:
        """How long to wait before the next attempt, in seconds; None if there must be none."""
        pause, self._pause = self._pause, min(self._pause * 2, _PAUSE_MAX_S)
        self._losses += error.kind == "connection"
        if self._losses >= _LOSSES_MAX:
            return None
        if not may_repeat(error, self._idempotent) or time.monotonic() + pause >= self._until:
            return None
        return pause * random.uniform(0.5, 1.0)
