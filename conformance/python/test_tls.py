"""TLS on the port that speaks plainly too: the folder's own authority, and the operator's files."""

import signal
import socket
import ssl
import stat
import subprocess
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import SSLError

from rig import tls
from rig.command import run
from rig.server import KEY_ID, REGION, SECRET, Server, binary, environment
from rig.waiting import until

READY_MS_MAX = 1000
IDLE_BYTES_MAX = 30 * 1024 * 1024


def certs(folder, *flags):
    return run("certs", "--data", folder, *flags)


@pytest.fixture(scope="module")
def authority(server, tmp_path_factory):
    return tls.authority(server, tmp_path_factory.mktemp("authority"))


def client(endpoint, authority=None):
    """Without an authority of one's own, the system's are trusted."""
    return boto3.client(
        "kinesis",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        verify=str(authority) if authority else None,
        config=Config(retries={"total_max_attempts": 1}),
    )


def shown(server, authority=None, alpn=()):
    """A handshake: the certificate that is shown, and the protocol agreed on."""
    context = ssl.create_default_context(cafile=authority)
    if alpn:
        context.set_alpn_protocols(alpn)
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(server.address, timeout=5) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as encrypted:
            certificate = encrypted.getpeercert(binary_form=True)
            return certificate, encrypted.selected_alpn_protocol()


def test_an_sdk_that_trusts_the_authority(server, authority):
    kinesis = client(tls.endpoint(server), authority)
    kinesis.create_stream(StreamName="encrypted", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="encrypted")
    kinesis.put_record(StreamName="encrypted", PartitionKey="k", Data=b"x" * 100_000)
    shard = kinesis.list_shards(StreamName="encrypted")["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(
        StreamName="encrypted", ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert [len(record["Data"]) for record in records] == [100_000]
    # The same stream, in the clear, on the same port.
    assert "encrypted" in client(server.endpoint).list_streams()["StreamNames"]


def test_an_sdk_that_does_not(server):
    with pytest.raises(SSLError):
        client(tls.endpoint(server)).list_streams()


def test_names_and_protocols(server, authority):
    assert shown(server, authority, ["h2", "http/1.1"])[1] == "h2"
    assert shown(server, authority, ["http/1.1"])[1] == "http/1.1"
    assert shown(server, authority)[1] is None


def test_what_certs_says(server, authority, tmp_path):
    said = certs(server.data)
    assert said.returncode == 0
    assert said.stdout.startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE KEY" not in said.stdout
    assert str(server.data / "ca.pem") in said.stderr
    exported = tmp_path / "ca.pem"
    assert certs(server.data, "--export", str(exported)).returncode == 0
    assert exported.read_text() == said.stdout == (server.data / "ca.pem").read_text()
    mode = stat.S_IMODE((server.data / "tls-authority").stat().st_mode)
    assert mode == 0o600
    nowhere = certs(tmp_path / "nothing")
    assert (nowhere.returncode, nowhere.stdout) == (3, "")
    assert "help:" in nowhere.stderr


def test_the_authority_outlives_the_server_and_costs_little(tmp_path):
    server = Server(tmp_path / "data").start()
    file = tls.authority(server, tmp_path)
    first, _ = shown(server, file)
    server.stop()
    server = Server(tmp_path / "data", "--tls-names", "levada.example, 192.0.2.7").start()
    second, _ = shown(server, file)
    assert first != second
    shown_names = ssl._ssl._test_decode_cert(_pem(second, tmp_path))["subjectAltName"]
    assert ("DNS", "levada.example") in shown_names
    assert ("IP Address", "192.0.2.7") in shown_names
    assert server.ready["ready_ms"] < READY_MS_MAX
    assert server.resident_bytes() < IDLE_BYTES_MAX
    server.stop()


def _pem(der, folder):
    path = folder / "shown.pem"
    path.write_text(ssl.DER_cert_to_PEM_cert(der))
    return str(path)


def _files_of(folder, name):
    """A certificate of one's own, as an operator has one."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def test_the_operators_files_and_their_renewal(tmp_path):
    certificate, key = _files_of(tmp_path, "first")
    new_certificate, new_key = _files_of(tmp_path, "second")
    flags = ["--tls-cert", str(certificate), "--tls-key", str(key)]
    server = Server(tmp_path / "data", *flags).start()
    assert not (server.data / "ca.pem").exists()
    before, _ = shown(server, certificate)
    # By halves: the old certificate is shown until the new one is whole.
    certificate.write_bytes(new_certificate.read_bytes())
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "cannot be used" in server.tail_of_log(), what="a warning")
    assert shown(server)[0] == before
    key.write_bytes(new_key.read_bytes())
    server.process.send_signal(signal.SIGHUP)
    until(lambda: shown(server)[0] != before, what="the new certificate")
    shown(server, new_certificate)
    # And without being told.
    third, third_key = _files_of(tmp_path, "third")
    certificate.write_bytes(third.read_bytes())
    key.write_bytes(third_key.read_bytes())
    expected = ssl.PEM_cert_to_DER_cert(third.read_text())
    deadline = time.monotonic() + 30
    while shown(server)[0] != expected:
        assert time.monotonic() < deadline, server.tail_of_log()
        time.sleep(0.5)
    server.stop()


def test_from_the_authority_to_files_and_back(tmp_path):
    data = tmp_path / "data"
    Server(data).start().stop()
    authority = (data / "ca.pem").read_bytes()
    certificate, key = _files_of(tmp_path, "own")
    Server(data, "--tls-cert", str(certificate), "--tls-key", str(key)).start().stop()
    assert certs(data).returncode == 3
    server = Server(data).start()
    assert (data / "ca.pem").read_bytes() == authority
    shown(server, data / "ca.pem")
    server.stop()


def test_files_that_do_not_do(tmp_path):
    certificate, key = _files_of(tmp_path, "one")
    _, other_key = _files_of(tmp_path, "other")
    cases = [
        (["--tls-cert", str(certificate)], 2, "need each other"),
        (["--tls-cert", str(certificate), "--tls-key", str(other_key)], 1, "cannot be used"),
        (["--tls-cert", str(tmp_path / "none"), "--tls-key", str(key)], 1, "does not exist"),
    ]
    for flags, code, words in cases:
        ran = subprocess.run(
            [binary(), "serve", "--in-memory", "--listen", "127.0.0.1:0", *flags],
            capture_output=True,
            text=True,
            timeout=30,
            env=environment(),
        )
        assert (ran.returncode, ran.stdout) == (code, ""), ran.stderr
        assert words in ran.stderr and "help:" in ran.stderr or code == 2, ran.stderr
