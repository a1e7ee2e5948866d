"""A function that keeps what it has counted from one invocation to the next, in containers of several kinds."""

import time
from collections import Counter, defaultdict, deque

count = 0
words = Counter(start=1)
by_shop = defaultdict(list)
recent = deque(maxlen=3)
places = {"seen": [words]}


def handler(event, context):
    global count
    until = time.time() + event.get("seconds", 0)
    while time.time() < until:
        count += 1
        words["turns"] = count
        by_shop["all"] = [count]
        time.sleep(0.01)
    kinds = [type(one).__name__ for one in (words, by_shop, recent, places)]
    return {"count": count, "words": dict(words), "kinds": kinds, "same": places["seen"][0] is words}
