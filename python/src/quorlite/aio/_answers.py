"""How answers of the driver's thread reach the tasks that wait for them."""

from __future__ import annotations

import asyncio
import weakref
from typing import Callable

from quorlite import _core

# How long a node may take to answer an INTERRUPT before the connection is given up.
_GRACE_S = 2.0

_mailboxes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _core.Mailbox] = (
    weakref.WeakKeyDictionary()
)


def mailbox_of(loop: asyncio.AbstractEventLoop) -> _core.Mailbox:
    """The loop's own: it watches the mailbox, and so wakes once for all answers that have come."""
    mailbox = _mailboxes.get(loop)
    if mailbox is None:
        mailbox = _mailboxes[loop] = _core.Mailbox()
        loop.add_reader(mailbox.descriptor, mailbox.deliver)
    return mailbox


async def answer(
    mailbox: _core.Mailbox,
    start: Callable[[asyncio.Future[_core.Reply]], int],
    give_up: Callable[[], None],
) -> _core.Reply:
    """Starts an operation and waits for its answer; cancelled, it interrupts the operation first.

    :param give_up: What is called if the node does not answer the interrupt either.
    """
    future: asyncio.Future[_core.Reply] = asyncio.get_running_loop().create_future()
    number = start(future)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        mailbox.stop(number)
        try:
            await asyncio.wait({future}, timeout=_GRACE_S)
        finally:
            if future.done():
                future.exception()  # looked at: the task's own end is what is reported
            else:
                give_up()
                future.cancel()
        raise
