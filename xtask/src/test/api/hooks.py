"""What the document cannot say, and its fuzzer is therefore not to judge. Tests on the wire say it."""

import schemathesis

# Characters of a text that may have any bytes: a fourth of the 255 bytes of a name.
CHARACTERS = 63


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, field in value.items():
            yield key
            yield from texts(field)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


@schemathesis.serializer("application/toml")
def as_toml(context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schemathesis.hook
def filter_case(context, case):
    # JSON Schema counts characters, not bytes: of longer texts the document promises only those in ASCII.
    parts = [case.path_parameters, case.query, case.body]
    if any(len(text) > CHARACTERS and not text.isascii() for part in parts for text in texts(part)):
        return False
    # A header without a value: to the fuzzer the same as none, whatever its schema says.
    if any(value == "" for value in (case.headers or {}).values()):
        return False
    # OpenAPI has no words for two parameters that come together.
    query = case.query if isinstance(case.query, dict) else {}
    return ("since_epoch" in query) == ("since_offset" in query)
