"""The binary's subcommands."""

import subprocess

from rig.server import binary, environment

# A backup of a busy server is the slowest.
SECONDS = 120


def run(*arguments, given="", **variables):
    """Runs one to its end, with the suite's root key in its environment and `given` to read."""
    return subprocess.run(
        [binary(), *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=environment(**variables),
    )


def move_clock(server, by):
    """Moves the clock of a server in development mode; what was said."""
    moved = run("clock", by, "--data", server.data)
    assert moved.returncode == 0, moved.stderr
    return moved.stdout
