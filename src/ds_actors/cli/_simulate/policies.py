"""Policies as words on a command line: `adaptive`, `budgeted(adaptive, samples_per_minute=6)`, `mine.py:Mine`."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ds_actors.detection.sampling import (
    AdaptiveSampling,
    Budget,
    Budgeted,
    DecayingSampling,
    Fastest,
    SamplingPolicy,
    SceneSampling,
    SpeakerSampling,
)


class PolicyError(ValueError):
    """Words that name no policy; the text says what would."""


def _budgeted(policy: SamplingPolicy, **figures: Any) -> Budgeted:
    return Budgeted(policy, Budget(**figures))


KNOWN: Final[Mapping[str, Callable[..., SamplingPolicy]]] = {
    "adaptive": AdaptiveSampling,
    "decaying": DecayingSampling,
    "speaker": SpeakerSampling,
    "scene": SceneSampling,
    "fastest": Fastest,
    "budgeted": _budgeted,
}
"""The names that need no file."""


def parse_policy(words: str) -> Callable[[], SamplingPolicy]:
    """Return the factory that some words name, after it made one policy.

    Raises:
        PolicyError: when they name none, or the policy cannot be made.
    """
    source, _, expression = words.rpartition(":")
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except SyntaxError:
        raise PolicyError(f"{words!r} is no policy; write it as adaptive(normal_fps=0.5) or FILE.py:NAME") from None
    names = _names(source) if source else {}

    def make() -> SamplingPolicy:
        try:
            policy = _value(tree, names)
        except PolicyError:
            raise
        except Exception as error:
            raise PolicyError(f"{words}: {type(error).__name__}: {error}") from error
        if not hasattr(policy, "promise") or not callable(getattr(policy, "on", None)):
            raise PolicyError(f"{words} is {policy!r}, and no policy: it has no promise, or no on(event, now)")
        made: SamplingPolicy = policy
        return made

    make()
    return make


def _names(source: str) -> dict[str, Any]:
    try:
        if source.endswith(".py"):
            path = Path(source)
            if not path.is_file():
                raise PolicyError(f"{source} is no file")
            spec = importlib.util.spec_from_file_location(path.stem, path)
            if spec is None or spec.loader is None:
                raise PolicyError(f"{source} cannot be read as Python")
            module = importlib.util.module_from_spec(spec)
            sys.modules[path.stem] = module  # dataclasses look their module up there
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(source)
    except PolicyError:
        raise
    except Exception as error:
        raise PolicyError(f"{source}: {type(error).__name__}: {error}") from error
    return vars(module)


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name(name):
            return _named(name, names)()
        case ast.Call(ast.Name(name), arguments, keywords):
            options = {one.arg: _value(one.value, names) for one in keywords if one.arg is not None}
            return _named(name, names)(*(_value(one, names) for one in arguments), **options)
        case _:
            try:
                return ast.literal_eval(node)
            except ValueError:
                raise PolicyError(f"{ast.unparse(node)!r} is neither a figure nor a policy") from None


def _named(name: str, names: Mapping[str, Any]) -> Callable[..., Any]:
    found: Callable[..., Any] | None = names.get(name, KNOWN.get(name))
    if not callable(found):
        raise PolicyError(f"{name!r} is not known; known are {', '.join(KNOWN)}, and FILE.py:NAME for one's own")
    return found
