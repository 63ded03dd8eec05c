"""Accounts: made, proved, changed; passwords never touch the reactor's thread."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Any, TypeVar, cast

from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from chatnet.accounts.passwords import derive, matches, outdated
from chatnet.accounts.realm import AccountRealm, IMemberAvatar, MemberAvatar, PasswordChecker
from chatnet.accounts.throttle import Throttle
from chatnet.core.limits import Limits
from chatnet.core.names import Name
from chatnet.core.refusals import (
    BadPassword,
    NameTaken,
    TooManyTries,
    Unavailable,
    WrongPassword,
)
from chatnet.interfaces import Account, IAccounts, IAccountStore, Runs

T = TypeVar("T")

_MANY = 500  # accounts that are looked at in one go
MOST_AT_ONCE = 512  # passwords in work or waiting: bounds what a flood of them costs


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
    ) -> None:
        self.password_length = password_length
        self._clock = clock
        self._store, self._writer = store, writer
        self._reads, self._reader = reads, reader
        self._hasher, self._entropy = hasher, entropy
        self._throttle = Throttle(clock, limits)
        self._at_once = 0
        self._portal = Portal(
            AccountRealm(reads, reader), [PasswordChecker(reads, reader, hasher, entropy)]
        )

    @property
    def delayed(self) -> int:
        return self._throttle.delayed

    def find(self, name: Name) -> Deferred[Account | None]:
        return self._reader.run(self._reads.find, sorted(name.claims))

    def made_since(self, at: float) -> Deferred[int]:
        return Deferred.fromCoroutine(self._made_since(at))

    async def _made_since(self, at: float) -> int:
        every, count = iter(self._reads.accounts()), 0
        while some := await self._reader.run(lambda: list(islice(every, _MANY))):
            count += sum(made >= at for _, made in some)
        return count

    def register(self, name: Name, password: str, address: str) -> Deferred[Account]:
        return self._counted(self._register(name, password))

    def login(self, name: Name, password: str, address: str) -> Deferred[Account]:
        return self._counted(self._login(name, password, address))

    def change(self, name: Name, old: str, new: str, address: str) -> Deferred[None]:
        return self._counted(self._change(name, old, new, address))

    def reset(self, name: Name, password: str) -> Deferred[None]:
        return self._counted(self._reset(name, password))

    def remove(self, name: Name) -> Deferred[None]:
        return self._counted(self._stored(self._writer.run(self._store.remove, name.key)))

    def hash(self, password: str) -> Deferred[str]:
        return self._counted(self._hash(password))

    def verify(self, password: str, verifier: str, address: str) -> Deferred[bool]:
        return self._counted(self._verify(password, verifier, address))

    def _counted(self, work: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
        if self._at_once >= MOST_AT_ONCE:
            work.close()
            return fail(TooManyTries("Too many people are logging in. Try again in a minute."))
        self._at_once += 1
        done: Deferred[T] = Deferred.fromCoroutine(work)
        return done.addBoth(self._counted_down)

    def _counted_down(self, result: T) -> T:
        self._at_once -= 1
        return result

    async def _hash(self, password: str) -> str:
        return await self._hasher.run(derive, password, self._entropy)

    async def _register(self, name: Name, password: str) -> Account:
        self._check_length(password)
        if await self.find(name):
            raise NameTaken(f"There is an account called {name.text}, or too much like it.")
        verifier = await self._hash(password)
        at = self._clock.seconds()
        if not await self._stored(self._writer.run(self._store.add, name, verifier, at)):
            raise NameTaken(f"There is an account called {name.text}, or too much like it.")
        return Account(name.text, name.key, verifier)

    async def _login(self, name: Name, password: str, address: str) -> Account:
        await self._throttle.brake(name.key, address)
        credentials = UsernamePassword(name.key.encode(), password.encode())
        try:
            _, avatar, _ = await self._portal.login(credentials, None, IMemberAvatar)
        except UnauthorizedLogin:
            raise WrongPassword(
                f"Wrong name or password. Is there an account called {name.text}?"
            ) from None
        self._throttle.succeeded(name.key, address)
        account = cast(MemberAvatar, avatar).account
        if outdated(account.verifier):
            await self._replace(account.key, password)
        return account

    async def _change(self, name: Name, old: str, new: str, address: str) -> None:
        self._check_length(new)
        await self._login(name, old, address)
        await self._replace(name.key, new)

    async def _reset(self, name: Name, password: str) -> None:
        self._check_length(password)
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

    async def _verify(self, password: str, verifier: str, address: str) -> bool:
        await self._throttle.brake(verifier, address)
        right = await self._hasher.run(matches, password, verifier)
        if right:
            self._throttle.succeeded(verifier, address)
        return right

    def _check_length(self, password: str) -> None:
        fewest, most = self.password_length
        if not fewest <= len(password) <= most:
            raise BadPassword(f"A password has {fewest} to {most} characters here.")
