import asyncio
import time

import app


def sleep(event):
    app.at_it()
    asyncio.run(asyncio.sleep(60))


def to_thread(event):
    """Run what cannot be cancelled, and what asyncio.run therefore waits for."""
    app.at_it()
    asyncio.run(asyncio.to_thread(time.sleep, 60))


def swallowed_cancellation(event):
    asyncio.run(stubborn())


async def stubborn():
    app.at_it()
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
