"""What `docs/deploy.md` promises: the unit, the image's file system, what a supervisor hears, backup
and upgrade."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tomllib
from pathlib import Path

import pytest

from rig import clients, streams
from rig.server import Server, binary, environment

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
#: Of 100: what `systemd-analyze security` may still find to say about the unit.
EXPOSURE_MAX = 15
#: The image's user.
NOBODY = "65532:65532"
SECONDS = 30


@pytest.mark.parametrize("place", ["path", "abstract"])
def test_a_supervisor_is_told(tmp_path, place):
    name = str(tmp_path / "notify") if place == "path" else f"@levada-{os.getpid()}"
    supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    supervisor.settimeout(SECONDS)
    supervisor.bind(name.replace("@", "\0"))
    server = Server(tmp_path / "data", NOTIFY_SOCKET=name).start()
    assert supervisor.recv(100) == b"READY=1"
    server.stop()
    assert supervisor.recv(100) == b"STOPPING=1"
    supervisor.close()


def test_a_supervisor_that_is_gone_is_no_reason_to_stop(tmp_path):
    server = Server(tmp_path / "data", NOTIFY_SOCKET=str(tmp_path / "nobody")).start()
    assert server.is_ready()
    server.stop()
    assert "supervisor" in server.tail_of_log()


@pytest.fixture
def analyze(tmp_path):
    """`systemd-analyze` and the unit, its binary the one under test."""
    tool = shutil.which("systemd-analyze")
    if not tool:
        pytest.skip("there is no systemd-analyze")
    text = (DEPLOY / "levada.service").read_text()
    assert "ExecStart=/usr/bin/levada serve\n" in text
    unit = tmp_path / "levada.service"
    unit.write_text(text.replace("/usr/bin/levada", binary()))
    return lambda *words: subprocess.run(
        [tool, *words, str(unit)], capture_output=True, text=True, timeout=SECONDS
    )


def test_the_unit_is_one(analyze):
    ran = analyze("verify", "--man=no")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""


def test_the_unit_is_hardened(analyze):
    ran = analyze("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}")
    if "offline" in ran.stderr:
        pytest.skip("systemd-analyze is too old to judge a file")
    assert ran.returncode == 0, ran.stdout


def test_the_units_exit_codes_are_the_binarys(tmp_path):
    text = (DEPLOY / "levada.service").read_text()
    assert "RestartPreventExitStatus=2\n" in text
    ran = subprocess.run(
        [binary(), "serve", "--data", str(tmp_path)],
        env=environment(LEVADA_LISTEN="nonsense"),
        capture_output=True,
        timeout=SECONDS,
    )
    assert ran.returncode == 2


def instructions():
    """The Dockerfile's instructions, continued lines joined."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = (line.strip() for line in text.splitlines())
    return [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]


def test_the_image_is_built_by_the_pinned_toolchain():
    pinned = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    assert ["ARG", f"RUST={pinned}"] in instructions()


def variables_of_the_image():
    [given] = [rest for word, rest in instructions() if word == "ENV" and "LEVADA" in rest]
    return dict(pair.split("=", 1) for pair in given.split())


