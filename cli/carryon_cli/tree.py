from __future__ import annotations

from pathlib import Path

CLI = Path(__file__).resolve().parent


def root() -> Path | None:
    """Return the project's own tree where this runs in it, None where it has been installed."""
    candidate = CLI.parent.parent
    return candidate if (candidate / "tools/build_layer.py").is_file() else None
