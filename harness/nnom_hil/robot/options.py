"""From the table of options (run/options.py) to the signatures and documentation of keywords."""

import inspect
from collections.abc import Callable
from typing import Any

from nnom_hil.run.options import checked, options_of

__all__ = ["takes"]

Keyword = Callable[..., Any]


def takes(door: str) -> Callable[[Keyword], Keyword]:
    """Give a keyword a door's options as its arguments; it gets those that differ from defaults."""
    options = options_of(door)

    def wrap(method: Keyword) -> Keyword:
        def call(self: Any, **values: Any) -> Any:
            defaults = {option.name: option.default for option in options}
            given = {k: v for k, v in values.items() if v != defaults[k]}
            return method(self, **checked(given))

        rows = "\n".join(f"| {option.name} | {option.text} |" for option in options)
        call.__doc__ = f"{inspect.getdoc(method)}\n\n| =Argument= | =Meaning= |\n{rows}"
        call.__name__ = method.__name__
        parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        for option in options:
            is_optional = option.default is None
            parameters.append(
                inspect.Parameter(
                    option.name,
                    inspect.Parameter.POSITIONAL_OR_KEYWORD,
                    default=option.default,
                    annotation=option.kind | None if is_optional else option.kind,
                )
            )
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {p.name: p.annotation for p in parameters[1:]}
        return call

    return wrap
