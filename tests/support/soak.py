"""Whether this run makes the full counts or a sample of them."""

import os


def full():
    """True under `./build.sh soak`."""
    return os.environ.get("CARRYON_SOAK") == "1"
