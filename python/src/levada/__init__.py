"""A self-hosted Amazon Kinesis, started and stopped from Python.

>>> import levada
>>> with levada.server() as aws:
...     kinesis = aws.client("kinesis")
"""

from levada._binary import find_binary
from levada._server import Server, StartError, server

__all__ = ["Server", "StartError", "find_binary", "server"]
