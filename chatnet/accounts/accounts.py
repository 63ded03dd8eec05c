"""Accounts: made, proved, changed; passwords never touch the reactor's thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from itertools import islice
from typing import Any, TypeVar, cast

from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from chatnet.accounts.passwords import derive, matches, outdated
from chatnet.accounts.realm import AccountRealm, IMemberAvatar, MemberAvatar, PasswordChecker
from chatnet.accounts.throttle import Throttle
from chatnet.accounts.turns import Turns
from chatnet.core.addresses import party_of
from chatnet.core.limits import Limits
from chatnet.core.names import Name
from chatnet.core.refusals import (
    BadPassword,
    NameTaken,
    Unavailable,
    WrongPassword,
)
from chatnet.interfaces import Account, Gone, IAccounts, IAccountStore, Runs, never

T = TypeVar("T")

_TRY_AGAIN = "Try again; whoever runs this server helps those who forgot theirs."
_MANY = 500  # accounts that are looked at in one go
_AT_ONCE = 100  # names that are looked up in one go

_Sought = tuple[Name, Deferred[Account | None]]


@implementer(IAccounts)
class Accounts:
    """Lends a blocking account store its threads, and puts the brakes on guessing."""

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: IAccountStore,
        writer: Runs,
        reads: IAccountStore,
        reader: Runs,
        hasher: Runs,
        entropy: Callable[[int], bytes],
        password_length: tuple[int, int] = (4, 128),
        limits: Limits | None = None,
        at_once: int = 1,
    ) -> None:
        """Compute ``at_once`` passwords, as many as ``hasher`` has threads."""
        self.password_length = password_length
        self._clock = clock
        self._store, self._writer = store, writer
        self._reads, self._reader = reads, reader
        self._hasher, self._entropy = hasher, entropy
        self._throttle = Throttle(clock, limits)
        self._turns = Turns(at_once)
        self._sought: list[_Sought] = []  # who is to be looked up next, all at once
        self._seeking: list[_Sought] = []  # who is being looked up
        self._portal = Portal(
            AccountRealm(reads, reader), [PasswordChecker(reads, reader, hasher, entropy)]
        )

    @property
    def delayed(self) -> int:
        return self._throttle.delayed

    def find(self, name: Name) -> Deferred[Account | None]:
        found: Deferred[Account | None] = Deferred()
        self._sought.append((name, found))
        if not self._seeking:
            self._seek()
        return found

    def made_since(self, at: float) -> Deferred[int]:
        return Deferred.fromCoroutine(self._made_since(at))

    async def _made_since(self, at: float) -> int:
        every, count = iter(self._reads.accounts()), 0
        while some := await self._reader.run(lambda: list(islice(every, _MANY))):
            count += sum(made >= at for _, made in some)
        return count

    def register(
        self, name: Name, password: str, address: str, gone: Gone = never
    ) -> Deferred[Account]:
        return Deferred.fromCoroutine(self._register(name, password, address, gone))

    def login(
        self, name: Name, password: str, address: str, gone: Gone = never
    ) -> Deferred[Account]:
        return Deferred.fromCoroutine(self._login(name, password, address, gone))

    def change(
        self, name: Name, old: str, new: str, address: str, gone: Gone = never
    ) -> Deferred[None]:
        return Deferred.fromCoroutine(self._change(name, old, new, address, gone))

    def reset(self, name: Name, password: str) -> Deferred[None]:
        return Deferred.fromCoroutine(self._reset(name, password))

    def remove(self, name: Name) -> Deferred[None]:
        done = self._stored(self._writer.run(self._store.remove, name.key))
        return Deferred.fromCoroutine(done)

    def hash(self, password: str) -> Deferred[str]:
        return Deferred.fromCoroutine(self._hash(password))

    def verify(
        self, password: str, verifier: str, address: str, gone: Gone = never
    ) -> Deferred[bool]:
        return Deferred.fromCoroutine(self._verify(password, verifier, address, gone))

    def _seek(self) -> None:
        """Ask the store for all who are sought; who is sought meanwhile waits for the next time."""
        self._seeking, self._sought = self._sought[:_AT_ONCE], self._sought[_AT_ONCE:]
        if self._seeking:
            claims = {claim for name, _ in self._seeking for claim in name.claims}
            self._reader.run(self._reads.holders, sorted(claims)).addBoth(self._told)

    def _told(self, holders: Mapping[str, Account] | Failure) -> None:
        seeking = self._seeking
        self._seek()
        for name, found in seeking:
            if isinstance(holders, Failure):
                found.errback(holders)
            else:
                held = (holders.get(claim) for claim in sorted(name.claims))
                found.callback(next((account for account in held if account), None))

    async def _hash(self, password: str, address: str = "", gone: Gone = never) -> str:
        work = self._derive(password)
        return await self._turns.do(work, party_of(address), 1.0, gone)

    async def _derive(self, password: str) -> str:
        return await self._hasher.run(derive, password, self._entropy)

    async def _tried(self, work: Coroutine[Deferred[Any], Any, T], address: str, gone: Gone) -> T:
        """Return what ``work`` does, which tries a password; who guessed before waits longer."""
        cost = 1.0 + self._throttle.tried(address)
        return await self._turns.do(work, party_of(address), cost, gone)

    async def _register(self, name: Name, password: str, address: str, gone: Gone) -> Account:
        self.check_length(password)
        if await self.find(name):
            raise NameTaken(f"There is an account called {name.text}, or too much like it.")
        verifier = await self._hash(password, address, gone)
        at = self._clock.seconds()
        if not await self._stored(self._writer.run(self._store.add, name, verifier, at)):
            raise NameTaken(f"There is an account called {name.text}, or too much like it.")
        return Account(name.text, name.key, verifier)

    async def _login(self, name: Name, password: str, address: str, gone: Gone) -> Account:
        await self._throttle.brake(name.key, address)
        credentials = UsernamePassword(name.key.encode(), password.encode())
        try:
            avatar = await self._tried(self._prove(credentials), address, gone)
        except UnauthorizedLogin:
            raise WrongPassword(
                f"Wrong name or password. Either the password of {name.text} is another one, or"
                f" there is no account called {name.text}. {_TRY_AGAIN}"
            ) from None
        self._throttle.succeeded(name.key, address)
        account = avatar.account
        if outdated(account.verifier):
            await self._replace(account.key, password)
        return account

    async def _prove(self, credentials: UsernamePassword) -> MemberAvatar:
        _, avatar, _ = await self._portal.login(credentials, None, IMemberAvatar)
        return cast(MemberAvatar, avatar)

    async def _change(self, name: Name, old: str, new: str, address: str, gone: Gone) -> None:
        self.check_length(new)
        try:
            await self._login(name, old, address, gone)
        except WrongPassword:
            raise WrongPassword(
                f"That is not the password you have now, so it stays as it is. {_TRY_AGAIN}"
            ) from None
        await self._replace(name.key, new)

    async def _reset(self, name: Name, password: str) -> None:
        self.check_length(password)
        await self._replace(name.key, password)

    async def _replace(self, key: str, password: str) -> None:
        verifier = await self._hash(password)
        await self._stored(self._writer.run(self._store.change, key, verifier))

    async def _stored(self, done: Deferred[T]) -> T:
        try:
            return await done
        except OSError as error:
            self._log.error("cannot store an account: {error}", error=str(error))
            raise Unavailable("That could not be stored. Please try again.") from None

    async def _verify(self, password: str, verifier: str, address: str, gone: Gone) -> bool:
        await self._throttle.brake(verifier, address)
        right = await self._tried(self._matches(password, verifier), address, gone)
        if right:
            self._throttle.succeeded(verifier, address)
        return right

    async def _matches(self, password: str, verifier: str) -> bool:
        return await self._hasher.run(matches, password, verifier)

    def check_length(self, password: str) -> None:
        fewest, most = self.password_length
        if not fewest <= len(password) <= most:
            raise BadPassword(f"A password has {fewest} to {most} characters here.")
