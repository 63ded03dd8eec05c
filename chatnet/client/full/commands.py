"""The commands that the full-screen client has besides those of the dialect. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Own:
    """A command that is obeyed here, and not by the server."""

    name: str
    usage: str
    about: str


OWN = (
    Own("query", "/query USER", "open a window to whisper with someone"),
    Own("close", "/close", "close this window; a room is left"),
    Own("go", "/go NAME|NUMBER", "go to another window"),
    Own("cancel", "/cancel", "give up the files on their way"),
    Own("save", "/save #NUMBER FILE", "write a message to a file"),
    Own("log", "/log FILE|on|off", "write what comes to a file from now on"),
    Own("theme", "/theme [NAME]", "change the colours; list what there is"),
    Own("settings", "/settings [NAME VALUE]", "list the settings, or change and keep one"),
    Own("clear", "/clear", "empty this window; PageUp reads it again"),
    Own("keys", "/keys", "show the keys (F1)"),
)  # fmt: skip

KEYS = (
    ("Enter", "send what is typed"),
    ("Alt-Enter, Ctrl-J", "begin another line of the same message"),
    ("Tab, Shift-Tab", "complete a command, name or room; again: the next"),
    ("Up, Down", "what was typed before"),
    ("PageUp, PageDown", "read back; at the top, older ones are loaded"),
    ("Ctrl-Home, Ctrl-End", "the oldest that is here; the newest (also Escape)"),
    ("Alt-1 ... Alt-9", "the window of that number"),
    ("Alt-Up, Alt-Down", "the window above, below (also Ctrl-P, Ctrl-N)"),
    ("Alt-A", "the next window with something new, and then back"),
    ("Ctrl-K", "go to a window by a few letters; enter other rooms"),
    ("Ctrl-R", "search in all your rooms; Enter goes there"),
    ("F2, F3", "show or hide the rooms, the members"),
    ("Ctrl-T", "light or dark"),
    ("Ctrl-L", "draw the screen anew"),
    ("Ctrl-Z", "to the background; fg brings it back"),
    ("Ctrl-D, Ctrl-Q", "leave (Ctrl-D where nothing is typed)"),
    ("Ctrl-C", "copy what is marked; else it says how to leave"),
    ("Mouse", "click a room or a name; Shift and drag selects text"),
)


def own(line: str) -> tuple[str, str] | None:
    """Return the name and the rest of ``line`` if it is one of ``OWN``."""
    word, _, rest = line.strip().partition(" ")
    name = word[1:].lower() if word.startswith("/") else ""
    return (name, rest.strip()) if any(one.name == name for one in OWN) else None


def keys_text() -> str:
    """Return the keys and the client's own commands, a line each."""
    width = max(len(keys) for keys, _ in (*KEYS, *((one.usage, "") for one in OWN)))
    lines = [f"{keys:{width}}  {about}" for keys, about in KEYS]
    lines += ["", *(f"{one.usage:{width}}  {one.about}" for one in OWN)]
    return "\n".join(lines)
