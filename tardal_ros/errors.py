"""The one error that users see: a sentence that names the thing and says what to do."""

from __future__ import annotations


class RigError(Exception):
    """Bad input or configuration; its text is one sentence for the user, without a traceback."""


class MissingDependencyError(RigError):
    """A library that this feature needs is not installed."""
