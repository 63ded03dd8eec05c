"""The other end: a client for people, and a library for programs.

See ``chatnet.client.chat``; what happens in rooms is in ``chatnet.core.events``.
"""

from chatnet.client.chat import Chat, connect
from chatnet.client.link import CannotConnect, LinkLost
from chatnet.client.program import run
from chatnet.client.room import Room
from chatnet.client.stream import Missed
from chatnet.client.trust import Untrusted
from chatnet.core.refusals import Refused

__all__ = [
    "CannotConnect", "Chat", "LinkLost", "Missed", "Refused", "Room", "Untrusted", "connect", "run",
]  # fmt: skip
