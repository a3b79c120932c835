"""Moving the service's clock of a server in development mode."""

import subprocess

from rig.server import binary, environment


def move(server, by):
    """Moves it ahead, as `+25h` says."""
    moved = subprocess.run(
        [binary(), "clock", by, "--data", str(server.data)],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment(),
    )
    assert moved.returncode == 0, moved.stderr
    return moved.stdout
