"""What AWS was recorded to answer, played against the server: `conformance/cases`."""

import base64
import json
import re
import time
import tomllib
from pathlib import Path

import cbor2
import pytest

from rig import delivery, negatives, raw, streams
from rig.server import ACCOUNT, REGION, Server
from rig.waiting import until

CASES = Path(__file__).resolve().parents[1] / "cases"
SERVICE = negatives.model()
FIREHOSE = negatives.model("firehose")
CODECS = {"json": raw.JSON, "cbor": raw.CBOR}
# Of the cases that still describe AWS.
EQUAL_SHARE_MIN = 0.97
# What an operation answers that is not served yet; its cases are left out.
UNSERVED = 501


def _load(name):
    return tomllib.loads((CASES / f"{name}.toml").read_text())


@pytest.fixture(scope="module")
def played():
    """Counts what was played and what was otherwise; judged together at the end."""
    tally = {"equal": 0, "other": []}
    yield tally
    count = tally["equal"] + len(tally["other"])
    print(f"{tally['equal']} of {count} recorded cases are equal")


def _settle(played, name, expected, given):
    if given == expected:
        played["equal"] += 1
    else:
        played["other"].append(f"{name}\n  AWS   {str(expected)[:700]}\n  given {str(given)[:700]}")


@pytest.fixture(scope="module")
def stream(kinesis):
    return streams.create(kinesis, shards=3, name="recorded")


def _fill(text, known):
    """Replaces `<…>`; see refusals.toml."""

    def constant(match):
        name, arguments = match["name"], match["arguments"]
        if name == "pattern":
            return SERVICE.shape_for(arguments).metadata["pattern"]
        if name == "hex":
            return str(int(arguments, 16))
        return known.get(name, match[0])

    text = re.sub(r"<(\w)\*(\d+)>", lambda match: match[1] * int(match[2]), text)
    text = re.sub(r"<now([+-]\d+)>", lambda match: f"{known['now'] + int(match[1]):x}", text)
    return re.sub(r"<(?P<name>[a-z]+)(?::(?P<arguments>\w+))?>", constant, text)


def _as_cbor(shape, value):
    """An input for JSON as one for CBOR: blobs are bytes."""
    if shape.type_name == "structure":
        return {
            name: _as_cbor(shape.members[name], part) if name in shape.members else part
            for name, part in value.items()
        }
    if shape.type_name == "list":
        return [_as_cbor(shape.member, part) for part in value]
    if shape.type_name == "map":
        return value
    return base64.b64decode(value) if shape.type_name == "blob" else value


