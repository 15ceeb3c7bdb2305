"""What the environment's variables say, with every secret masked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from ds_actors.cli._doctor.result import CheckResult, failed, passed, warned
from ds_actors.detection.sampling import AdaptiveSampling, check_quality
from ds_actors.detection.service import KEY_VARIABLE, PERMITS_INSECURE, URL_VARIABLE, Dataspike
from ds_actors.detection.settings.resolving import bare_address
from ds_actors.detection.settings.schema import PROXY_VARIABLE

LIVEKIT_VARIABLES: Final = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
LIVEKIT_TOKEN: Final = "LIVEKIT_TOKEN"  # noqa: S105 - a variable's name
_SECRETS: Final = frozenset({KEY_VARIABLE, "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", LIVEKIT_TOKEN})
_RATE_VARIABLES: Final = ("DATASPIKE_NORMAL_FPS", "DATASPIKE_BURST_FPS", "DATASPIKE_QUALITY")
_PROXY_VARIABLES: Final = (PROXY_VARIABLE, "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
_OTHERS: Final = ("NO_PROXY", "no_proxy", "SSL_CERT_FILE")
_KEY_FIX: Final = f"export {KEY_VARIABLE}=... in the monitor's environment (a Dataspike account has a key)"
_NAME: Final = "environment"
_RATES: Final = "rates"


@frozen
class Rates:
    """The samples' rates and quality that the LiveKit plugin would read."""

    normal_fps: float = 0.2
    burst_fps: float = 1.0
    quality: int = 75


def masked(name: str, value: str) -> str:
    """Return a variable's value as it may be shown: secrets by length, URLs without user name, password and query."""
    if name in _SECRETS:
        return f"*** ({len(value)} characters)"
    if name.upper().endswith("_URL") or (name in _PROXY_VARIABLES and "@" in value):
        try:
            return "".join(bare_address(value))
        except ValueError:
            return "*** (not a URL)"
    return value


def read_service(
    environment: Mapping[str, str], *, url: str | None, without_key: str = "", key_may_miss: bool = False
) -> tuple[CheckResult, Dataspike | None]:
    """Check the service's settings; return the result, and the service unless its address is invalid.

    Args:
        environment: the variables, which are also the process's own: the proxies of all programs are read from there.
        url: overrides DATASPIKE_WS_URL.
        without_key: what the user of this command can do without a key.
        key_may_miss: the local sandbox takes any key.
    """
    names = (KEY_VARIABLE, URL_VARIABLE, *_RATE_VARIABLES, *_PROXY_VARIABLES, *_OTHERS, *LIVEKIT_VARIABLES)
    details = {name: masked(name, environment[name]) for name in (*names, LIVEKIT_TOKEN) if environment.get(name)}
    proxy = environment.get(PROXY_VARIABLE, "").strip() or None
    try:
        service = Dataspike(api_key="unset", url=url, proxy=proxy)
    except ValueError as error:
        text = str(error).removesuffix(PERMITS_INSECURE)
        return failed(_NAME, text, "correct the setting that the message names", **details), None
    details["service"] = "the local sandbox" if key_may_miss else service.log_url
    if not key_may_miss:
        key = environment.get(KEY_VARIABLE, "")
        if not key.strip():
            fix = f"{_KEY_FIX}, or {without_key}" if without_key else _KEY_FIX
            return failed(_NAME, f"{KEY_VARIABLE} is not set", fix, **details), service
        try:
            service = Dataspike(api_key=key, url=url, proxy=proxy)
        except ValueError as error:
            fix = f"copy the key into {KEY_VARIABLE} again, without quotes, blanks and line ends"
            return failed(_NAME, str(error), fix, **details), service
    partial = [name for name in LIVEKIT_VARIABLES if not environment.get(name)]
    if 0 < len(partial) < len(LIVEKIT_VARIABLES):
        text = f"LiveKit's variables are incomplete: {', '.join(partial)} missing"
        return warned(_NAME, text, "set all three, or none", **details), service
    livekit = "with LiveKit's variables" if not partial else "without LiveKit's variables"
    judge = "the local sandbox as the service" if key_may_miss else f"service {service.log_url}"
    return passed(_NAME, f"{judge}, {livekit}", **details), service


def check_rates(environment: Mapping[str, str]) -> tuple[CheckResult, Rates]:
    """Check the variables of the sampling rates; with an invalid one, the LiveKit plugin refuses to start."""
    standard = Rates()
    normal, burst, quality = (environment.get(name, "").strip() for name in _RATE_VARIABLES)
    try:
        rates = Rates(
            _number(_RATE_VARIABLES[0], normal, standard.normal_fps),
            _number(_RATE_VARIABLES[1], burst, standard.burst_fps),
            int(_number(_RATE_VARIABLES[2], quality, standard.quality)),
        )
        AdaptiveSampling(rates.normal_fps, rates.burst_fps)
        check_quality(rates.quality)
    except ValueError as error:
        fix = f"correct {', '.join(_RATE_VARIABLES)}, or unset them for the defaults 0.2, 1.0 and 75"
        return failed(_RATES, str(error), fix), standard
    text = f"{rates.normal_fps:g} samples/s per track, {rates.burst_fps:g} while suspicious or alert"
    return passed(_RATES, text, quality=str(rates.quality)), rates


def _number(name: str, text: str, default: float) -> float:
    try:
        value = float(text) if text else default
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} is {text!r}, which is not a number")
    return value
