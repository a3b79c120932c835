"""What AWS says of a bad input.

An oracle of its own: it reads botocore's model and applies the rules that were recorded from AWS
(`facts/streams.md` § 2.2), so that the server's explainer is not measured by itself.
"""

import re

ERRORS_MAX = 10
PACKAGE = "com.amazonaws.kinesis.v20131202"
NOT_NULL = "Member must not be null"
# AWS quotes a whole value; the server stops here, on purpose.
QUOTED_BYTES_MAX = 64 * 1024

# Pairs of members that were recorded in this order although they share a bucket of the hash map.
TIES = [
    ("sequenceNumberForOrdering", "partitionKey"),
    ("startingSequenceNumber", "streamName"),
    ("shardToMerge", "adjacentShardToMerge"),
    ("streamName", "shardToSplit"),
]


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


def members_in_order(shape) -> list:
    """A structure's members as Java 7's `HashMap` walks them."""
    names = list(shape.members)
    buckets = 16
    while buckets * 3 < len(names) * 4:
        buckets *= 2

    def bucket(name):
        code = java_hash(lower_first(name))
        code ^= (code >> 20) ^ (code >> 12)
        return (code ^ (code >> 7) ^ (code >> 4)) % buckets

    chains = {}
    for name in names:
        chains.setdefault(bucket(name), []).append(name)
    for chain in chains.values():
        lowered = [lower_first(name) for name in chain]
        for first, second in TIES:
            if first in lowered and second in lowered:
                chain.sort(key=lambda name: lower_first(name) == second)
    return [name for index in sorted(chains) for name in chains[index]]


def values_in_order(shape) -> list:
    return sorted(shape.enum, key=lambda value: java_hash(value) % 32)


def _at_least(what, least):
    return f"Member must have {what} greater than or equal to {least}"


def _at_most(what, most):
    return f"Member must have {what} less than or equal to {most}"


def _pattern(shape):
    return f"Member must satisfy regular expression pattern: {shape.metadata['pattern']}"


def _enum(shape):
    return f"Member must satisfy enum value set: [{', '.join(values_in_order(shape))}]"


def _measure(shape, value):
    """What the bounds of a shape are about, and how much of it a value has."""
    if shape.type_name in ("integer", "long"):
        return "value", value
    if shape.type_name == "string":
        return "length", java_length(value)
    return "length", len(value)


def _is_scalar(shape):
    return shape.type_name not in ("structure", "list", "map")


def _scalar_faults(shape, value) -> list:
    """Enum, pattern, least, most: in this order."""
    if value is None:
        return [NOT_NULL]
    faults, limits = [], shape.metadata
    if limits.get("enum") and value not in shape.enum:
        faults.append(_enum(shape))
    if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
        faults.append(_pattern(shape))
    return faults + _bounds_faults(shape, value)


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


def _all_constraints(shape) -> str:
    """Every constraint of an element, as the fault of its container lists them."""
    limits = shape.metadata
    what = "value" if shape.type_name in ("integer", "long") else "length"
    listed = []
    if "max" in limits:
        listed.append(_at_most(what, limits["max"]))
    if "min" in limits:
        listed.append(_at_least(what, limits["min"]))
    if "pattern" in limits:
        listed.append(_pattern(shape))
    if limits.get("enum"):
        listed.append(_enum(shape))
    return ", ".join(listed or [NOT_NULL])


def show(shape, value) -> str:
    """Java's `toString`."""
    if value is None:
        return "null"
    kind = shape.type_name
    if kind == "structure":
        return f"{PACKAGE}.{shape.name}@2"
    if kind == "list":
        return "[" + ", ".join(show(shape.member, element) for element in value) + "]"
    if kind == "map":
        pairs = (f"{key}={show(shape.value, element)}" for key, element in value.items())
        return "{" + ", ".join(pairs) + "}"
    if kind == "blob":
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    return str(value)


def faults(shape, value, path="") -> list:
    """Everything that is wrong with a value of the right types."""
    found = []

    def report(texts, shown):
        if shown != "null":
            shown = f"'{shown.encode()[:QUOTED_BYTES_MAX].decode(errors='ignore')}'"
        for text in texts:
            found.append(f"Value {shown} at '{path}' failed to satisfy constraint: {text}")

    if value is None:
        report([NOT_NULL], "null")
    elif shape.type_name == "structure":
        for name in members_in_order(shape):
            member_path = f"{path}.{lower_first(name)}" if path else lower_first(name)
            if value.get(name) is not None or name in shape.required_members:
                found += faults(shape.members[name], value.get(name), member_path)
    elif shape.type_name == "list":
        report(_bounds_faults(shape, value), show(shape, value))
        if not _is_scalar(shape.member):
            for index, element in enumerate(value):
                found += faults(shape.member, element, f"{path}.{index + 1}.member")
        elif any(_scalar_faults(shape.member, element) for element in value):
            text = f"Member must satisfy constraint: [{_all_constraints(shape.member)}]"
            report([text], show(shape, value))
    elif shape.type_name == "map":
        report(_bounds_faults(shape, value), show(shape, value))
        if any(_scalar_faults(shape.key, key) for key in value):
            text = f"Map keys must satisfy constraint: [{_all_constraints(shape.key)}]"
            report([text], show(shape, value))
        if any(_scalar_faults(shape.value, element) for element in value.values()):
            text = f"Map value must satisfy constraint: [{_all_constraints(shape.value)}]"
            report([text], show(shape, value))
    else:
        report(_scalar_faults(shape, value), show(shape, value))
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
