"""The questions that are put to the tables."""

from __future__ import annotations

from sqlalchemy import BindParameter, bindparam, case, func, select

from chatnet.core.codec import KINDS
from chatnet.core.events import MESSAGES
from chatnet.interfaces import REMEMBERED
from chatnet.stores.tables import (
    accounts,
    answers,
    claims,
    entries,
    floors,
    messages,
    states,
    unindexed,
)

LARGE = 16 * 1024  # characters; an event of more is read by itself
_BEGIN = 6  # characters of an event's text, by which its kind is known
_PAGE_ROWS = 500  # of what is read whole

_room: BindParameter[str] = bindparam("room")
_origin: BindParameter[str] = bindparam("origin")
_seq: BindParameter[int] = bindparam("seq")
_limit: BindParameter[int] = bindparam("limit")
PAGE = (
    select(
        entries.c.seq,
        entries.c.at,
        entries.c.size,
        case((entries.c.size <= LARGE, entries.c.event)),
        entries.c.digest,
        entries.c.link,
    )
    .where(entries.c.room == _room)
    .where(entries.c.seq > bindparam("after"), entries.c.seq <= bindparam("upto"))
    .order_by(entries.c.seq)
    .limit(_limit)
)
EVENT = select(entries.c.at, entries.c.event).where(entries.c.room == _room, entries.c.seq == _seq)
LINK = (
    select(entries.c.seq, entries.c.link)
    .where(entries.c.room == _room, entries.c.seq <= _seq)
    .order_by(entries.c.seq.desc())
    .limit(1)
)
FLOOR = select(floors.c.seq, floors.c.link).where(floors.c.room == _room)
TIME = select(entries.c.at).where(entries.c.room == _room, entries.c.seq == _seq)
STATE = select(states.c.seq, states.c.state).where(states.c.room == _room)
NEWEST = (
    select(states.c.room, states.c.state)
    .where(func.substr(states.c.room, 1, 1).not_in(("@", "*")))
    .order_by(states.c.id.desc())
    .limit(_limit)
)
STRAYS = select(states.c.room).where(func.substr(states.c.room, 1, 2) == "@~")
NEXT_LOG = select(func.min(entries.c.room)).where(entries.c.room > bindparam("after"))
RAISED = select(floors.c.room)
SAID = (
    select(messages.c.at, messages.c.room, messages.c.seq)
    .where(messages.c.room == _room, messages.c.seq > bindparam("after"))
    .where(messages.c.words.is_not(None))
    .order_by(messages.c.seq.desc())
    .limit(_limit)
)
INDEXED = select(unindexed.c.seq).where(unindexed.c.room == _room)
UNINDEXED = select(unindexed.c.room, unindexed.c.seq).order_by(unindexed.c.room).limit(_limit)
# How the text of a message begins: see chatnet.core.codec and chatnet.core.events.MESSAGES.
_MESSAGES = [f'["{name}",'[:_BEGIN] for name, kind in KINDS.items() if kind in MESSAGES]
LAST_UNINDEXED = (
    select(entries.c.seq)
    .where(entries.c.room == _room, entries.c.seq > bindparam("after"), entries.c.seq <= _seq)
    .where(func.substr(entries.c.event, 1, _BEGIN).in_(_MESSAGES))
    .order_by(entries.c.seq.desc())
    .limit(_limit)
)
LAST = (
    select(messages.c.seq)
    .where(messages.c.room == _room, messages.c.seq <= _seq)
    .order_by(messages.c.seq.desc())
    .limit(_limit)
)
NAMED = (
    select(answers.c.cid, answers.c.room, answers.c.seq)
    .where(answers.c.origin == _origin)
    .order_by(answers.c.id.desc())
    .limit(_limit)
)
OUTDATED = (
    select(answers.c.id)
    .where(answers.c.origin == _origin)
    .order_by(answers.c.id.desc())
    .limit(1)
    .offset(REMEMBERED)
)
STATES = (
    select(states.c.id, states.c.room, states.c.seq, states.c.state)
    .where(states.c.id > bindparam("after"))
    .order_by(states.c.id)
    .limit(_PAGE_ROWS)
)
ANSWERS = (
    select(answers.c.id, answers.c.origin, answers.c.cid, answers.c.room, answers.c.seq)
    .where(answers.c.id > bindparam("after"))
    .order_by(answers.c.id)
    .limit(_PAGE_ROWS)
)
ACCOUNTS = (
    select(accounts)
    .where(accounts.c.key > bindparam("after"))
    .order_by(accounts.c.key)
    .limit(_PAGE_ROWS)
)
CLAIMED = (
    select(claims.c.claim, accounts.c.name, accounts.c.key, accounts.c.verifier, accounts.c.made_at)
    .join(claims, claims.c.account == accounts.c.key)
    .where(claims.c.claim.in_(bindparam("claims", expanding=True)))
)
