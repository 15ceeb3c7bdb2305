"""The TLS context that trusts what the system trusts: made once, in a thread, because it reads many certificates."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Final

import trio

_FILES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


async def default_tls(user: str = "") -> ssl.SSLContext:
    """Return the context of one kind of user, the same one while SSL_CERT_FILE and SSL_CERT_DIR stay the same.

    Raises:
        OSError: when one of them names what does not exist or holds no certificate; OpenSSL would trust no one, and
            not say why.
    """
    file, directory = (os.environ.get(name) for name in _FILES)
    return await trio.to_thread.run_sync(_made, user, file, directory)


@lru_cache(maxsize=8)
def _made(_user: str, file: str | None, directory: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if file is not None:
        try:
            context.load_verify_locations(cafile=file)
        except OSError as error:
            why = error.strerror or "it holds no certificate"
            raise OSError(f"SSL_CERT_FILE names {file!r}, which cannot be used: {why}") from None
    if directory is not None and not any(Path(part).is_dir() for part in directory.split(os.pathsep)):
        raise OSError(f"SSL_CERT_DIR names {directory!r}, which is not a directory")
    return context
