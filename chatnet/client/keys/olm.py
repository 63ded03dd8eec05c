"""vodozemac, which is an extra: imported here, and nowhere else."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from chatnet.core.refusals import Refused

try:
    vodozemac: Any = import_module("vodozemac")  # whose types are not complete
except ImportError:  # an extra that is not installed
    vodozemac = None
WITH_OLM = vodozemac is not None

MISSING = (
    "This client has no keys: it takes the extra e2ee, which is not installed here."
    ' pip install "chatnet[e2ee]" brings it; until then nothing encrypted can be read or said.'
)


class NoOlm(Refused):
    """The extra is not installed."""

    code = "no-device"


def check() -> None:
    """See that the extra is here.

    Raises:
        NoOlm: it is not.
    """
    if not WITH_OLM:
        raise NoOlm(MISSING)
