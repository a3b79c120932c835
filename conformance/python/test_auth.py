"""Signatures: who is believed, and what the others are told."""

import datetime

import pytest
from botocore.exceptions import ClientError

from rig import clients, raw


def _refusal(call):
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_a_wrong_secret(server):
    stranger = clients.client(server.endpoint, secret="wrong/secret+wrong/secret+wrong/secret000")
    code, message = _refusal(stranger.list_streams)
    assert code == "InvalidSignatureException"
    assert message.startswith(
        "The request signature we calculated does not match the signature you provided."
    )


def test_an_unknown_key(server):
    stranger = clients.client(server.endpoint, key_id="AKIANOBODYKNOWSTHIS1")
    assert _refusal(stranger.list_streams) == (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )


@pytest.mark.parametrize(
    "minutes, words", [(-20, "Signature expired: "), (20, "Signature not yet current: ")]
)
def test_a_skewed_clock(server, minutes, words):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    answer = raw.RawClient(server).call("ListStreams", {}, when=when)
    assert (answer.status, answer.code) == (400, "InvalidSignatureException")
    assert answer.message.startswith(words)


def test_a_little_skew_is_forgiven(server):
    when = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=2)
    assert raw.RawClient(server).call("ListStreams", {}, when=when).status == 200


def _unsigned(server, **headers):
    given = {"Content-Type": raw.JSON, "X-Amz-Target": f"{raw.TARGET}ListStreams", **headers}
    return raw.send(server.address, "POST", given, b"{}")


def test_no_signature(server):
    answer = _unsigned(server)
    assert (answer.status, answer.code) == (400, "MissingAuthenticationTokenException")
    assert answer.message == "Missing Authentication Token"


def test_half_a_signature(server):
    answer = _unsigned(server, Authorization="AWS4-HMAC-SHA256 Credential=x")
    assert (answer.status, answer.code) == (400, "IncompleteSignatureException")


def test_a_body_that_is_not_the_signed_one(server):
    body = b'{"Limit": 5}'
    headers = {"Content-Type": raw.JSON, "X-Amz-Target": f"{raw.TARGET}ListStreams"}
    signed = raw.signed_headers(server.endpoint, body, headers)
    answer = raw.send(server.address, "POST", signed, b'{"Limit": 6}')
    assert (answer.status, answer.code) == (400, "InvalidSignatureException")


def test_a_target_that_is_not_the_signed_one(server):
    headers = {"Content-Type": raw.JSON, "X-Amz-Target": f"{raw.TARGET}ListStreams"}
    signed = raw.signed_headers(server.endpoint, b"{}", headers)
    signed["X-Amz-Target"] = f"{raw.TARGET}DeleteStream"
    answer = raw.send(server.address, "POST", signed, b"{}")
    assert (answer.status, answer.code) == (400, "InvalidSignatureException")


def test_every_answer_has_its_ids(server):
    answer = raw.RawClient(server).call("ListStreams", {})
    assert answer.headers["x-amzn-requestid"]
    assert answer.headers["x-amz-id-2"]
