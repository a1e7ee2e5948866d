from json import missing  # noqa: F401
