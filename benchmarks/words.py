"""twisted.words as it comes, letting everybody in: python -m benchmarks.words PORT."""

from __future__ import annotations

import sys
from typing import Any

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.portal import Portal
from twisted.internet import defer, reactor as installed  # noqa: TID251 -- this is a program
from twisted.words.service import InMemoryWordsRealm, IRCFactory
from zope.interface import implementer


@implementer(ICredentialsChecker)
class Anybody:
    """Believes everybody."""

    credentialInterfaces = (IUsernamePassword,)  # noqa: N815 -- Twisted's name

    def requestAvatarId(self, credentials: Any) -> defer.Deferred[Any]:
        return defer.succeed(credentials.username)


def main() -> None:
    reactor: Any = installed
    realm = InMemoryWordsRealm("bench.local")
    realm.createUserOnRequest = realm.createGroupOnRequest = True
    factory = IRCFactory(realm, Portal(realm, [Anybody()]))
    factory.noisy = False
    reactor.listenTCP(int(sys.argv[1]), factory, 4096, "127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
