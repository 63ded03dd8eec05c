"""What a line asks for that an operator types."""

from __future__ import annotations

import shlex

from chatnet.admin import importing
from chatnet.admin.grammar import Given, Verb
from chatnet.admin.verbs import BY_THEMSELVES, VERBS, help_on, help_text, understand
from chatnet.core.refusals import Malformed

LEAVING = ("quit", "exit")


def read(line: str) -> tuple[Verb, Given] | str:
    """Return the verb that ``line`` asks for; or, if it asks for help or nothing, the answer.

    Raises:
        Malformed: it makes no sense here; the sentence says why.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise Malformed(f"{error}: quotes come in pairs.") from None
    if not words:
        return ""
    if words[0] in ("help", "?"):
        return help_on(words[1:]) if words[1:] else help_text()
    if words[:2] == importing.WORDS:
        raise Malformed("That runs by itself: python -m chatnet.admin ban import FILE")
    if words[0] in BY_THEMSELVES and words[0] not in VERBS:
        raise Malformed(f"That runs by itself: python -m chatnet.admin {words[0]} --help")
    return understand(words)
