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


def _folder(project: str) -> Path:
    return Path(os.environ["LEVADA_JAVA"]) / project


def _classpath(project: str) -> str:
    folder = _folder(project)
    return f"{folder / 'classes'}:{(folder / 'classpath').read_text()}"


def program(name: str, *arguments: str, flags=()) -> list:
    """The command line of a program."""
    logging = _folder("clients") / "classes" / "logging.properties"
    flags = [*_FLAGS, f"-Djava.util.logging.config.file={logging}", *flags]
    return ["java", *flags, "-cp", _classpath("clients"), f"levada.{name}", *arguments]


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


def worker(leases, command: list, log: Path, hear, variables: dict) -> programs.Process:
    """A KCL worker, told where its leases are."""
    return programs.Process(
        command, log, hear, env={**variables, "LEASES_ENDPOINT": leases.endpoint}
    )
