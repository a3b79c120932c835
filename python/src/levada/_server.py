"""A server process."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional, Union

from levada._binary import find_binary

READY_SECONDS = 30.0
STOP_SECONDS = 30.0
_LOG_BYTES_SHOWN = 4000


class StartError(RuntimeError):
    """The server did not become ready; the text ends with its log."""


class Server:
    """A running server and what a client needs to know of it."""

    endpoint_url: str
    access_key: str
    secret_key: str
    region: str
    #: Where it keeps its data; `None` in memory.
    data: Optional[Path]
    #: What an AWS SDK or tool reads from its environment.
    env: dict[str, str]

    def __init__(self, data: Optional[Path], region: str, flags: list[str]):
        self.data = data
        self.region = region
        self.access_key = "AKIA" + secrets.token_hex(8).upper()
        self.secret_key = secrets.token_urlsafe(30)
        self._binary = find_binary()
        place = ["--in-memory=true"] if data is None else ["--in-memory=false", f"--data={data}"]
        self._arguments = [self._binary, "serve", "--listen=127.0.0.1:0", *place, *flags]
        self._log = tempfile.TemporaryFile()
        self._process: Optional[subprocess.Popen[bytes]] = None

    def client(self, service: str, **more: Any) -> Any:
        """A boto3 client; `more` goes to boto3, and may name another region."""
        return self.session().client(service, **{"endpoint_url": self.endpoint_url, **more})

    def session(self) -> Any:
        """A boto3 session with the server's key and region; its clients need `endpoint_url`."""
        try:
            import boto3
        except ImportError as error:
            raise ImportError("clients need boto3: pip install levada[boto3]") from error
        return boto3.session.Session(
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
        )

    def apply(self, monkeypatch: Any) -> None:
        """Sets the environment with pytest's `monkeypatch`, for code that makes its own clients."""
        for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in self.env.items():
            monkeypatch.setenv(name, value)

    def log(self) -> str:
        """What the server has written to its log."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def _environment(self) -> dict[str, str]:
        # The caller's own configuration of a server is not this server's.
        kept = {n: v for n, v in os.environ.items() if not n.startswith("LEVADA_")}
        return {
            **kept,
            "LEVADA_CONFIG": os.devnull,
            "LEVADA_ROOT_ACCESS_KEY_ID": self.access_key,
            "LEVADA_ROOT_SECRET_ACCESS_KEY": self.secret_key,
        }

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=self._environment(),
            # An interrupt at the terminal is the caller's; it stops the server by itself.
            start_new_session=True,
        )
        # A server that says nothing for too long is killed, which ends the wait for its line.
        timer = threading.Timer(READY_SECONDS, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if not line:
            self._kill()
            raise StartError(f"levada did not start:\n{self.log()[-_LOG_BYTES_SHOWN:]}")
        self.endpoint_url = json.loads(line)["endpoint"]
        self.env = self._client_environment()

    def _client_environment(self) -> dict[str, str]:
        asked = [self._binary, "env", "--json", f"--endpoint={self.endpoint_url}"]
        asked.append(f"--region={self.region}")
        said = subprocess.run(asked, env=self._environment(), capture_output=True, check=True)
        return {name: value for name, value in json.loads(said.stdout).items() if value is not None}

    def _stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        self._kill()

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@contextlib.contextmanager
def server(
    *,
    in_memory: Optional[bool] = None,
    data: Union[str, os.PathLike, None] = None,
    region: str = "us-east-1",
    flags: tuple[str, ...] = (),
) -> Iterator[Server]:
    """A server on a free loopback port for as long as the block lasts.

    It keeps nothing unless `data` names a folder. `flags` are more of `levada serve`'s, such as
    `"--limits=aws"` or `"--state-delay=500ms"`.
    """
    if in_memory is None:
        in_memory = data is None
    if in_memory == (data is not None):
        raise ValueError("name a data folder, or keep everything in memory: not both, not neither")
    started = Server(None if data is None else Path(data), region, list(flags))
    try:
        started._start()
        try:
            yield started
        finally:
            started._stop()
    finally:
        started._log.close()
