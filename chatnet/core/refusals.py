"""The ways chatnet says no.

A ``Refused`` is shown to the person who asked: what, why, and what to do. Anything else that is
raised is a bug, and is logged.
"""

from __future__ import annotations


class Refused(Exception):
    """A command that cannot be done.

    ``code`` is stable and machine-readable: dialects translate it (IRC numerics, JSON codes).
    """

    code = "refused"
    cid: str | None = None  # of the command, if it was understood no further


class Malformed(Refused):
    """The input is not a sentence of this dialect."""

    code = "malformed"


class TooLong(Refused):
    """The message is longer than this server takes."""

    code = "too-long"


class BadName(Refused):
    """Nobody, or no room, can be called that."""

    code = "bad-name"


class NameTaken(Refused):
    """Someone else has that name, or one that looks like it."""

    code = "name-taken"


class NoSuchPerson(Refused):
    """Nobody of that name is known here."""

    code = "no-such-person"


class NoSuchRoom(Refused):
    """There is no room of that name."""

    code = "no-such-room"


class NoSuchMessage(Refused):
    """There is no such message, or no more."""

    code = "no-such-message"


class NoSuchFile(Refused):
    """There is no such file, or no more, or not for you."""

    code = "no-such-file"


class NoSpace(Refused):
    """There is no space for that file."""

    code = "no-space"


class NotWhole(Refused):
    """What came of the file is not what was said of it."""

    code = "not-whole"


class NotAMember(Refused):
    """That needs someone, you or another, to be in the room."""

    code = "not-a-member"


class NotAllowed(Refused):
    """That takes a higher role than yours."""

    code = "not-allowed"


class NeedsAccount(Refused):
    """That takes an account."""

    code = "needs-account"


class Banned(Refused):
    """You were banned from the room."""

    code = "banned"


class Muted(Refused):
    """You may listen in the room, and not speak."""

    code = "muted"


class WrongPassword(Refused):
    """The password is not the right one."""

    code = "wrong-password"


class BadPassword(Refused):
    """That cannot be a password here."""

    code = "bad-password"


class PasswordNeeded(Refused):
    """First say the password."""

    code = "password-needed"


class Plaintext(Refused):
    """A password must not travel unencrypted."""

    code = "plaintext"


class TooManyTries(Refused):
    """Wait before the next try."""

    code = "too-many-tries"


class Closed(Refused):
    """That is not offered here."""

    code = "closed"


class NotInvited(Refused):
    """A new account takes an invitation, and that is none."""

    code = "not-invited"


class ServerFull(Refused):
    """There is no place left."""

    code = "server-full"


class TooManyConnections(Refused):
    """Too many come, or are here, from one address."""

    code = "too-many-connections"


class Encrypted(Refused):
    """The room is encrypted: plain words are not taken there."""

    code = "encrypted"


class Stale(Refused):
    """That was made for what is not so any more: make it again."""

    code = "stale"


class NoDevice(Refused):
    """That takes a device, with keys, on this connection or on the other side."""

    code = "no-device"


class Unavailable(Refused):
    """The store did not confirm it; to try again under the same ``cid`` is safe."""

    code = "unavailable"
