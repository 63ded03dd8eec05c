"""Who someone is: guests take names, people make accounts and log in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from chatnet.core import commands as c, rules
from chatnet.core.names import GUEST, Name, account_name, guest_name, person_name
from chatnet.core.refusals import Malformed, NameTaken, Refused, Unavailable
from chatnet.core.replies import Noted, Reply, YouAre
from chatnet.core.roles import Rank
from chatnet.core.room import Actor
from chatnet.interfaces import Account
from chatnet.server import codes
from chatnet.server.cursors import Cursor
from chatnet.server.host import Host
from chatnet.server.people import Person
from chatnet.server.rooms import RETRY_SECONDS
from chatnet.server.seats import Participant, inbox_of
from chatnet.server.staff import check_in

if TYPE_CHECKING:
    from chatnet.server.session import Session


LONGEST_SECRET = 128  # characters
_log = Logger()


def arrive(host: Host, session: Session) -> None:
    """Let ``session`` be a guest whom nobody else is called like."""
    digits = 2  # bytes of them; more if most are taken
    while True:
        name = guest_name(host.entropy(digits).hex())
        person = Person(name, False, session.id)
        try:
            host.network.people.claim(name, person)
        except NameTaken:
            digits = min(8, digits + 1)
            continue
        break
    _become(host, session, person)


async def identify(
    host: Host, session: Session, command: c.Nick | c.Register | c.Login | c.ChangePassword
) -> Reply:
    """Do what ``command`` asks for, and return what to say to it.

    The session asks for nothing else meanwhile, and all it asked for before is settled.

    Raises:
        Refused: not so.
    """
    actor = session.actor
    match command:
        case c.Login(name) if actor.registered and account_name(name).key == actor.key:
            return YouAre(actor.name, True)
    rules.permit_person(actor, type(command))
    match command:
        case c.Nick(name, secret):
            return await _nick(host, session, person_name(name), secret)
        case c.Register(name, password, invitation):
            return await _register(host, session, person_name(name), password, invitation)
        case c.Login(name, password):
            account = await _prove(host, session, account_name(name), password)
            check_in(host, account.name, True)
            if codes.is_one(host, account.key, password):
                session.tell("That is a code, for a day. Choose a password: /passwd CODE NEW")
            return await _log_in(host, session, account)
        case c.ChangePassword(old, new):
            name_ = session.person.name
            await codes.change(host, name_, old, new, actor.address, session.gone)
            return Noted("Your password is changed.")


async def _prove(host: Host, session: Session, name: Name, password: str) -> Account:
    address = session.actor.address
    try:
        return await codes.login(host, name, password, address, session.gone)
    except Refused as refusal:
        _log.info(
            "no login as {name} from {address}: {code}",
            name=name.text,
            address=address,
            code=refusal.code,
        )
        raise


async def _nick(host: Host, session: Session, name: Name, secret: str) -> Reply:
    people, person = host.network.people, session.person
    if len(secret) > LONGEST_SECRET:
        raise Malformed(f"A secret has at most {LONGEST_SECRET} characters.")
    session.secret = secret
    check_in(host, name.text, False)
    account = await host.accounts.find(name)
    if account is not None:
        raise NameTaken(
            f"The name {account.name} belongs to an account."
            f" If it is yours: /login {account.name} PASSWORD"
            if account.key == name.key
            else f"The name {name.text} looks too much like {account.name}, who has an account."
        )
    while (holder := people.holder(name, person)) is not None and not session.ended:
        before = next((s for s in holder.sessions if secret and s.secret == secret), None)
        if holder.registered or (holder.sessions and before is None):
            break
        session.waiting = host.network.vacated(holder)  # it makes way, or is on its way out
        if before is not None:
            before.replaced()
        await session.waiting
    old = person.name
    people.claim(name, person)
    await _rename(host, session, person, name, False)
    person.name, person.secret, person.answers = name, secret, None
    host.network.release(old, person, keeping=name)
    _become(host, session, person)
    _log.info("{old} is now {new}", old=old.text, new=name.text)
    return YouAre(name.text, False)


async def _register(
    host: Host, session: Session, name: Name, password: str, invitation: str
) -> Reply:
    address = session.actor.address
    taken = host.invitations.take(invitation)
    try:
        host.defence.register(address)
        try:
            account = await _make(host, session, name, password)
        except BaseException:
            host.defence.unregister(address)
            raise
    except BaseException:
        host.invitations.give_back(taken)
        raise
    await host.invitations.spend(taken, account.name)
    return await _log_in(host, session, account)


async def _make(host: Host, session: Session, name: Name, password: str) -> Account:
    people, person = host.network.people, session.person
    check_in(host, name.text, True)
    people.claim(name, person)  # nobody else takes it while the account is made
    try:
        return await host.accounts.register(name, password, session.actor.address, session.gone)
    except BaseException:
        people.release(name, person, keeping=person.name)
        raise


async def _log_in(host: Host, session: Session, account: Account) -> Reply:
    network, guest = host.network, session.person
    name = person_name(account.name)
    person = network.people.find(name.key)
    if person is None or not person.registered:
        person = Person(name, True)
    network.people.claim(name, person, instead=guest)
    person.sessions[session] = None
    try:
        await _rename(host, session, guest, name, True)
    except Refused:
        person.sessions.pop(session, None)
        if not person.sessions:
            network.people.release(name, person)
        network.people.claim(guest.name, guest)
        raise
    guest.sessions.pop(session, None)
    network.release(guest.name, guest)
    _become(host, session, person)
    _log.info(
        "{old} is logged in as {new} from {address}",
        old=guest.name.text,
        new=name.text,
        address=session.actor.address,
    )
    await _begin_inbox(host, session)
    return YouAre(name.text, True)


async def _begin_inbox(host: Host, session: Session) -> None:
    """Let ``session`` read what is told to its person, now or as soon as that can be read."""
    try:
        await open_inbox(host, session)
    except Unavailable:
        host.clock.callLater(RETRY_SECONDS, _try_inbox, host, session)


def _try_inbox(host: Host, session: Session) -> None:
    done = Deferred.fromCoroutine(_begin_inbox(host, session))
    done.addErrback(lambda bug: _log.failure("a person's own log broke", bug))


async def open_inbox(host: Host, session: Participant) -> None:
    """Let ``session`` read what is told to its person alone: at first what came while it was away.

    Raises:
        Unavailable: the store cannot be read.
    """
    person = session.person
    audience = await host.network.open(inbox_of(session.person))
    room = audience.room
    if audience.has(session) or session not in person.sessions:
        return
    seen = min(room.decided.seen, room.log.head) if person.registered else room.log.head
    audience.open(
        Cursor(session, session.recall, seen, room.log.head),
        Cursor(session, session.style, room.log.head),
    )
    host.turn.ring(audience)


async def _rename(host: Host, session: Session, old: Person, new: Name, registered: bool) -> None:
    try:
        await host.network.rename(session, old, new, registered)
    except Refused:
        if not registered:
            host.network.people.release(new, old, keeping=old.name)
        raise


def _become(host: Host, session: Session, person: Person) -> None:
    person.sessions[session] = None
    session.person = person
    rank = host.network.office.rank(person.name.key) if person.registered else Rank.USER
    session.actor = Actor(
        person.name.text, person.name.key, person.registered, session.actor.address, rank
    )
    if not person.name.text.startswith(GUEST):  # who stays without a name is seen at the end
        host.network.visitors.sees(session.actor)
