"""A replicated S3-compatible store for the bucket lane: Ceph from Debian's packages, with two gateways to it."""

import os
import shutil
import socket
import subprocess
import uuid
from pathlib import Path

import boto3
import botocore.config

from rig import waiting
from rig.seaweedfs import BUCKET

PACKAGES = ["ceph-mon", "ceph-osd", "radosgw", "ceph-common"]
PROGRAMS = ["ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "ceph-authtool"]
INSTALL_SECONDS = 300
READY_SECONDS = 180
OSDS = 3
GATEWAYS = 2
KEY_ID = "ceph"
SECRET = "ceph-secret"
CAPABILITIES = {"mon": "allow *", "osd": "allow *"}

CONFIG = """\
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{port}]
public_network = 127.0.0.0/8
keyring = {folder}/keyring
log_file = {folder}/$name.log
crash_dir = {folder}/crash
admin_socket =
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
ms_bind_msgr1 = false
osd_pool_default_size = {osds}
osd_pool_default_min_size = {enough}
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 1
rgw_rados_pool_pg_num_min = 8

[mon]
mon_data = {folder}/$name

[osd]
osd_data = {folder}/$name
osd_objectstore = bluestore
bluestore_block_size = 8589934592
bluestore_cache_autotune = false
bluestore_cache_size = 67108864

[client]
rgw_dynamic_resharding = false
rgw_thread_pool_size = 64
"""


def missing():
    """Installs the packages where that is allowed; the reason if there are still programs missing."""
    if not _absent():
        return None
    packages = " ".join(PACKAGES)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return f"there is no {_absent()[0]}: install {packages}"
    install = ["install", "--yes", "--quiet", "--no-install-recommends", *PACKAGES]
    for command in [["update", "--quiet"], install]:
        try:
            ran = subprocess.run(
                ["apt-get", *command],
                capture_output=True,
                text=True,
                timeout=INSTALL_SECONDS,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            )
        except subprocess.TimeoutExpired:
            return f"{packages} could not be installed in {INSTALL_SECONDS} s"
        if ran.returncode != 0:
            return f"{packages} cannot be installed: {ran.stderr.strip()[-200:]}"
    return f"{packages} have no {_absent()[0]}" if _absent() else None


def _absent():
    return [program for program in PROGRAMS if not shutil.which(program)]


def _free_ports(count):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


class Ceph:
    """One monitor, three OSDs that hold every object thrice, two gateways; all on loopback, all in one folder."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.processes = {}
        self.endpoints = []

    def start(self) -> "Ceph":
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self) -> None:
        self.folder.mkdir(parents=True)
        monitor, *gateways = _free_ports(1 + GATEWAYS)
        fsid = str(uuid.uuid4())
        text = CONFIG.format(
            fsid=fsid, port=monitor, folder=self.folder, osds=OSDS, enough=OSDS - 1
        )
        (self.folder / "ceph.conf").write_text(text)
        self._make_keys()
        self._start_monitor(monitor)
        for number in range(OSDS):
            self._start_osd(number)
        waiting.until(self._all_osds_are_up, READY_SECONDS, every=0.5, what="Ceph's OSDs")
        # The first to ask for the pools makes them; the gateways find them there.
        self._run(
            "radosgw-admin",
            *("user", "create", "--uid=levada", "--display-name=levada"),
            *(f"--access-key={KEY_ID}", f"--secret-key={SECRET}"),
        )
        for number, port in enumerate(gateways):
            self.endpoints.append(f"http://127.0.0.1:{port}")
            frontend = f"--rgw-frontends=beast endpoint=127.0.0.1:{port}"
            data = f"--rgw-data={self.folder}"
            self._spawn(f"client.gateway{number}", "radosgw", frontend, data)
        for number in range(GATEWAYS):
            waiting.until(
                lambda number=number: self._takes_objects(number),
                READY_SECONDS,
                every=0.5,
                what="Ceph's gateway",
            )

    def _make_keys(self) -> None:
        """One keyring with everybody's key; the monitor takes them all from it."""
        keyring = self.folder / "keyring"
        osds = [f"osd.{number}" for number in range(OSDS)]
        gateways = [f"client.gateway{number}" for number in range(GATEWAYS)]
        for number, name in enumerate(["mon.", "client.admin", *osds, *gateways]):
            flags = [flag for of in CAPABILITIES.items() for flag in ("--cap", *of)]
            created = ["--create-keyring"] if number == 0 else []
            command = ["ceph-authtool", *created, str(keyring), "--gen-key", "--name", name, *flags]
            self._check(command)

    def _start_monitor(self, port) -> None:
        addresses = f"[v2:127.0.0.1:{port}]"
        self._run(
            "ceph-mon",
            *("--mkfs", "--id", "a", "--keyring", str(self.folder / "keyring")),
            *("--mon-initial-members", "a", "--public-addrv", addresses),
        )
        self._spawn("mon.a", "ceph-mon", "--public-addrv", addresses)

    def _start_osd(self, number) -> None:
        folder = self.folder / f"osd.{number}"
        folder.mkdir()
        own = str(uuid.uuid4())
        given = self._run("ceph", "osd", "new", own, str(number))
        assert given.strip() == str(number), given
        self._run("ceph-osd", "--mkfs", "--id", str(number), "--osd-uuid", own)
        self._spawn(f"osd.{number}", "ceph-osd")

    def _all_osds_are_up(self) -> bool:
        self._assert_alive()
        return f"{OSDS} up" in self._run("ceph", "osd", "stat")

    def _takes_objects(self, number) -> bool:
        self._assert_alive()
        client = self.client(number)
        try:
            client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"x")
            client.delete_object(Bucket=BUCKET, Key="ready")
        except Exception:  # noqa: BLE001 - it is starting
            return False
        return True

    def _assert_alive(self) -> None:
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} has ended: {self._log(name)}"

    def _spawn(self, name, program, *flags) -> None:
        command = [program, "--foreground", *self._common(), "--name", name, *flags]
        with (self.folder / f"{name}.out").open("wb") as out:
            self.processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder
            )

    def _run(self, program, *flags) -> str:
        return self._check([program, *self._common(), *flags])

    def _check(self, command) -> str:
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=READY_SECONDS, cwd=self.folder
        )
        assert ran.returncode == 0, f"{command[0]} failed: {ran.stderr[-2000:]}"
        return ran.stdout

    def _common(self) -> list:
        return ["--conf", str(self.folder / "ceph.conf")]

    def _log(self, name) -> str:
        return (self.folder / f"{name}.out").read_text(errors="replace")[-2000:]

    def client(self, gateway=0):
        return boto3.client(
            "s3",
            endpoint_url=self.endpoints[gateway],
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
            config=botocore.config.Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                connect_timeout=2,
                read_timeout=60,
            ),
        )

    def variables(self, gateway=0) -> dict:
        """What tells the server how to reach it."""
        return {
            "LEVADA_BUCKET_ENDPOINT": self.endpoints[gateway],
            "LEVADA_BUCKET_REGION": "us-east-1",
            "LEVADA_BUCKET_ACCESS_KEY_ID": KEY_ID,
            "LEVADA_BUCKET_SECRET_ACCESS_KEY": SECRET,
        }

    def keys(self, prefix="") -> list:
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def kill_osd(self, number) -> None:
        """As a machine that loses its power does."""
        process = self.processes.pop(f"osd.{number}")
        process.kill()
        process.wait()

    def stop(self) -> None:
        """At once, gateways first: nobody needs the data any more."""
        for process in reversed(self.processes.values()):
            process.kill()
            process.wait()
