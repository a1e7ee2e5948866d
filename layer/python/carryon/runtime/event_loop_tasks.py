"""The tasks of event loops, whoever has made them."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

# The public all_tasks() wants a loop, and only the function knows its loops. Python 3.12 has renamed the set.
_NAMES = ("_scheduled_tasks", "_all_tasks")


def known() -> Collection[Any]:
    """Those that there are now, done or not; the collection keeps none of them alive."""
    asyncio = sys.modules.get("asyncio.tasks")
    for name in _NAMES:
        tasks = getattr(asyncio, name, None)
        if tasks:
            return tasks.copy()  # type: ignore[no-any-return]
    return ()
