"""Inputs that break one thing each, generated from botocore's model."""

import base64
import copy
import re
from dataclasses import dataclass

import botocore.session

from rig import oracle

# Texts to try for a pattern: the first that it takes, or refuses, is used.
SAMPLES = [
    "a",
    "1",
    "0" * 12,
    "a" * 20 + "-" + "a" * 3,
    "arn:aws:kinesis:us-east-1:000000000000:stream/a",
    "arn:aws:kinesis:us-east-1:000000000000:stream/a/consumer/a:1",
    "arn:aws:kinesis:us-east-1:000000000000:channel/a",
    "arn:aws:kinesis:us-east-1:000000000000:queue/a",
    "arn:aws:iam::000000000000:role/a",
    "arn:aws:s3:::abc",
    "arn:aws:s3tables:us-east-1:000000000000:bucket/abc",
    "arn:aws:glue:us-east-1:000000000000:schema/a/a",
    "arn:aws:glue:us-east-1:000000000000:catalog",
    "arn:aws:kms:us-east-1:000000000000:key/a",
    "arn:aws:es:us-east-1:000000000000:domain/abc",
    "arn:aws:kafka:us-east-1:000000000000:cluster/a/a-1",
    "arn:aws:secretsmanager:us-east-1:000000000000:secret:a",
    "https://example.com",
    "jdbc:redshift://a.us-east-1.redshift.amazonaws.com:5439/dev",
    "abcdefgh.us-east-1.snowflakecomputing.com",
    "s3://a",
    ".a",
    "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0",
    "YWJj" * 64,
    "a" * 7,
]
STRANGE = ["\0", "?", "a b", "é", "a:*", "\u2028", "-"]
ELEMENT, VALUE, KEY = object(), object(), "k"

WRONG = {
    "string": [True, 23, -2147483648, 2147483648, 34.56, [], {}],
    "integer": ["23", True, [], {}],
    "long": ["23", True, [], {}],
    "double": ["23", True, [], {}],
    "boolean": ["23", 23, -2147483648, 2147483648, [], {}],
    "timestamp": ["23", True, [], {}],
    "blob": [True, 23, -2147483648, 2147483648, 34.56, [], {}, "23456", "=+/=", "+/+="],
    "list": ["23", True, 23, -2147483648, 2147483648, 34.56, {}],
    "map": ["23", True, 23, -2147483648, 2147483648, 34.56, []],
    "structure": ["23", True, 23, -2147483648, 2147483648, 34.56, []],
}
WRONG_BYTES = b"\x00\xff"


def model(service="kinesis"):
    return botocore.session.get_session().get_service_model(service)


def valid(shape):
    """The least value that keeps every constraint."""
    limits, kind = shape.metadata, shape.type_name
    if kind == "structure":
        return {name: valid(shape.members[name]) for name in shape.required_members}
    if kind == "list":
        return [valid(shape.member) for _ in range(limits.get("min", 0))]
    if kind == "map":
        return {KEY * (index + 1): valid(shape.value) for index in range(limits.get("min", 0))}
    if kind == "string":
        return _valid_text(shape)
    if kind == "blob":
        return b"x" * limits.get("min", 1)
    if kind == "double":
        return 0.5
    return True if kind == "boolean" else max(1, limits.get("min", 1))


def _valid_text(shape):
    limits = shape.metadata
    if limits.get("enum"):
        return shape.enum[0]
    for sample in SAMPLES:
        if limits.get("min", 0) <= len(sample) and oracle.fits(limits.get("pattern", ".*"), sample):
            return sample
    raise AssertionError(f"no sample fits {shape.name}: {limits}")


@dataclass
class Site:
    """A place in an operation's input."""

    operation: str
    path: tuple
    shape: object
    is_required: bool

    @property
    def name(self):
        steps = ("*" if step in (ELEMENT, VALUE) else step for step in self.path)
        return ".".join([self.operation, *steps])


def sites(service):
    """Every place in every input, the inputs themselves included."""

    def walk(operation, path, shape, is_required, above):
        yield Site(operation, path, shape, is_required)
        if shape.name in above:
            return
        above = above | {shape.name}
        if shape.type_name == "structure":
            for name, member in shape.members.items():
                required = name in shape.required_members
                yield from walk(operation, (*path, name), member, required, above)
        elif shape.type_name == "list":
            yield from walk(operation, (*path, ELEMENT), shape.member, True, above)
        elif shape.type_name == "map":
            yield from walk(operation, (*path, VALUE), shape.value, True, above)

    for operation in service.operation_names:
        shape = service.operation_model(operation).input_shape
        yield from walk(operation, (), shape, True, frozenset())


