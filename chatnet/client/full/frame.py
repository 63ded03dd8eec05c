"""What stands around the messages: the rooms, the members, and the lines above and below. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from chatnet.client.full.items import moment_of
from chatnet.client.full.reading import is_encrypted
from chatnet.client.full.rows import Row, clip, colour_of
from chatnet.client.full.windows import Window, Windows
from chatnet.client.keys.keys import Keys
from chatnet.client.keys.shown import LOCK
from chatnet.client.link import Link
from chatnet.client.writing import heard_nothing, who_writes
from chatnet.core.names import fold
from chatnet.core.plain import plain
from chatnet.core.replies import Found, Present
from chatnet.core.search import excerpt
from chatnet.dialects.text import SHOWN


def rooms(link: Link, windows: Windows, width: int) -> list[tuple[str, Row]]:
    """Return a row for each window, in ``width`` columns, with its key."""
    listed: list[tuple[str, Row]] = []
    for number, window in enumerate(windows, 1):
        count = f" {window.unread}" if window.unread else ""
        count += "!" if window.mentioned else ""
        lock = f" {LOCK}" if is_encrypted(link, window.key) else ""
        name = clip(f"{number} {label(window)}{lock}", width - len(count))
        fill = " " * max(0, width - cell_len(name) - len(count))
        colour = "meant" if window.mentioned else "unread" if window.unread else "said"
        if window is windows.current:
            listed.append((window.key, ((name + fill + count, "here"),)))
        else:
            plain_colour = "faint" if window.out else colour
            listed.append((window.key, ((name + fill, plain_colour), (count, colour))))
    return listed


def label(window: Window) -> str:
    """Return what ``window`` is called in a list."""
    return f"@{window.name}" if window.is_person else window.name


def members(people: Sequence[Present], me: str, width: int) -> list[tuple[str, Row]]:
    """Return a row for each of the ``people`` in a room, with their names: moderators first."""
    ranked = sorted(people, key=lambda one: (not one.moderator, not one.registered, fold(one.name)))
    listed: list[tuple[str, Row]] = [("", ((f"{len(people)} here", "faint"),))]
    for one in ranked:
        sign = "@" if one.moderator else "+" if one.registered else " "
        name = plain(one.name)
        colour = "faint" if fold(name) == fold(me) else colour_of(name)
        listed.append(
            (name, ((sign, "new" if one.moderator else "faint"), (clip(name, width - 1), colour)))
        )
    return listed


def people_of(link: Link, window: Window) -> tuple[Present, ...]:
    """Return who is in the room of ``window``, as far as it is known."""
    place = link.dialogue.places.rooms.get(window.key)
    return place.view.members if place is not None and place.view is not None else ()


def head(link: Link, window: Window) -> str:
    """Return the line above the messages: where one is, and what it is about."""
    if window.is_person:
        return f"{window.name} · what you whisper here is read by the two of you"
    place = link.dialogue.places.rooms.get(window.key)
    if not window.is_room or place is None or place.view is None:
        return window.name + (" · you are no longer in this room" if window.out else "")
    marks = f" {LOCK} encrypted" if is_encrypted(link, window.key) else ""
    if isinstance(link.keys, Keys) and link.keys.is_denied(window.key):
        marks = " !!! NOT ENCRYPTED, though it was: nothing is said here"
    marks += " · password" if place.view.locked else ""
    topic = f" · {plain(place.view.topic)}" if place.view.topic else ""
    return f"{plain(place.name)}{marks}{topic}"


def status(link: Link, windows: Windows, now: float, following: bool, logging: bool) -> str:
    """Return the line below the messages: the link, who one is, who writes, what is elsewhere."""
    dialogue, window = link.dialogue, windows.current
    silence = heard_nothing(link.silence)
    state = f"○ {silence}" if silence else "● online" if link.online else "○ no link, trying"
    parts = [state + (f" ({link.waiting} to be sent)" if link.waiting else "")]
    parts += [dialogue.name] if dialogue.name else []
    people = people_of(link, window)
    parts += [f"{len(people)} here"] if window.is_room and people else []
    writing = who_writes([name for name, until in window.writers.values() if until > now])
    parts += [writing] if writing else []
    parts += ["↓ older; Esc: newest"] if not following else []
    parts += ["log"] if logging else []
    elsewhere = active(windows)
    parts += [elsewhere] if elsewhere else []
    return " · ".join(parts)


def active(windows: Windows) -> str:
    """Return where something is new: numbers and names, those first where one is meant."""
    news = [(n, w) for n, w in enumerate(windows, 1) if w.unread and w is not windows.current]
    news.sort(key=lambda one: not one[1].mentioned)
    return " ".join(f"{n}:{label(w)}({w.unread}{'!' if w.mentioned else ''})" for n, w in news)


def title(windows: Windows) -> str:
    """Return the terminal's title: how often one is meant, and where one is."""
    meant = sum(window.mentioned for window in windows)
    return (f"({meant}) " if meant else "") + f"{plain(label(windows.current))} - chatnet"


def findings(found: Found) -> tuple[str, list[tuple[str, str]]]:
    """Return what to say of what was ``found``, and the messages, the newest first."""
    options = []
    for hit in reversed(found.hits):
        said = plain(" ".join(excerpt(hit.body, found.words, SHOWN).split()))
        spoke = f"* {plain(hit.by)} {said}" if hit.action else f"{plain(hit.by)}: {said}"
        moment = moment_of(hit.at)
        time = f"{moment:%Y-%m-%d %H:%M} " if moment is not None else ""
        options.append((f"{hit.room} {hit.seq}", f"{time}{plain(hit.name)}  {spoke}"))
    if not options:
        return "Nothing was found. Other words?", []
    more = ", the last ones" if found.more else ""
    return f"{len(options)} found{more}: Enter goes to the one that is marked", options
