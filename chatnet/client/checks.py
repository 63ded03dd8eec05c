"""What is not even sent, because the server would refuse it."""

from __future__ import annotations

from chatnet.client.frames import encode
from chatnet.core import commands as c, replies as r
from chatnet.core.names import account_name, person_name, room_name
from chatnet.core.refusals import BadPassword, NotAllowed, Plaintext, TooLong
from chatnet.core.rules import LONGEST_LOCK, parse_dice

_ESCAPES, _SPARE_BYTES = 6, 4096  # the server takes a line as long as so many messages and bytes
_NAME_BYTES = 100  # of a line, for the command's name


def check_secrecy(command: c.Command, safe: bool) -> None:
    """See that nobody reads a password on the way; ``safe`` if nobody can.

    Raises:
        Plaintext: there is one in ``command``.
    """
    if not safe and c.tells_password(command):
        raise Plaintext(
            "The link is not encrypted, so that was not sent: there is a password in it. Come"
            " again over TLS."
        )


def check(command: c.Command, hello: r.Hello) -> None:
    """See that the server, which introduced itself with ``hello``, can take ``command``.

    Raises:
        Refused: not so.
    """
    match command:
        case c.Say(_, body) | c.Whisper(_, body) | c.Announce(body):
            check_length(body, command, hello.max_message)
        case c.Join(room) if room:
            room_name(room)
        case c.Roll(_, dice):
            parse_dice(dice)
        case c.Nick(name):
            person_name(name)
        case c.Login(name):
            account_name(name)
        case c.Register(name, password):
            person_name(name)
            _check_password(password, hello.password_length)
        case c.ChangePassword(_, new):
            _check_password(new, hello.password_length)
        case c.History() if command.who and "whispers" not in hello.features:
            raise NotAllowed("This server is too old to show again what was whispered.")
        case c.Lock(_, password) if len(password) > LONGEST_LOCK:
            raise BadPassword(f"A room's password has 1 to {LONGEST_LOCK} characters.")


def check_length(body: str, command: c.Command, most: int) -> None:
    """See that ``body``, with what JSON makes of it, is not too long for a message.

    Raises:
        TooLong: it is.
    """
    if most and (
        len(body.encode(errors="replace")) > most
        or len(encode(command)) + _NAME_BYTES > most * _ESCAPES + _SPARE_BYTES
    ):
        raise too_long(most)


def too_long(most: int) -> TooLong:
    """Return the refusal of a message of more than ``most`` bytes."""
    return TooLong(f"That is too long: a message has at most {most:,} bytes here. It was not sent.")


def _check_password(password: str, length: tuple[int, int]) -> None:
    fewest, most = length
    if not fewest <= len(password) <= most:
        raise BadPassword(f"A password has {fewest} to {most} characters here.")
