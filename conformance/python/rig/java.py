"""The Java clients: programs of `conformance/java` on the class paths that Maven wrote."""

import os
import socket
import subprocess
from pathlib import Path

from rig import programs
from rig.server import environment
from rig.waiting import until

# One JVM of several on a small machine: quick to start, and modest.
_FLAGS = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx384m"]
_PASSWORD = "changeit"


def _classpath(project: str) -> str:
    folder = Path(os.environ["LEVADA_JAVA"]) / project
    return f"{folder / 'classes'}:{(folder / 'classpath').read_text()}"


def program(name: str, *arguments: str, flags=()) -> list:
    """The command line of a program."""
    return ["java", *_FLAGS, *flags, "-cp", _classpath("clients"), f"levada.{name}", *arguments]


def trusting(authority: Path, folder: Path) -> list:
    """The flags that make a JVM trust a certificate authority."""
    store = folder / "trusted.p12"
    command = ["keytool", "-importcert", "-noprompt", "-alias", "levada", "-file", str(authority)]
    command += ["-keystore", str(store), "-storetype", "PKCS12", "-storepass", _PASSWORD]
    subprocess.run(command, check=True, capture_output=True)
    return [
        f"-Djavax.net.ssl.trustStore={store}",
        f"-Djavax.net.ssl.trustStorePassword={_PASSWORD}",
    ]


class Leases:
    """DynamoDB Local, in memory."""

    def __init__(self, folder: Path):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        main = "software.amazon.dynamodb.services.local.main.ServerRunner"
        command = ["java", *_FLAGS, "-cp", _classpath("leases"), main]
        command += ["-inMemory", "-disableTelemetry", "-port", str(self._port)]
        self.process = programs.Process(
            command, folder / "leases.log", lambda line: None, cwd=folder, env=environment()
        )
        self.endpoint = f"http://127.0.0.1:{self._port}"
        until(self._listens, seconds=60, every=0.1, what="DynamoDB Local")

    def _listens(self) -> bool:
        assert self.process.is_alive(), self.process.tail()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


def worker(server, leases, name: str, applications: list, folder: Path, hear) -> programs.Process:
    """A KCL worker that serves applications."""
    return programs.Process(
        program("Worker", name, *applications),
        folder / f"{name}.log",
        hear,
        env=programs.variables(server, LEASES_ENDPOINT=leases.endpoint),
    )
