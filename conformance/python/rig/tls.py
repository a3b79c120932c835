"""TLS on the port that speaks plainly too."""

import socket
import ssl
from pathlib import Path

import pytest

from rig.command import run


def endpoint(server) -> str:
    """The same port, as clients of TLS name it."""
    return server.endpoint.replace("http://", "https://")


def is_served(server) -> bool:
    """Whether there is a handshake, whoever the certificate is from."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(server.address, timeout=5) as plain:
            with context.wrap_socket(plain):
                return True
    except OSError:
        return False


def authority(server, folder: Path) -> Path:
    """The file of the certificate that the server's own are signed with."""
    if not is_served(server):
        pytest.skip("the port does not speak TLS")
    ran = run("certs", "--data", server.data)
    assert ran.returncode == 0, ran.stderr
    said = ran.stdout
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    certificate = said[said.index(begin) : said.index(end) + len(end)]
    file = folder / "authority.pem"
    file.write_text(certificate + "\n")
    return file
