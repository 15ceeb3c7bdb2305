"""Why there is no connection to the service, in the two kinds that matter: refused, or not reached. Pure."""

from __future__ import annotations


class UplinkError(Exception):
    """The service cannot be used now; the message says why and holds neither key nor query."""


class Refused(UplinkError):
    """The service refused this key: trying again soon does not help."""


class Unreachable(UplinkError):
    """The service was not reached, or the connection ended; trying again may help.

    Args:
        message: the cause, fit for a log.
        retry_after: seconds that the service asked to wait, 300 at most; None when it did not ask.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.message = message
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.message
