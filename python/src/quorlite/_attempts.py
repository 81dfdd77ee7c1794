"""When a transaction that failed is done again: the rules of run(), for threads and for asyncio."""

from __future__ import annotations

import random
import time
from typing import NoReturn, Optional

from quorlite import _core
from quorlite._errors import Error, in_doubt

_PAUSE_MIN_S = 0.005
_PAUSE_MAX_S = 0.5
_LEFT_MIN_S = 0.001
# A transaction during which the connection broke so often may be what broke it.
_LOSSES_MAX = 2


def may_rerun(error: Error, idempotent: bool) -> bool:
    """Whether what failed so has no effect, or may have it twice, and could succeed."""
    return _core.may_rerun(error.kind, error.verdict, error.may_retry, idempotent)


class Attempts:
    """The attempts of one call of run(), which may take `timeout` seconds in all."""

    def __init__(self, timeout: float, idempotent: bool) -> None:
        self._until = time.monotonic() + timeout
        self._idempotent = idempotent
        self._pause = _PAUSE_MIN_S
        self._losses = 0
        self._in_doubt = False  # any of them

    def left(self) -> float:
        """How long the next attempt may take, in seconds."""
        return max(self._until - time.monotonic(), _LEFT_MIN_S)

    def pause_after(self, error: Error) -> Optional[float]:
        """How long to wait before the next attempt, in seconds; None if there must be none."""
        self._in_doubt = self._in_doubt or error.verdict == "in_doubt"
        pause, self._pause = self._pause, min(self._pause * 2, _PAUSE_MAX_S)
        self._losses += error.kind == "connection"
        if self._losses >= _LOSSES_MAX:
            return None
        if not may_rerun(error, self._idempotent) or time.monotonic() + pause >= self._until:
            return None
        return pause * random.uniform(0.5, 1.0)

    def judged(self, error: Error) -> Error:
        """The last error as that of all attempts: in doubt if any of them was."""
        return in_doubt(error) if self._in_doubt and error.verdict == "not_committed" else error

    def give_up(self, error: Error) -> NoReturn:
        """Raises the last error, from its handler."""
        judged = self.judged(error)
        if judged is error:
            raise
        raise judged from error
