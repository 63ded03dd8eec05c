"""A self-hosted chat network: one port, any client, nothing lost."""

__version__ = "0.1.0"
