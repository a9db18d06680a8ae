"""Failures that end a run, each with what came, what is allowed and the remedy."""


class RunError(Exception):
    """A run cannot start or go on; the message is for the person who started it."""

    exit_code = 1


class UsageError(RunError):
    """The request itself cannot be carried out: a wrong path, parameter or combination."""

    exit_code = 2


class ClusterLost(RunError):
    """The scheduler or all its workers are gone; the same command resumes."""

    exit_code = 4


class StoreFailed(RunError):
    """The output folder cannot be written: full, read-only or failing."""

    exit_code = 5


class Busy(RunError):
    """Another run owns the output folder."""

    exit_code = 6
