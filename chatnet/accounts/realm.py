"""Accounts as twisted.cred sees them: a checker of passwords and a realm of accounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface, implementer

from chatnet.accounts.passwords import derive, matches
from chatnet.interfaces import Account, IAccountStore, Runs

Avatar = tuple[type[Interface], object, Callable[[], None]]


class IMemberAvatar(Interface):
    """What a successful login gives: an account to act as."""

    account = Attribute("The L{Account}.")


@implementer(IMemberAvatar)
class MemberAvatar:
    """Someone who proved to be ``account``."""

    def __init__(self, account: Account) -> None:
        self.account = account


@implementer(ICredentialsChecker)
class PasswordChecker:
    """Compares passwords with the verifiers in the store; an avatar id is an account's key."""

    credentialInterfaces = (IUsernamePassword,)  # noqa: N815 -- cred's name

    def __init__(
        self,
        store: IAccountStore,
        reader: Runs,
        hasher: Runs,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._store, self._reader, self._hasher = store, reader, hasher
        self._decoy = ""  # compared with when there is no such account: that takes as long
        self._entropy = entropy

    def requestAvatarId(self, credentials: UsernamePassword) -> Deferred[bytes | tuple[()]]:
        """Return the key of the account that ``credentials`` are right for."""
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: UsernamePassword) -> bytes | tuple[()]:
        key, password = credentials.username.decode(), credentials.password.decode()
        account = (await self._reader.run(self._store.holders, [key])).get(key)
        if account is None or account.key != key:
            if not self._decoy:
                self._decoy = await self._hasher.run(derive, "", self._entropy)
            await self._hasher.run(matches, password, self._decoy)
            raise UnauthorizedLogin(key)
        if not await self._hasher.run(matches, password, account.verifier):
            raise UnauthorizedLogin(key)
        return credentials.username


@implementer(IRealm)
class AccountRealm:
    """Gives an account to whoever proved to be it."""

    def __init__(self, store: IAccountStore, reader: Runs) -> None:
        self._store, self._reader = store, reader

    def requestAvatar(
        self, avatarId: bytes | tuple[()], mind: object, *interfaces: Any
    ) -> Deferred[Avatar]:
        """Return the avatar of the account whose key is ``avatarId``."""
        if IMemberAvatar not in interfaces:
            raise NotImplementedError("an account is an IMemberAvatar and nothing else")
        key = cast(bytes, avatarId).decode()
        return self._reader.run(self._store.holders, [key]).addCallback(self._found, key)

    def _found(self, holders: Mapping[str, Account], key: str) -> Avatar:
        account = holders.get(key)
        if account is None or account.key != key:  # it was removed meanwhile
            raise UnauthorizedLogin(key)
        return IMemberAvatar, MemberAvatar(account), lambda: None
