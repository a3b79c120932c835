"""What AWS says of a bad input.

An oracle of its own: it reads botocore's model and applies the rules that were recorded from AWS
(`facts/streams.md` § 2.2, `facts/firehose.md` § 2.1), so that the server's explainer is not measured
by itself.
"""

import re
from dataclasses import dataclass, field

ERRORS_MAX = 10
NOT_NULL = "Member must not be null"
# AWS quotes a whole value; the server stops here, on purpose.
QUOTED_BYTES_MAX = 64 * 1024


@dataclass(frozen=True)
class Dialect:
    """How a service's Java speaks."""

    package: str
    # Its hash map walks as Java 8's, it says no values, and lengths before patterns.
    is_newer: bool
    # Pairs of members that were recorded in this order although they share a bucket of the hash map.
    ties: list = field(default_factory=list)
    # Expressions that AWS prints otherwise than botocore's model has them.
    patterns: dict = field(default_factory=dict)


DIALECTS = {
    "kinesis": Dialect(
        "com.amazonaws.kinesis.v20131202",
        False,
        [
            ("sequenceNumberForOrdering", "partitionKey"),
            ("startingSequenceNumber", "streamName"),
            ("shardToMerge", "adjacentShardToMerge"),
            ("streamName", "shardToSplit"),
        ],
    ),
    "firehose": Dialect(
        "com.amazonaws.firehose.v20150804",
        True,
        patterns={"FileExtension": r"^(|\.[0-9a-z!\-_.*'()]+)$"},
    ),
}


def java_hash(text: str) -> int:
    code = 0
    encoded = text.encode("utf-16-be")
    for high, low in zip(encoded[::2], encoded[1::2]):
        code = (31 * code + (high << 8) + low) & 0xFFFFFFFF
    return code


def java_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]


def members_in_order(shape, dialect) -> list:
    """A structure's members as Java's `HashMap` walks them."""
    names = list(shape.members)
    buckets = 16
    while buckets * 3 < len(names) * 4:
        buckets *= 2

    def bucket(name):
        code = java_hash(lower_first(name))
        if dialect.is_newer:
            return (code ^ (code >> 16)) % buckets
        code ^= (code >> 20) ^ (code >> 12)
        return (code ^ (code >> 7) ^ (code >> 4)) % buckets

    chains = {}
    for name in names:
        chains.setdefault(bucket(name), []).append(name)
    for chain in chains.values():
        lowered = [lower_first(name) for name in chain]
        for first, second in dialect.ties:
            if first in lowered and second in lowered:
                chain.sort(key=lambda name: lower_first(name) == second)
    return [name for index in sorted(chains) for name in chains[index]]


def values_in_order(shape) -> list:
    return sorted(reversed(shape.enum), key=lambda value: java_hash(value) % 32)


def _at_least(what, least):
    return f"Member must have {what} greater than or equal to {least}"


def _at_most(what, most):
    return f"Member must have {what} less than or equal to {most}"


def _pattern(shape, dialect):
    source = dialect.patterns.get(shape.name, shape.metadata["pattern"])
    return f"Member must satisfy regular expression pattern: {source}"


def _enum(shape):
    return f"Member must satisfy enum value set: [{', '.join(values_in_order(shape))}]"


def _measure(shape, value):
    """What the bounds of a shape are about, and how much of it a value has."""
    if shape.type_name in NUMBERS:
        return "value", value
    if shape.type_name == "string":
        return "length", java_length(value)
    return "length", len(value)


NUMBERS = ("integer", "long", "double")


def _is_scalar(shape):
    return shape.type_name not in ("structure", "list", "map")


def _scalar_faults(shape, value, dialect) -> list:
    """Enum, pattern, least, most: in this order; in the newer dialect the pattern comes last."""
    if value is None:
        return [NOT_NULL]
    limits, bounds = shape.metadata, _bounds_faults(shape, value)
    enum = [_enum(shape)] if limits.get("enum") and value not in shape.enum else []
    is_wrong = "pattern" in limits and not fits(limits["pattern"], value)
    pattern = [_pattern(shape, dialect)] if is_wrong else []
    return enum + (bounds + pattern if dialect.is_newer else pattern + bounds)


# What Java's expressions know otherwise than Python's, from botocore's models.
JAVA = {
    r"\p{L}": r"a-zA-Z\u00aa-\uffff",
    r"\p{N}": r"\d",
    r"\p{Z}": r" \u00a0\u2000-\u200a\u2028\u2029",
}
# An escape, a class, or a dot, which takes no end of a line.
TOKEN = re.compile(r"\\.|\[(?:\\.|[^\]])*\]|\.")
NOT_END_OF_LINE = "[^\n\r\u0085\u2028\u2029]"


def fits(pattern: str, text: str) -> bool:
    """Whether the whole text matches, as Java sees it."""
    for java, python in JAVA.items():
        pattern = pattern.replace(java, python)
    pattern = TOKEN.sub(lambda token: NOT_END_OF_LINE if token[0] == "." else token[0], pattern)
    return re.fullmatch(pattern, text, re.ASCII) is not None


def _bounds_faults(shape, value) -> list:
    limits = shape.metadata
    if "min" not in limits and "max" not in limits:
        return []
    what, measured = _measure(shape, value)
    faults = []
    if "min" in limits and measured < limits["min"]:
        faults.append(_at_least(what, limits["min"]))
    if "max" in limits and measured > limits["max"]:
        faults.append(_at_most(what, limits["max"]))
    return faults


def _all_constraints(shape, dialect) -> str:
    """Every constraint of an element, as the fault of its container lists them."""
    limits = shape.metadata
    what = "value" if shape.type_name in NUMBERS else "length"
    listed = []
    if "max" in limits:
        listed.append(_at_most(what, limits["max"]))
    if "min" in limits:
        listed.append(_at_least(what, limits["min"]))
    if "pattern" in limits:
        listed.append(_pattern(shape, dialect))
    if limits.get("enum"):
        listed.append(_enum(shape))
    return ", ".join(listed or [NOT_NULL])


