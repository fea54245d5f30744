"""The providers' schemas, as their SDKs have them, in their strictest reading: no unknown field, no missing one."""

import functools
import importlib
import json
import pkgutil
import typing
import warnings

import anthropic.types
import botocore.session
import botocore.validate
import openai.types
import pydantic
import typing_extensions
from google.genai import types as genai


def _modules(package):
    yield package
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        yield importlib.import_module(found.name)


def _strict(package):
    """Requests are typed dictionaries, which take unknown keys, with iterables, which pydantic reads lazily."""
    for module in _modules(package):
        if hasattr(module, "Iterable"):
            module.Iterable = typing.List
        if hasattr(module, "SequenceNotStr"):
            module.SequenceNotStr = typing.List
        for value in list(vars(module).values()):
            if typing_extensions.is_typeddict(value):
                value.__pydantic_config__ = pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=True)


_strict(openai.types)
_strict(anthropic.types)

from anthropic.types import ErrorResponse, Message, RawMessageStreamEvent, message_create_params  # noqa: E402
from openai.types.chat import ChatCompletion, ChatCompletionChunk, completion_create_params  # noqa: E402
from openai.types.shared import ErrorObject  # noqa: E402
from openai.types.responses import Response, ResponseStreamEvent, response_create_params  # noqa: E402


@functools.cache
def _adapter(kind):
    return pydantic.TypeAdapter(kind)


class GeminiRequest(pydantic.BaseModel):
    """The body of generateContent: the SDK has no class for the whole of it."""

    model_config = pydantic.ConfigDict(extra="forbid")
    contents: list[genai.Content]
    systemInstruction: genai.Content | None = None
    tools: list[genai.Tool] | None = None
    toolConfig: genai.ToolConfig | None = None
    generationConfig: genai.GenerationConfig | None = None
    safetySettings: list[genai.SafetySetting] | None = None
    serviceTier: str | None = None
    labels: dict[str, str] | None = None
    cachedContent: str | None = None


_REQUESTS = {
    "chat": (
        completion_create_params.CompletionCreateParamsNonStreaming,
        completion_create_params.CompletionCreateParamsStreaming,
    ),
    "responses": (
        response_create_params.ResponseCreateParamsNonStreaming,
        response_create_params.ResponseCreateParamsStreaming,
    ),
    "messages": (
        message_create_params.MessageCreateParamsNonStreaming,
        message_create_params.MessageCreateParamsStreaming,
    ),
    "gemini": (GeminiRequest, GeminiRequest),
}
_ANSWERS = {
    "chat": (ChatCompletion, ChatCompletionChunk),
    "responses": (Response, ResponseStreamEvent),
    "messages": (Message, RawMessageStreamEvent),
    "gemini": (genai.GenerateContentResponse, genai.GenerateContentResponse),
}


def _validated(adapter, value):
    """What is wrong with the value: `path: why`, and what became of it."""
    with warnings.catch_warnings():
        # An unknown word of an enumeration is only a warning in Google's SDK.
        warnings.simplefilter("error")
        try:
            return adapter.validate_python(value), []
        except pydantic.ValidationError as e:
            return None, [f"{'.'.join(map(str, w['loc']))}: {w['msg']}" for w in e.errors()]
        except UserWarning as e:
            return None, [str(e)]


def request(wire, value):
    """What is wrong with a request to the provider."""
    if wire == "converse":
        return _converse("Converse", {"modelId": "m", **value})
    kinds = _REQUESTS[wire]
    # Some lists take parts of answers, too, which are as patient with unknown fields as whole ones.
    return _told(kinds[1] if value.get("stream") else kinds[0], value)


def answer(dialect, value):
    """What is wrong with a whole answer."""
    return _told(_ANSWERS[dialect][0], value)


def event(dialect, value):
    """What is wrong with an event of a stream."""
    return _told(_ANSWERS[dialect][1], value)


def error(dialect, value):
    """What is wrong with an error's body. (Of Google's the SDK has no class.)"""
    if dialect == "gemini":
        inner = value.get("error", {})
        return [] if {"code", "message", "status"} <= inner.keys() <= {"code", "message", "status", "details"} else [inner]
    if dialect == "messages":
        return _told(ErrorResponse, value)
    return _told(ErrorObject, value.get("error"))


def _told(kind, value):
    model, wrong = _validated(_adapter(kind), value)
    return wrong + _unknown(model, "")


def _unknown(value, path):
    """Fields that the SDK keeps though it does not know them, and what is wrong in lists that are read lazily."""
    if type(value).__name__ == "ValidatorIterator":
        try:
            return _unknown(list(value), path)
        except pydantic.ValidationError as e:
            return [f"{path}{'.'.join(map(str, w['loc']))}: {w['msg']}" for w in e.errors()]
    if isinstance(value, pydantic.BaseModel):
        extra = value.model_extra or {}
        known = {name: getattr(value, name) for name in type(value).model_fields if name in value.model_fields_set}
        return [f"{path}{name}: unknown" for name in extra] + [
            wrong for name, inner in known.items() for wrong in _unknown(inner, f"{path}{name}.")
        ]
    if isinstance(value, dict):
        return [wrong for name, inner in value.items() for wrong in _unknown(inner, f"{path}{name}.")]
    if isinstance(value, (list, tuple)):
        return [wrong for i, inner in enumerate(value) for wrong in _unknown(inner, f"{path}{i}.")]
    return []


_BEDROCK = botocore.session.Session().get_service_model("bedrock-runtime")


def _converse(operation, value):
    shape = _BEDROCK.operation_model(operation).input_shape
    report = botocore.validate.ParamValidator().validate(value, shape)
    return report.generate_report().splitlines() if report.has_errors() else []


def events(text):
    """The JSON of the events of a stream, `[DONE]` left out."""
    for line in text.splitlines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))
