"""How replies of the driver's thread reach the tasks that wait for them."""

from __future__ import annotations

import asyncio
import weakref
from typing import Callable

from quorlite import _core

# How long a node may take to answer an INTERRUPT before the connection is given up.
_GRACE_S = 2.0

_bridges: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _core.LoopBridge] = (
    weakref.WeakKeyDictionary()
)


def bridge_of(loop: asyncio.AbstractEventLoop) -> _core.LoopBridge:
    """The loop's own: it watches the bridge, and so wakes once for all answers that have come."""
    bridge = _bridges.get(loop)
    if bridge is None:
        bridge = _bridges[loop] = _core.LoopBridge()
        loop.add_reader(bridge.descriptor, bridge.deliver)
    return bridge


async def reply(
    bridge: _core.LoopBridge,
    start: Callable[[asyncio.Future[_core.Reply]], int],
    give_up: Callable[[], None],
) -> _core.Reply:
    """Starts an operation and waits for its reply; cancelled, it interrupts the operation first.

    :param give_up: What is called if the node does not answer the interrupt either.
    """
    future: asyncio.Future[_core.Reply] = asyncio.get_running_loop().create_future()
    number = start(future)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        bridge.stop(number)
        try:
            await asyncio.wait({future}, timeout=_GRACE_S)
        finally:
            if future.done():
                future.exception()  # looked at: the task's own end is what is reported
            else:
                give_up()
                future.cancel()
        raise