def test_the_image_is_configured_by_keys_that_exist():
    variables = variables_of_the_image()
    keys = {name: value for name, value in variables.items() if name != "LEVADA_ENDPOINT"}
    ran = subprocess.run(
        [binary(), "config", "show", "--origin"],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ran.returncode == 0, ran.stderr
    assert all(f"# env {name}\n" in ran.stdout for name in keys)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The image's file system, laid out as its Dockerfile does it, and how to run in it."""
    if os.geteuid() != 0:
        pytest.skip("another root folder needs root")
    root = tmp_path_factory.mktemp("image")
    root.chmod(0o755)
    subprocess.run([DEPLOY / "stage-root.sh", binary(), root], check=True, timeout=SECONDS)
    os.chown(root / "data", *map(int, NOBODY.split(":")))
    return root


def command_of(instruction):
    """An instruction's command, as a list of words."""
    [rest] = [rest for word, rest in instructions() if word == instruction]
    return json.loads(rest[rest.index("[") :])


def test_the_image_serves_and_its_healthcheck_says_so(image):
    given = {**variables_of_the_image(), "LEVADA_LISTEN": "0.0.0.0:0", "LEVADA_ENDPOINT": ""}
    inside = [shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin:/bin"), f"--userspec={NOBODY}", str(image)]
    served = Server(image / "data", **given)
    served.arguments = inside + command_of("ENTRYPOINT") + command_of("CMD")
    served.start()
    try:
        assert served.ready["data"] == "/data"
        client = clients.client(served.endpoint)
        client.create_stream(StreamName="contained", ShardCount=1)
        check = subprocess.run(inside + command_of("HEALTHCHECK"), env=given, timeout=SECONDS)
        assert check.returncode == 0
        assert (image / "data/FORMAT").stat().st_uid == int(NOBODY.split(":")[0])
    finally:
        served.stop()
    check = subprocess.run(inside + command_of("HEALTHCHECK"), env=given, timeout=SECONDS)
    assert check.returncode == 3


def test_the_healthcheck_asks_where_the_image_listens():
    variables = variables_of_the_image()
    port = variables["LEVADA_LISTEN"].rpartition(":")[2]
    assert variables["LEVADA_ENDPOINT"].endswith(f":{port}")
    assert ["EXPOSE", port] in instructions()


def test_the_image_holds_nothing_else(image):
    files = (path.relative_to(image) for path in image.rglob("*") if path.is_file())
    held = {str(path) for path in files if not str(path).startswith("data")}
    libraries = {name for name in held if re.search(r"(^|/)lib(64)?/.*\.so", name)}
    assert held - libraries <= {
        "usr/bin/levada",
        "etc/passwd",
        "etc/group",
        "etc/ssl/certs/ca-certificates.crt",
    }


def put(client, name, count):
    """Acknowledged records; their sequence numbers."""
    entries = [{"Data": b"%d" % n, "PartitionKey": "k"} for n in range(count)]
    return [placed["SequenceNumber"] for placed in streams.put_all(client, name, entries)]


def held_by(folder, name):
    """The sequence numbers in a copy."""
    server = Server(folder).start()
    records = streams.read_shard(clients.client(server.endpoint), name, "shardId-000000000000")
    server.stop()
    return [record["SequenceNumber"] for record in records]


def test_a_copy_of_a_stopped_folder_is_a_backup(tmp_path):
    server = Server(tmp_path / "data").start()
    client = clients.client(server.endpoint)
    name = streams.create(client)
    numbers = put(client, name, 1000)
    server.stop()
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    assert held_by(tmp_path / "copy", name) == numbers


def test_a_snapshot_of_a_running_folder_is_a_backup(tmp_path):
    server = Server(tmp_path / "data").start()
    client = clients.client(server.endpoint)
    name = streams.create(client)
    numbers = put(client, name, 1000)
    # A process that stands still is what makes a copy atomic here; a file system has other means.
    server.process.send_signal(signal.SIGSTOP)
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    server.process.send_signal(signal.SIGCONT)
    put(client, name, 10)
    server.stop()
    assert held_by(tmp_path / "copy", name) == numbers


def test_a_newer_format_is_refused_and_left_alone(tmp_path):
    server = Server(tmp_path / "data").start()
    server.stop()
    assert (tmp_path / "data/FORMAT").read_text() == "levada 1\n"
    (tmp_path / "data/FORMAT").write_text("levada 2\n")

    def files():
        kept = (path for path in (tmp_path / "data").rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in kept}

    before = files()
    ran = subprocess.run(
        [binary(), "serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ran.returncode == 1
    assert "levada 2" in ran.stderr and "help: " in ran.stderr
    assert files() == before
