"""`levada demo` on a terminal and off it."""

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import termios
import time

from rig import clients, deliveries
from rig.command import run
from rig.server import KEY_ID, SECRET, Server, binary, environment
from rig.waiting import until


def test_a_second_client_sees_the_demo(tmp_path):
    demo = Server(tmp_path / "data", command="demo").start()
    client = clients.client(demo.endpoint)
    assert client.list_streams()["StreamNames"] == ["ticker"]
    lines = [demo.read_line(20) for _ in range(3)]
    assert all(line.startswith("shardId-") and "symbol" in line for line in lines), lines
    s3 = clients.client(demo.endpoint, service="s3")

    def delivered():
        hurried = run("deliver", "flush", "ticker-to-bucket", "--data", demo.data)
        assert hurried.returncode == 0, hurried.stderr
        return deliveries.lines(s3, "ticker", "symbol=")

    lines = until(delivered)
    assert all(json.loads(line)["symbol"] for line in lines), lines
    demo.process.send_signal(signal.SIGINT)
    # What it still has to say must not keep it from ending.
    demo.process.communicate(timeout=30)
    assert demo.process.returncode == 0, demo.tail_of_log()


def _own_terminal():
    """Makes standard input the terminal whose Ctrl-C is the child's."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_terminal_gets_a_banner_and_ctrl_c_ends_it(tmp_path):
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [binary(), "demo", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment(),
        start_new_session=True,
        preexec_fn=_own_terminal,
    )
    os.close(terminal)
    try:
        shown = _read_until(screen, lambda text: '"symbol"' in text)
        assert KEY_ID in shown and SECRET not in shown
        assert "http://127.0.0.1:" in shown
        assert "env --data" in shown
        assert any(line.startswith("ready in ") for line in shown.splitlines())
        os.write(screen, b"\x03")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def _read_until(screen, is_enough, seconds=30) -> str:
    deadline, text = time.monotonic() + seconds, ""
    while not is_enough(text):
        assert time.monotonic() < deadline, text
        if select.select([screen], [], [], 0.2)[0]:
            text += os.read(screen, 4096).decode(errors="replace").replace("\r\n", "\n")
    return text


def test_the_demo_starts_again_on_its_folder(tmp_path):
    for _ in range(2):
        demo = Server(tmp_path / "data", command="demo").start()
        assert "symbol" in demo.read_line(20)
        demo.process.send_signal(signal.SIGTERM)
        demo.process.communicate(timeout=30)
        assert demo.process.returncode == 0
    again = Server(tmp_path / "data").start()
    client = clients.client(again.endpoint)
    until(lambda: client.list_streams()["StreamNames"] == ["ticker"])
    again.stop()
