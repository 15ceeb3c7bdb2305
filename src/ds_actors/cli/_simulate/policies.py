"""Parses policies given on a command line: `adaptive`, `budgeted(adaptive, samples_per_minute=6)`, `mine.py:Mine`."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from ds_actors.detection.levels.confirmation import check_min_confirmations
from ds_actors.detection.levels.evidence import Evidence
from ds_actors.detection.sampling import (
    AdaptiveSampling,
    Budget,
    Budgeted,
    DecayingSampling,
    EvidenceSampling,
    Fastest,
    SamplingPolicy,
    SceneSampling,
    SpeakerSampling,
)


class PolicyError(ValueError):
    """The text names no policy; the message shows how to write one."""


def _budgeted(policy: SamplingPolicy, **figures: Any) -> Budgeted:
    return Budgeted(policy, Budget(**figures))


KNOWN: Final[Mapping[str, Callable[..., SamplingPolicy]]] = {
    "adaptive": AdaptiveSampling,
    "decaying": DecayingSampling,
    "evidence": EvidenceSampling,
    "speaker": SpeakerSampling,
    "scene": SceneSampling,
    "fastest": Fastest,
    "budgeted": _budgeted,
}
"""The policies that are known without a file."""


def parse_assessment(words: str) -> Evidence | int:
    """Return the evidence that the text describes, as in `evidence(misses=0.1)`; for `last` its `min_confirmations`.

    Raises:
        PolicyError: when the text is neither, or a figure is invalid.
    """
    try:
        match ast.parse(words.strip(), mode="eval").body:
            case ast.Name("last"):
                return 1
            case ast.Call(ast.Name("last"), [], [ast.keyword("min_confirmations", count)]):
                return check_min_confirmations(ast.literal_eval(count))
            case ast.Name("evidence"):
                return Evidence()
            case ast.Call(ast.Name("evidence"), [], keywords) if all(keyword.arg for keyword in keywords):
                figures = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in keywords}
                _check_figures("evidence", Evidence, figures)
                return Evidence(**figures)
            case _:
                pass
    except (SyntaxError, TypeError, ValueError) as error:
        raise PolicyError(f"--assessment {words!r}: {error}") from error
    raise PolicyError(
        f"--assessment {words!r} is not known; write last, last(min_confirmations=2), evidence, or evidence(misses=0.1)"
    )


def parse_policy(words: str) -> Callable[[], SamplingPolicy]:
    """Return the factory that the text names, after checking that it makes a policy.

    Raises:
        PolicyError: when the text names no policy, or the policy cannot be made.
    """
    source, _, expression = words.rpartition(":")
    if "(" in source:
        raise PolicyError(f"{words!r}: the file comes first, as in FILE.py:budgeted(NAME, samples_per_minute=6)")
    if not source and words.endswith(".py"):
        raise PolicyError(f"which policy of {words}? Write {words}:NAME")
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except SyntaxError:
        raise PolicyError(f"{words!r} is not a policy; write it as adaptive(normal_fps=0.5) or FILE.py:NAME") from None
    names = _Namespace(source, _names(source) if source else {})

    def make() -> SamplingPolicy:
        try:
            policy = names.value(tree)
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


@frozen
class _Namespace:
    """The names that a text may use: those of your own file, and the known ones."""

    source: str
    own: Mapping[str, Any]

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Name(name):
                return self._named(name)()
            case ast.Call(ast.Name(name), arguments, keywords):
                options: dict[str, Any] = {}
                for keyword in keywords:
                    if keyword.arg is None:
                        raise PolicyError(f"{ast.unparse(node)!r}: write each figure by its name, without **")
                    options[keyword.arg] = self.value(keyword.value)
                maker = self._named(name)
                _check_figures(name, Budget if maker is _budgeted else maker, options)
                return maker(*(self.value(argument) for argument in arguments), **options)
            case _:
                try:
                    return ast.literal_eval(node)
                except ValueError:
                    raise PolicyError(f"{ast.unparse(node)!r} is neither a figure nor a policy") from None

    def _named(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] | None = self.own.get(name, KNOWN.get(name))
        if callable(found):
            return found
        if self.source:
            near = _nearest(name, self.own, f"known without it are {', '.join(KNOWN)}")
            raise PolicyError(f"{self.source} has no {name!r} that makes a policy; {near}")
        near = _nearest(name, KNOWN, f"known are {', '.join(KNOWN)}, and FILE.py:NAME for your own")
        raise PolicyError(f"{name!r} is not known; {near}")


def _check_figures(name: str, maker: Callable[..., Any], figures: Mapping[str, Any]) -> None:
    """Refuse a figure that the policy does not take, and name those that it takes."""
    if not figures:
        return
    parameters = inspect.signature(maker).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    takes = [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    for figure in figures:
        if figure not in takes:
            near = _nearest(figure, takes, f"it takes {', '.join(takes)}")
            raise PolicyError(f"{name} has no figure {figure!r}; {near}")


def _nearest(word: str, known: Iterable[str], otherwise: str) -> str:
    found = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {found[0]}?" if found else otherwise


def _names(source: str) -> dict[str, Any]:
    try:
        if source.endswith(".py"):
            path = Path(source)
            if not path.is_file():
                raise PolicyError(f"{source} is not a file")
            name = f"ds_actors_simulate.{path.stem}"  # a file called random.py may import random
            spec = importlib.util.spec_from_file_location(name, path)
            if spec is None or spec.loader is None:
                raise PolicyError(f"{source} cannot be read as Python")
            _import_from(path.parent)
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module  # dataclasses look their module up there
            spec.loader.exec_module(module)
        else:
            _import_from(Path())
            module = importlib.import_module(source)
    except PolicyError:
        raise
    except Exception as error:
        raise PolicyError(f"{source}: {type(error).__name__}: {error}") from error
    return vars(module)


def _import_from(folder: Path) -> None:
    """Put the file's folder on the import path, as `python FILE.py` and `python -m MODULE` do."""
    path = str(folder.resolve())
    if path not in sys.path:
        sys.path.insert(0, path)
