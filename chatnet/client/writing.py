"""What every face of the client says of the link, and of what is being written."""

from chatnet.core.durations import spell_duration

SIGNAL_SECONDS = 3.0  # between two signals that one is writing
WRITING_SECONDS = 6.0  # for which the others are shown one


def who_writes(names: list[str]) -> str:
    """Return in words that those called ``names`` are writing; empty if nobody is."""
    match names:
        case []:
            return ""
        case [name]:
            return f"{name} is writing ..."
        case [one, other]:
            return f"{one} and {other} are writing ..."
        case _:
            return f"{len(names)} people are writing ..."


def heard_nothing(seconds: float) -> str:
    """Return in words that nothing came for so many ``seconds``; empty for 0."""
    return f"nothing heard for {spell_duration(seconds)}" if seconds else ""


def unsent(count: int) -> str:
    """Return in words that the server has not said that it has ``count`` lines."""
    lines = "1 line" if count == 1 else f"{count} lines"
    return f"The server has not confirmed {lines}: look whether all is there, when you are back."
