"""hypothesis, if it is installed; else tests that need it are skipped, and say so.

chatnet is used without it, and ``trial chatnet`` works wherever chatnet is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["given", "settings", "st"]

if TYPE_CHECKING:
    from hypothesis import given, settings, strategies as st
else:
    try:
        from hypothesis import given, settings, strategies as st
    except ImportError:

        class _Nothing:
            """Takes the place of every strategy and of ``settings``."""

            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                return args[0] if args and callable(args[0]) and not kwargs else self

            def __getattr__(self, name: str) -> _Nothing:
                return self

        def given(*_: Any, **__: Any) -> Any:
            """Return a test that is skipped."""

            def skipped(test: Any) -> Any:
                def instead(self: Any) -> None:
                    raise AssertionError("skipped")

                instead.__name__, instead.skip = test.__name__, "hypothesis is not installed"
                return instead

            return skipped

        settings = st = _Nothing()
