"""Clients that are programs of their own: run to their end, or alongside the test."""

import subprocess
import threading
from pathlib import Path

from rig import marks
from rig.server import KEY_ID, REGION, SECRET, environment

_SECONDS = 100


def variables(server, **more) -> dict:
    """What a client finds in its environment."""
    return environment(
        **{
            "LEVADA_ENDPOINT": server.endpoint,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            **more,
        }
    )


def run(server, arguments: list, **more):
    """Runs a program to its end and notes the operations that it says it called."""
    ran = subprocess.run(
        arguments, capture_output=True, text=True, timeout=_SECONDS, env=variables(server, **more)
    )
    assert ran.returncode == 0, (
        f"{ran.stdout[-2000:]}\n{ran.stderr[-6000:]}\nserver: {server.tail_of_log()}"
    )
    for line in ran.stdout.splitlines():
        word, _, rest = line.partition("\t")
        if word == "operations":
            for operation in rest.split(","):
                marks.note(operation)


class Process:
    """A program that runs along; its lines go to `hear` as they come."""

    def __init__(self, arguments: list, log: Path, hear, **popen):
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                **popen,
            )
        self._reader = threading.Thread(target=self._read, args=(hear,), daemon=True)
        self._reader.start()

    def _read(self, hear):
        for line in self._process.stdout:
            hear(line.rstrip("\n").split("\t"))

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def finish(self, seconds=30):
        """Ends its standard input, which asks it to end."""
        self._process.stdin.close()
        code = self._process.wait(seconds)
        self._reader.join(seconds)
        assert code == 0, f"ended with {code}: {self.tail()}"

    def kill(self):
        """As a crash does."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def tail(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]
