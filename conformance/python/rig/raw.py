"""Requests signed by botocore and sent byte by byte: what no SDK would send can be sent too."""

import datetime
import http.client
import json
from dataclasses import dataclass

import cbor2
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from rig import marks
from rig.server import KEY_ID, REGION, SECRET

JSON = "application/x-amz-json-1.1"
CBOR = "application/x-amz-cbor-1.1"
TARGETS = {"kinesis": "Kinesis_20131202.", "firehose": "Firehose_20150804."}
TARGET = TARGETS["kinesis"]


def read_cbor(body: bytes):
    """Reads CBOR, leaving tagged times as they are: AWS's are in milliseconds."""
    return cbor2.loads(body, semantic_decoders={1: lambda value, _: ("tag 1", value)})


@dataclass
class Answer:
    """A response, read to its end."""

    status: int
    headers: dict
    body: bytes

    @property
    def value(self):
        """The body by its content type; `None` if there is none."""
        if not self.body:
            return None
        is_cbor = "cbor" in self.headers.get("content-type", "")
        return read_cbor(self.body) if is_cbor else json.loads(self.body)

    @property
    def code(self):
        return self.value["__type"].rpartition("#")[2]

    @property
    def message(self):
        return self.value.get("message", self.value.get("Message"))


class _SignedAt(SigV4Auth):
    """Signs as of a given time."""

    def __init__(self, credentials, region, when, service):
        super().__init__(credentials, service, region)
        self._when = when

    def add_auth(self, request):
        request.context["timestamp"] = self._when.strftime("%Y%m%dT%H%M%SZ")
        self._modify_request_before_signing(request)
        canonical = self.canonical_request(request)
        signature = self.signature(self.string_to_sign(request, canonical), request)
        self._inject_signature_to_request(request, signature)


def signed_headers(
    endpoint,
    body,
    headers,
    key_id=KEY_ID,
    secret=SECRET,
    region=REGION,
    when=None,
    service="kinesis",
):
    """The headers with a signature over them and the body."""
    request = AWSRequest("POST", f"{endpoint}/", headers=headers, data=body)
    when = when or datetime.datetime.now(datetime.timezone.utc)
    _SignedAt(Credentials(key_id, secret), region, when, service).add_auth(request)
    return dict(request.headers.items())


def send(address, method, headers, body, path="/", timeout=30) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, named, answer.read())
    finally:
        connection.close()


class RawClient:
    """Calls operations by name, in JSON or CBOR, with bodies that are values or already bytes."""

    def __init__(self, server, content_type=JSON, service="kinesis"):
        self.server = server
        self.content_type = content_type
        self.service = service

    def call(self, operation, value=None, body=None, headers=None, **signing) -> Answer:
        if body is None:
            body = cbor2.dumps(value) if self.content_type == CBOR else json.dumps(value).encode()
        given = {"Content-Type": self.content_type, "X-Amz-Target": TARGETS[self.service] + operation}
        given.update(headers or {})
        signing = {"service": self.service, **signing}
        signed = signed_headers(self.server.endpoint, body, given, **signing)
        answer = send(self.server.address, "POST", signed, body)
        if answer.status == 200:
            marks.note(operation, self.service)
        return answer

    def value(self, operation, value):
        """The output of a call that must succeed."""
        answer = self.call(operation, value)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.value
