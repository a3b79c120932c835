"""A server process of its own for every suite."""

import json
import os
import select
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

ACCOUNT = "000000000000"
REGION = "us-east-1"
KEY_ID = "AKIACONFORMANCE00001"
SECRET = "conformance/secret+conformance/secret000"

READY_SECONDS = 30
STOP_SECONDS = 30


def binary():
    """The binary under test."""
    return os.environ["LEVADA_BINARY"]


def environment(**more):
    """What the binary finds in its environment: the root key, and nothing of the caller's AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **kept,
        "LEVADA_ROOT_ACCESS_KEY_ID": KEY_ID,
        "LEVADA_ROOT_SECRET_ACCESS_KEY": SECRET,
        **more,
    }


class Server:
    """`levada serve` on a free port."""

    def __init__(self, data: Path, *flags: str, command="serve", **variables: str):
        self.data = Path(data)
        self.log = self.data.parent / f"{self.data.name}.log"
        self.arguments = [binary(), command, "--data", str(self.data), "--listen", "127.0.0.1:0"]
        self.arguments += flags
        self.variables = variables
        self.process = None
        self.ready = None

    def start(self) -> "Server":
        """Starts it and waits for the line that says where it listens."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(**self.variables),
            )
        line = self.read_line(READY_SECONDS)
        try:
            self.ready = json.loads(line)
        except ValueError:
            self.kill()
            raise AssertionError(f"no ready line but {line!r}; log: {self.tail_of_log()}") from None
        return self

    def read_line(self, seconds: float) -> str:
        """A line of standard output; empty if the process ended or the time ran out."""
        deadline = time.monotonic() + seconds
        line = b""
        while not line.endswith(b"\n"):
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self.process.stdout], [], [], left)[0]:
                break
            byte = os.read(self.process.stdout.fileno(), 1)
            if not byte:
                break
            line += byte
        return line.decode()

    @property
    def endpoint(self) -> str:
        return self.ready["endpoint"]

    @property
    def address(self) -> tuple:
        host, _, port = self.endpoint.removeprefix("http://").partition(":")
        return host, int(port)

    def is_ready(self) -> bool:
        with urllib.request.urlopen(f"{self.endpoint}/health/ready", timeout=5) as answer:
            return answer.status == 200

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def resident_bytes(self) -> int:
        """What the process holds in memory."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the kernel does not say VmRSS")

    def stop(self) -> None:
        """Asks it to drain; it must do so, and end well."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_SECONDS)
        self.process.stdout.close()
        assert code == 0, f"SIGTERM ended with {code}; log: {self.tail_of_log()}"

    def kill(self) -> None:
        """As a crash does."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)
        self.process.stdout.close()

    def tail_of_log(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]