def show(shape, value, dialect) -> str:
    """Java's `toString`."""
    if value is None:
        return "null"
    kind = shape.type_name
    if kind == "structure":
        return f"{dialect.package}.{shape.name}@2"
    if kind == "list":
        return "[" + ", ".join(show(shape.member, element, dialect) for element in value) + "]"
    if kind == "map":
        pairs = (f"{key}={show(shape.value, element, dialect)}" for key, element in value.items())
        return "{" + ", ".join(pairs) + "}"
    if kind == "blob":
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    return str(value)


def faults(shape, value, dialect, path="") -> list:
    """Everything that is wrong with a value of the right types."""
    found = []

    def scalar(part, element):
        return _scalar_faults(part, element, dialect)

    def report(texts, shown):
        if dialect.is_newer:
            shown = ""
        elif shown == "null":
            shown = " null"
        else:
            shown = f" '{shown.encode()[:QUOTED_BYTES_MAX].decode(errors='ignore')}'"
        for text in texts:
            found.append(f"Value{shown} at '{path}' failed to satisfy constraint: {text}")

    if value is None:
        report([NOT_NULL], "null")
    elif shape.type_name == "structure":
        for name in members_in_order(shape, dialect):
            member_path = f"{path}.{lower_first(name)}" if path else lower_first(name)
            if value.get(name) is not None or name in shape.required_members:
                found += faults(shape.members[name], value.get(name), dialect, member_path)
    elif shape.type_name == "list":
        report(_bounds_faults(shape, value), show(shape, value, dialect))
        if not _is_scalar(shape.member):
            for index, element in enumerate(value):
                found += faults(shape.member, element, dialect, f"{path}.{index + 1}.member")
        elif any(scalar(shape.member, element) for element in value):
            text = f"Member must satisfy constraint: [{_all_constraints(shape.member, dialect)}]"
            report([text], show(shape, value, dialect))
    elif shape.type_name == "map":
        report(_bounds_faults(shape, value), show(shape, value, dialect))
        if any(scalar(shape.key, key) for key in value):
            text = f"Map keys must satisfy constraint: [{_all_constraints(shape.key, dialect)}]"
            report([text], show(shape, value, dialect))
        if any(scalar(shape.value, element) for element in value.values()):
            text = f"Map value must satisfy constraint: [{_all_constraints(shape.value, dialect)}]"
            report([text], show(shape, value, dialect))
    else:
        report(scalar(shape, value), show(shape, value, dialect))
    return found


def validation_message(found: list) -> str:
    """The answer to what `faults` found."""
    found = found[:ERRORS_MAX]
    plural = "error" if len(found) == 1 else "errors"
    return f"{len(found)} validation {plural} detected: {'; '.join(found)}"


LIST_FOUND = "Start of list found where not expected"
MAP_FOUND = "Start of structure or map found where not expected."
TARGETS = {
    "string": "an String",
    "integer": "an Integer",
    "long": "an Long",
    "double": "an Double",
    "boolean": "an Boolean",
    "blob": "a Blob",
    "timestamp": "milliseconds since epoch",
}
CONTAINERS = {
    "list": "Expected list or null",
    "map": "Expected map or null",
    "structure": "Expected null",
}
JSON_NUMBER = "com.amazon.coral.value.json.numbers.TruncatingBigNumber"


def java_class(value, in_cbor: bool) -> str:
    """The class that a message names. Nobody has recorded CBOR's: they are Java's own."""
    if isinstance(value, bool):
        return "java.lang.Boolean"
    if isinstance(value, str):
        return "java.lang.String"
    if isinstance(value, bytes):
        return "java.nio.HeapByteBuffer"
    if not in_cbor:
        return JSON_NUMBER
    if isinstance(value, float):
        return "java.lang.Double"
    return "java.lang.Integer" if -(2**31) <= value < 2**31 else "java.lang.Long"


def type_message(shape, value, in_cbor: bool):
    """What is said of a value of a wrong type; `None` if it is converted or right."""
    kind = shape.type_name
    if isinstance(value, list):
        return None if kind == "list" else LIST_FOUND
    if isinstance(value, dict):
        return None if kind in ("map", "structure") else MAP_FOUND
    if kind in CONTAINERS:
        return CONTAINERS[kind]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    takes = {
        "string": isinstance(value, str),
        "integer": is_number,
        "long": is_number,
        "double": is_number,
        "boolean": isinstance(value, (bool, float)),
        "timestamp": is_number,
        "blob": isinstance(value, bytes),
    }
    if takes[kind]:
        return None
    if kind == "boolean" and isinstance(value, str):
        if value.upper() in ("TRUE", "YES", "1", "FALSE", "NO", "0"):
            return None
        return f"'{value.upper()}' can not be converted to an Boolean"
    if kind == "blob" and isinstance(value, str) and not in_cbor:
        why = _base64_fault(value)
        return why and f"'{value}' can not be converted to a Blob: {why}"
    return f"class {java_class(value, in_cbor)} can not be converted to {TARGETS[kind]}"


def _base64_fault(text: str):
    if len(text) % 4:
        return f"Base64 encoded length is expected a multiple of 4 bytes but found: {len(text)}"
    wrong = re.search(r"[^a-zA-Z0-9+/=]|=(?=[^=])", text)
    if wrong:
        return f"Invalid Base64 character: '{wrong.group()}'"
    # What is left to be wrong is the bits that padding cuts off.
    return "Invalid last non-pad Base64 character dectected" if text.endswith("=") else None
