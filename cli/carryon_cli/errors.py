from __future__ import annotations


class CommandError(Exception):
    """What a command cannot go on with; the text is for the user, `exit_status` for the shell."""

    exit_status = 1


class UsageError(CommandError):
    """The command line asks for something that is not there or not possible."""

    exit_status = 2
