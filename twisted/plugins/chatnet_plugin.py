"""Lets ``twistd`` find chatnet."""

from twisted.application.service import ServiceMaker

chatnet = ServiceMaker("chatnet", "chatnet.tap", "A self-hosted chat network", "chatnet")