def place(shape, path, put):
    """A valid input in which `put(container, key)` has changed what stands at `path`."""
    whole = [valid(shape)]
    container, key = whole, 0
    for step in path:
        value = container[key]
        if step is ELEMENT:
            if not value:
                value.append(valid(shape.member))
            container, key, shape = value, 0, shape.member
        elif step is VALUE:
            if not value:
                value[KEY] = valid(shape.value)
            container, key, shape = value, next(iter(value)), shape.value
        else:
            shape = shape.members[step]
            value.setdefault(step, valid(shape))
            container, key = value, step
    put(container, key)
    return whole[0]


def _set(value):
    def put(container, key):
        container[key] = copy.deepcopy(value)

    return put


def _remove(container, key):
    if isinstance(container, dict):
        del container[key]
    else:
        container[key] = None


def broken_values(shape):
    """What breaks each constraint of a shape, with the constraint's name."""
    limits, kind = shape.metadata, shape.type_name
    if limits.get("enum"):
        yield "enum", "NOT_ONE_OF_THEM"
        yield "enum", shape.enum[0].lower()
        yield "enum", ""
    if "pattern" in limits:
        # Whole texts must fit: a good part is not enough.
        strange = [*STRANGE, f"{_valid_text(shape)} "]
        wrong = [text for text in strange if not oracle.fits(limits["pattern"], text)]
        assert wrong, f"nothing breaks {limits['pattern']}"
        yield from (("pattern", text) for text in wrong[-3:])
    if kind == "double":
        yield from ((end, limits[end] + step) for end, step in (("min", -0.5), ("max", 0.5)) if end in limits)
    if kind in ("integer", "long"):
        yield from ((end, limits[end] + step) for end, step in (("min", -1), ("max", 1)) if end in limits)
        if "max" in limits:
            yield "max", 2**31 - 1 if kind == "integer" else 2**63 - 1
        if "min" in limits:
            yield "min", -(2**31)
    elif kind in ("string", "blob", "list", "map") and not limits.get("enum"):
        if limits.get("min", 0) > 0:
            yield "min", _of_length(shape, limits["min"] - 1)
        if "max" in limits:
            yield "max", _of_length(shape, limits["max"] + 1)
            if kind == "string" and "pattern" not in limits and limits["max"] < 1000:
                # Java counts UTF-16 units.
                yield "max", "\U0001f600" * (limits["max"] // 2 + 1)


def _of_length(shape, length):
    kind = shape.type_name
    if kind == "string":
        sample = _valid_text(shape)
        return (sample + sample[-1] * length)[:length]
    if kind == "blob":
        return bytes(length)
    if kind == "list":
        return [valid(shape.member) for _ in range(length)]
    return {f"{KEY}{index}": valid(shape.value) for index in range(length)}


def constraint_cases(service):
    """Operation, what is broken, input: one constraint broken in each."""
    for site in sites(service):
        whole = service.operation_model(site.operation).input_shape
        # Nothing asks for a map's values.
        if site.path and site.is_required and site.path[-1] is not VALUE:
            yield site, "required", place(whole, site.path, _remove)
        for constraint, value in broken_values(site.shape):
            yield site, constraint, place(whole, site.path, _set(value))
        if site.shape.type_name == "map":
            for _, key in broken_values(site.shape.key):
                value = {key: valid(site.shape.value)}
                yield site, "key", place(whole, site.path, _set(value))


def crowded_cases(service):
    """Inputs with several faults at once, and with more than AWS tells."""
    for operation in service.operation_names:
        shape = service.operation_model(operation).input_shape
        if shape.required_members:
            yield operation, {}
        crowd = {}
        for name, member in shape.members.items():
            values = [value for constraint, value in broken_values(member) if constraint != "max"]
            if values:
                crowd[name] = values[-1]
        if crowd:
            yield operation, crowd
        for name, member in shape.members.items():
            if member.type_name == "list" and member.member.type_name == "structure":
                bad = [{}] * min(member.metadata.get("max", 20), 20)
                yield operation, {**valid(shape), name: bad}


def type_cases(service, in_cbor):
    """Site, wrong value, input: one value of a wrong type in each."""
    for site in sites(service):
        whole = service.operation_model(site.operation).input_shape
        wrong = WRONG[site.shape.type_name]
        if in_cbor and site.shape.type_name != "blob":
            wrong = [*wrong, WRONG_BYTES]
        for value in wrong:
            if site.path:
                yield site, value, place(whole, site.path, _set(value))


def as_json(value):
    """An input as JSON has it: bytes are base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [as_json(element) for element in value]
    if isinstance(value, dict):
        return {key: as_json(element) for key, element in value.items()}
    return value