def _as_json(value):
    """An answer in CBOR as one in JSON."""
    if isinstance(value, dict):
        return {name: _as_json(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_as_json(part) for part in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _call(client, operation, value, model=SERVICE):
    if client.content_type == raw.CBOR:
        value = _as_cbor(model.operation_model(operation).input_shape, value)
        return client.call(operation, body=cbor2.dumps(value))
    return client.call(operation, value)


@pytest.mark.parametrize("codec", CODECS)
def test_refusals(server, stream, played, codec):
    client = raw.RawClient(server, CODECS[codec])
    known = {"stream": stream, "missing": "nowhere.at-all_0", "account": ACCOUNT, "region": REGION}
    for operation, value, code, words in _load("refusals")["cases"]:
        known["now"] = int(time.time())
        answer = _call(client, operation, json.loads(_fill(value, known)))
        status = 500 if code == "InternalFailure" else 400
        body = {"__type": code, "message": _fill(words, known)} if words else {"__type": code}
        if answer.status == UNSERVED:
            continue
        _settle(played, f"{operation} {value}", (status, body), (answer.status, answer.value))


@pytest.fixture(scope="module")
def delivered(firehose):
    """What the cases of Data Firehose stand on."""
    conversion = {
        "SchemaConfiguration": {"RoleARN": "r", "DatabaseName": "d", "TableName": "t"},
        "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
        "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
    }
    stream = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/a"
    source = delivery.create(
        firehose,
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={"KinesisStreamARN": stream, "RoleARN": delivery.ROLE},
    )
    converts = {"DataFormatConversionConfiguration": conversion}
    parameter = {"ParameterName": "LambdaArn", "ParameterValue": delivery.FUNCTION}
    members = {"place": delivery.PLACE, "convert": conversion, "nested": {"S3Configuration": delivery.PLACE}}
    return {
        "stream": delivery.create(firehose, configuration=converts),
        "source": source,
        "missing": "nowhere.at-all_0",
        "account": ACCOUNT,
        "lambda": json.dumps({"Type": "Lambda", "Parameters": [parameter]}),
        **{name: json.dumps(value)[1:-1] for name, value in members.items()},
    }


def _firehose_call(what, value, known):
    """The operation and the whole input of a case; see firehose.toml."""
    if what in FIREHOSE.operation_names:
        return what, value
    name, kind = known["stream"], what.removesuffix("Update")
    if kind != what:
        version = {"CurrentDeliveryStreamVersionId": "1", "DestinationId": delivery.DESTINATION}
        return "UpdateDestination", {
            "DeliveryStreamName": name,
            **version,
            f"{kind}DestinationUpdate": value,
        }
    return "CreateDeliveryStream", {
        "DeliveryStreamName": streams.fresh_name("refused"),
        f"{kind}DestinationConfiguration": value,
    }


@pytest.mark.parametrize("codec", CODECS)
def test_refusals_of_firehose(server, delivered, played, codec):
    client = raw.RawClient(server, CODECS[codec], service="firehose")
    for what, text, code, words in _load("firehose")["cases"]:
        operation, value = _firehose_call(what, json.loads(_fill(text, delivered)), delivered)
        answer = _call(client, operation, value, FIREHOSE)
        expected = (400, {"__type": code, "message": _fill(words, delivered)})
        _settle(played, f"{what} {text}", expected, (answer.status, answer.value))


def test_types(server, played):
    table = _load("types")
    client = raw.RawClient(server)
    for operation, members in table["members"].items():
        for path, kind in members.items():
            for text, words in table["kinds"][kind]:
                value = json.loads(text)
                for step in reversed(path.split(".")):
                    value = [value] if step == "0" else {step: value}
                answer = client.call(operation, value)
                if answer.status == UNSERVED:
                    continue
                expected = (400, {"__type": "SerializationException", "Message": words})
                _settle(played, f"{operation} {value}", expected, (answer.status, answer.value))


PREFLIGHT = {"access-control-allow-origin": "*", "access-control-max-age": "172800"}


@pytest.mark.parametrize("case", _load("wire")["case"], ids=str)
def test_the_wire(server, played, case):
    method, path, body = case.get("method", "POST"), case.get("path", "/"), case.get("body", "")
    headers = dict(case.get("headers", {}))
    if case.get("sign"):
        headers = raw.signed_headers(server.endpoint, body.encode(), headers)
    answer = raw.send(server.address, method, headers, body.encode() or None, path)
    named = answer.headers
    given = {"status": answer.status, "type": named.get("content-type")}
    if "incomplete" in case:
        words = {"__type": "IncompleteSignatureException", "message": case["incomplete"]}
        expected = {"status": 400, "type": raw.JSON, "json": words}
    elif case["answer"] == "preflight":
        expected = {"status": 200, "type": None, "text": ""}
        assert PREFLIGHT.items() <= named.items() and "x-amz-id-2" not in named
    else:
        expected = {"type": None, **_load("wire")["answers"][case["answer"]]}
    if "json" in expected:
        given["json"] = json.loads(answer.body)
    elif "hex" in expected:
        given["hex"] = answer.body.hex()
    else:
        given["text"] = answer.body.decode()
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", named["x-amzn-requestid"])
    with_headers = {name: named.get(name) for name in case.get("with", {})}
    assert with_headers == case.get("with", {})
    assert given == expected
    played["equal"] += 1


def _fits(expected, given, known):
    """Whether an answer is what a flow says it is; keeps what it is to keep."""
    if expected == "<*>":
        return given is not None
    if isinstance(expected, dict):
        if not isinstance(given, dict):
            return False
        wanted = {name for name in expected if name != "..."}
        is_whole = "..." in expected or wanted == set(given)
        return is_whole and all(
            _fits(expected[name], given.get(name), known) for name in sorted(wanted)
        )
    if isinstance(expected, list):
        return (
            isinstance(given, list)
            and len(expected) == len(given)
            and all(_fits(one, other, known) for one, other in zip(expected, given))
        )
    if not isinstance(expected, str):
        return expected == given
    kept = re.fullmatch(r"<(\w+)=~(.+)>", expected)
    if not kept and not expected.startswith("~"):
        return _fill(expected, known) == given
    pattern = kept[2] if kept else expected[1:]
    pattern = re.sub(r"<(\w+)>", lambda match: re.escape(known[match[1]]), pattern)
    if not isinstance(given, str) or not re.fullmatch(pattern, given):
        return False
    if kept:
        known[kept[1]] = given
    return True


def _step_fits(answer, expected, known):
    if expected.startswith("!"):
        code, _, words = _fill(expected[1:], known).partition(" ")
        return (answer.status, answer.value) == (400, {"__type": code, "message": words})
    if not expected:
        return (answer.status, answer.body) == (200, b"")
    value = json.loads(expected.replace(r"\d", r"\\d").replace(r"\\\d", r"\\d"))
    return answer.status == 200 and _fits(value, _as_json(answer.value), known)


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory):
    """A server whose changes take their time."""
    started = Server(tmp_path_factory.mktemp("slow") / "data", "--state-delay", "700ms").start()
    yield started
    started.stop()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("flow", _load("flows")["flow"], ids=lambda flow: flow["name"])
def test_flows(server, slow_server, stream, played, flow, codec):
    client = raw.RawClient(slow_server if flow.get("slow") else server, CODECS[codec])
    known = {"new": streams.fresh_name("flow"), "stream": stream, "account": ACCOUNT}
    known |= {"region": REGION, "now": int(time.time())}
    for operation, value, expected in flow["step"]:
        is_repeated, operation = operation.startswith("until "), operation.removeprefix("until ")
        value = json.loads(_fill(value, known))

        def play():
            answer = _call(client, operation, value)
            if answer.status == UNSERVED:
                pytest.skip(f"{operation} is not served yet")
            fits = _step_fits(answer, expected, known)
            return (fits, answer) if fits or not is_repeated else None

        fits, answer = until(play, what=f"{operation} {value}: {expected[:300]}")
        assert fits, f"{operation} {value}\n AWS   {expected}\n given {answer.status} {answer.value}"
        played["equal"] += 1


def test_enough_is_equal(played):
    """After all others of this file."""
    count = played["equal"] + len(played["other"])
    assert count > 700, "the other tests of this file did not run"
    other = "\n".join(played["other"])
    assert played["equal"] >= EQUAL_SHARE_MIN * count, f"{len(played['other'])} of {count}:\n{other}"
    # Declined: see refusals.toml.
    unknown = [text for text in played["other"] if "InternalFailure" not in text]
    assert not unknown, "\n".join(unknown)
