"""Where operators are heard: AMP, on a socket of the machine itself, or over TLS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any

from twisted.internet.interfaces import IAddress, IDelayedCall, ISSLTransport
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.protocols import amp
from twisted.python.failure import Failure

from chatnet.admin.calls import COMMANDS, Happened, Login, More, packed, page
from chatnet.admin.desk import Answer, Desk
from chatnet.admin.grammar import Given, Verb
from chatnet.admin.operator import Operator
from chatnet.admin.verbs import ALL_VERBS, VERBS
from chatnet.admin.watching import Watch
from chatnet.core.names import LONGEST, OPERATOR, person_name
from chatnet.core.plain import plain
from chatnet.core.refusals import Malformed, NoSuchMessage, NotAllowed, Refused, Unavailable
from chatnet.core.roles import Rank
from chatnet.core.staff import barred, refusal

MOST_PORTS = 64  # operators at once
LOGIN_SECONDS = 60.0
LOGIN_BYTES = 16 * 1024  # that may come before somebody is logged in
MOST_RESTS = 8  # answers of which an operator may not have asked for all

Response = dict[str, Any]
Responder = Callable[..., Awaitable[Response]]


class OperatorsFactory(ServerFactory):
    """Lets operators in: as ``trusted`` at once, or after they have logged in."""

    noisy = False

    def __init__(self, desk: Desk, trusted: bool) -> None:
        self.desk = desk
        self._trusted = trusted
        self._ids = count(1)
        self.ports: dict[Port, None] = {}  # the oldest first

    def buildProtocol(self, addr: IAddress | None) -> Port | Full:
        """Return a port for whoever connects, in place of who is not logged in if need be."""
        if len(self.ports) >= MOST_PORTS:
            strange = next((port for port in self.ports if port.strange), None)
            if strange is None:
                return Full()
            strange.cut()
        id, address = f"admin-{next(self._ids)}", getattr(addr, "host", "")
        operator = None
        if self._trusted:
            operator = Operator(self.desk.host, id, OPERATOR, max(Rank))
        return Port(self, id, address, operator)

    def stopFactory(self) -> None:
        """The server stops: nobody is heard any more."""
        self.desk.stop()
        for port in list(self.ports):
            assert port.transport is not None
            port.transport.loseConnection()


class Full(Protocol):
    """The connection of one operator too many, which ends at once."""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()


def _parsed(found: Callable[[amp.AmpBox], object], box: amp.AmpBox) -> object:
    """Return what ``found`` answers to ``box``; it raises only what it cannot read in it.

    Raises:
        RemoteAmpError: what Malformed is on the wire.
    """
    try:
        return found(box)
    except Exception as error:
        sentence = "An argument is missing, or is not of its type."
        raise amp.RemoteAmpError(Malformed.code.encode(), sentence) from error


def _responder(verb: Verb) -> Responder:
    async def respond(self: Port, **values: Any) -> Response:
        return await self.obey(verb, values)

    return respond


class Port(amp.AMP):
    """One operator's connection."""

    _log = Logger()

    def __init__(
        self, factory: OperatorsFactory, id: str, address: str, operator: Operator | None
    ) -> None:
        super().__init__()
        self._house = factory
        self._desk = factory.desk
        self._id = id
        self._address = address
        self._operator = operator
        self._came = 0
        self._timer: IDelayedCall | None = None
        self._rests: dict[str, Sequence[str]] = {}  # rows that are not asked for yet
        self._tokens = count(1)
        self._watch: Watch | None = None

    def connectionMade(self) -> None:
        super().connectionMade()
        self._house.ports[self] = None
        if self._operator is None:
            self._timer = self._desk.host.clock.callLater(LOGIN_SECONDS, self._late)

    def dataReceived(self, data: bytes) -> None:
        """Hear no more than a login of who is not logged in."""
        if self._operator is None:
            self._came += len(data)
            if self._came > LOGIN_BYTES:
                self.cut()
                return
        super().dataReceived(data)

    def locateResponder(self, name: bytes) -> Any:  # noqa: N802 -- Twisted's name
        """Return what answers ``name``.

        AMP itself would let anybody begin TLS, with a key that is made then and there.
        """
        found = super().locateResponder(name)
        if found is None or name == amp.StartTLS.commandName:
            return None
        return lambda box: _parsed(found, box)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self._house.ports.pop(self, None)
        self._stop_waiting()
        if self._watch is not None:
            self._watch.stop()

    @property
    def strange(self) -> bool:
        """Whether nobody is logged in."""
        return self._operator is None

    def _late(self) -> None:
        self._timer = None
        self.cut()

    def cut(self) -> None:
        """End the connection at once."""
        self._house.ports.pop(self, None)
        transport: Any = self.transport
        transport.abortConnection()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- what it is asked for --------------------------------------------------------

    for _verb in ALL_VERBS:
        COMMANDS[_verb.name].responder(_responder(_verb))

    @Login.responder
    async def login(self, name: str, password: str) -> Response:
        """Be an account of the staff."""
        try:
            return await self._guarded(self._login(name, password))
        except Refused as refusal:
            self._log.warn(
                "the operators' port did not let {name} in from {address}: {why}",
                name=plain(name[:LONGEST]),
                address=self._address,
                why=refusal.code,
            )
            raise

    async def _login(self, name: str, password: str) -> Response:
        if self._operator is not None:
            raise NotAllowed(f"You are {self._operator.actor.name} already.")
        if not ISSLTransport.providedBy(self.transport):
            raise NotAllowed("Passwords travel over TLS only.")
        account = await self._desk.host.accounts.login(
            person_name(name), password, self._address, lambda: self not in self._house.ports
        )
        rank = self._rank(account.key)
        if rank < Rank.MODERATOR:
            raise NotAllowed(f"{account.name} is not one of this server's staff.")
        operator = Operator(self._desk.host, self._id, account.name, rank, self._address)
        self._check_in(operator)
        self._stop_waiting()
        self._operator = operator
        self._log.info("{name} operates from {address}", name=account.name, address=self._address)
        return {"rank": rank.name.lower()}

    def _check_in(self, operator: Operator) -> None:
        """See that no ban from the server keeps ``operator`` out."""
        now = self._desk.host.clock.seconds()
        ban = barred(self._desk.host.network.office, operator.actor, now)
        if ban is not None:
            raise refusal(ban, now)

    def _rank(self, key: str) -> Rank:
        return self._desk.host.network.office.rank(key)

    @More.responder
    async def more(self, next: str) -> Response:
        """Return the rows that follow."""
        return await self._guarded(self._more(next))

    async def _more(self, token: str) -> Response:
        rows = self._rests.pop(token, None)
        if rows is None:
            raise NoSuchMessage("Nothing follows, or no more: ask again from the beginning.")
        return self._answer("", rows)

    async def obey(self, verb: Verb, values: dict[str, Any]) -> Response:
        """Do what ``verb`` says, given ``values``."""
        return await self._guarded(self._obey(verb, values))

    async def _obey(self, verb: Verb, values: dict[str, Any]) -> Response:
        if self._operator is None:
            raise NotAllowed("Log in first.")
        rank = self._refreshed()
        if self._operator.actor.key != OPERATOR:
            self._check_in(self._operator)
        self._operator.hear = self._pass_on
        given = Given({name: value for name, value in values.items() if value is not None})
        if verb.name == "watch":
            if rank < verb.rank:
                raise NotAllowed(f"watch takes the rank of {verb.rank.name.lower()}.")
            return self._answer(self._follow(not given.flag("off")), [])
        answer: Answer = await self._desk.do(self._operator, verb, given)
        return self._answer(answer.said, [packed(row) for row in answer.rows])

    def _refreshed(self) -> Rank:
        """Return the rank that the operator has now."""
        assert self._operator is not None
        if self._operator.actor.key != OPERATOR:
            self._operator.be(self._rank(self._operator.actor.key))
        return self._operator.actor.rank

    def _may_watch(self) -> bool:
        return self._refreshed() >= VERBS["watch"].rank

    def _pass_on(self, text: str) -> None:
        """Tell the operator how far something is."""
        row = packed({"at": self._desk.host.clock.seconds(), "level": "progress", "text": text})
        sent = self.callRemote(Happened, rows=[row])
        if sent is not None:
            sent.addErrback(lambda _: None)

    def _follow(self, on: bool) -> str:
        """Begin to tell what happens, or end it; return what to say."""
        if on:
            dials = self._desk.host.dials
            self._watch = self._watch or Watch(
                self, self._desk.host.clock, self._may_watch, dials.keeps
            )
            return "You see what happens from now on."
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        return "You see no more of what happens."

    def _answer(self, said: str, rows: Sequence[str]) -> Response:
        fit, token = page(rows), ""
        if fit < len(rows):
            token = f"{self._id}.{next(self._tokens)}"
            self._rests[token] = rows[fit:]
            if len(self._rests) > MOST_RESTS:
                del self._rests[next(iter(self._rests))]
        return {"said": said, "rows": list(rows[:fit]), "next": token}

    async def _guarded(self, work: Awaitable[Response]) -> Response:
        """Return what comes of ``work``; whatever goes wrong, the connection goes on."""
        try:
            return await work
        except Refused:
            raise
        except OSError as error:
            self._log.error("an operator's wish cannot be done: {error}", error=str(error))
            raise Unavailable("That cannot be read now. Please try again later.") from None
        except Exception:
            self._log.failure("an operator's wish broke")
            raise Unavailable("Something broke here; the server's log has it. Sorry.") from None
