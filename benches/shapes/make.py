"""Writes the shapes of requests, which the simulator checks bodies against, from the official SDKs' own types.

    python3 -m venv /tmp/shapes && /tmp/shapes/bin/pip install anthropic openai google-genai botocore
    /tmp/shapes/bin/python benches/shapes/make.py benches/shapes

A shape is `"*"` (anything), `"s"`, `"n"`, `"b"` (string, number, boolean), `"#Name"` (an object of the file's types),
`[shape]` (a list), `{"e": [...]}` (one of these strings), `{"m": shape}` (a map), `{"u": [shapes]}` (any of them). A
type is `{"f": {field: shape}, "r": [required fields]}`, with `"o": 1` if exactly one of the fields must be there.
"""

import collections.abc
import inspect
import json
import pathlib
import sys
import types
import typing

import typing_extensions as te


class Shapes:
    def __init__(self):
        self.types = {}
        self.names = {}

    def name(self, cls):
        """A short name for a type; described at its first use, so that types may hold themselves."""
        key = f"{cls.__module__}.{cls.__qualname__}"
        if key not in self.names:
            base = cls.__name__.removesuffix("Param")
            name, n = base, 2
            while name in self.types:
                name, n = f"{base}{n}", n + 1
            self.names[key] = name
            self.types[name] = {}
            self.types[name].update(self.describe(cls))
        return "#" + self.names[key]

    def describe(self, cls):
        if hasattr(cls, "model_fields"):
            fields = {}
            for name, info in cls.model_fields.items():
                fields[info.alias or camel(name)] = self.shape(info.annotation)
            return {"f": fields, "r": []}
        hints = te.get_type_hints(cls, include_extras=True)
        fields, required = {}, set(cls.__required_keys__)
        for name, hint in hints.items():
            alias = None
            # the keys of a class whose annotations are strings do not know of it
            if te.get_origin(hint) in (te.Required, typing.Required):
                required.add(name)
            for part in walk(hint):
                alias = getattr(part, "alias", None) or alias
            fields[alias or name] = self.shape(hint)
        return {"f": fields, "r": sorted(n for n in required if n in fields)}

    def shape(self, hint):
        origin, args = te.get_origin(hint), te.get_args(hint)
        if origin in (te.Required, te.NotRequired, te.Annotated, typing.Required, typing.NotRequired):
            return self.shape(args[0])
        if isinstance(hint, te.TypeAliasType):
            return self.shape(hint.__value__)
        if origin in (typing.Union, types.UnionType):
            shapes = []
            for arg in args:
                if arg is type(None):
                    continue
                one = self.shape(arg)
                for s in one["u"] if isinstance(one, dict) and "u" in one else [one]:
                    if s not in shapes:
                        shapes.append(s)
            if "*" in shapes:
                return "*"
            words = sorted({w for s in shapes if isinstance(s, dict) and "e" in s for w in s["e"]})
            shapes = [s for s in shapes if not (isinstance(s, dict) and "e" in s)]
            if words and "s" not in shapes:
                shapes.append({"e": words})
            return shapes[0] if len(shapes) == 1 else {"u": shapes}
        if origin in (typing.Literal, te.Literal):
            return {"e": sorted(args)} if all(isinstance(a, str) for a in args) else "*"
        if origin in (list, collections.abc.Iterable, collections.abc.Sequence) or getattr(origin, "__name__", "") == "SequenceNotStr":
            return [self.shape(args[0])]
        if origin in (dict, collections.abc.Mapping):
            return {"m": self.shape(args[1])}
        if inspect.isclass(hint):
            if te.is_typeddict(hint) or hasattr(hint, "model_fields"):
                return self.name(hint)
            if hasattr(hint, "__members__"):
                words = sorted(v for v in (m.value for m in hint) if isinstance(v, str))
                # Google's numbers of enums are as good as their names, and new ones come every month
                return "s" if words else "*"
            if issubclass(hint, bool):
                return "b"
            if issubclass(hint, (int, float)):
                return "n"
            if issubclass(hint, str):
                return "s"
        return "*"


def walk(hint):
    yield hint
    for arg in getattr(hint, "__metadata__", ()):
        yield arg
    for arg in te.get_args(hint):
        if te.get_origin(hint) in (te.Required, te.Annotated, typing.Required):
            yield from walk(arg)


def camel(name):
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def merged(s, *classes):
    """One type of the non-streaming and the streaming parameters."""
    fields, required = {}, None
    for cls in classes:
        told = s.describe(cls)
        for key, shape in told["f"].items():
            fields.setdefault(key, shape)
        required = set(told["r"]) if required is None else required & set(told["r"])
    fields["stream"] = "b"
    return {"f": fields, "r": sorted(required)}


def anthropic():
    from anthropic.types import message_count_tokens_params as count
    from anthropic.types import message_create_params as create
    from anthropic.types.beta import message_count_tokens_params as beta_count
    from anthropic.types.beta import message_create_params as beta_create

    s = Shapes()
    roots = {
        "messages": merged(s, create.MessageCreateParamsNonStreaming, create.MessageCreateParamsStreaming),
        "count_tokens": s.describe(count.MessageCountTokensParams),
        "beta_messages": merged(s, beta_create.MessageCreateParamsNonStreaming, beta_create.MessageCreateParamsStreaming),
        "beta_count_tokens": s.describe(beta_count.MessageCountTokensParams),
    }
    for name, root in roots.items():
        root["f"] = {k: v for k, v in root["f"].items() if not k.startswith("anthropic-")}
        if name.endswith("messages"):
            # gone from the newest SDK, still taken by the API for models that know them
            root["f"].update(temperature="n", top_p="n", top_k="n")
    return {"roots": roots, "types": s.types}


def openai():
    from openai.types.chat import completion_create_params as chat
    from openai.types.responses import response_create_params as responses

    s = Shapes()
    roots = {
        "chat": merged(s, chat.CompletionCreateParamsNonStreaming, chat.CompletionCreateParamsStreaming),
        "responses": merged(s, responses.ResponseCreateParamsNonStreaming, responses.ResponseCreateParamsStreaming),
    }
    # answers are given back as they came
    s.types["ChatCompletionAssistantMessage"]["f"]["annotations"] = ["*"]
    # Codex gives its messages ids and tells of itself
    for name in ("EasyInputMessage", "Message"):
        s.types[name]["f"].setdefault("id", "s")
    s.types["ResponseReasoningItem"]["r"].remove("id")  # nor does it give them to reasoning
    roots["responses"]["f"].setdefault("client_metadata", {"m": "s"})
    return {"roots": roots, "types": s.types}


def gemini():
    from google.genai import types as g

    s = Shapes()
    # the parameters of a call are flat in the SDK; on the wire they are these
    content, tool = s.name(g.Content), s.name(g.Tool)
    generate = {"f": {
        "model": "s", "contents": [content], "systemInstruction": content, "tools": [tool],
        "toolConfig": s.name(g.ToolConfig), "safetySettings": [s.name(g.SafetySetting)],
        "generationConfig": s.name(g.GenerationConfig), "cachedContent": "s", "labels": {"m": "s"},
        "serviceTier": "s", "store": "b", "modelArmorConfig": "*",
    }, "r": ["contents"]}
    s.types["Generate"] = generate
    embed = {"f": {"model": "s", "content": content, "taskType": "s", "title": "s", "outputDimensionality": "n",
                   "embedContentConfig": "*"}, "r": ["content"]}
    s.types["Embed"] = embed
    # Vertex' embedContent has one more.
    embed = {"f": {**embed["f"], "autoTruncate": "b"}, "r": ["content"]}
    return {"roots": {
        "generate": generate, "embed": embed,
        "count": {"f": {"contents": [content], "generateContentRequest": "#Generate", "systemInstruction": content,
                        "tools": [tool], "generationConfig": "*", "model": "s"}, "r": []},
        "batch_embed": {"f": {"requests": ["#Embed"]}, "r": ["requests"]},
    }, "types": s.types}


def bedrock():
    import botocore.session

    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    known = {}

    def shape(of):
        kind = of.type_name
        if kind == "structure":
            if getattr(of, "is_document_type", False):
                return "*"
            if of.name not in known:
                known[of.name] = {}
                known[of.name].update(describe(of))
            return "#" + of.name
        if kind == "list":
            return [shape(of.member)]
        if kind == "map":
            return {"m": shape(of.value)}
        if kind == "string":
            return {"e": list(of.enum)} if of.enum else "s"
        return {"blob": "s", "boolean": "b"}.get(kind, "n")

    def describe(of):
        members = {k: v for k, v in of.members.items() if v.serialization.get("location") not in ("uri", "header")}
        told = {"f": {k: shape(v) for k, v in members.items()}, "r": sorted(set(of.required_members) & set(members))}
        if of.is_tagged_union:
            told["o"] = 1
        return told

    return {"roots": {"converse": describe(model.operation_model("Converse").input_shape),
                      "converse_stream": describe(model.operation_model("ConverseStream").input_shape),
                      "count": describe(model.operation_model("CountTokens").input_shape)},
            "types": known}


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    for make in (anthropic, openai, gemini, bedrock):
        try:
            made = make()
        except ModuleNotFoundError as missing:
            print(f"{make.__name__}: {missing}; left as it is")
            continue
        lines = [f'"roots": {json.dumps(made["roots"], separators=(",", ":"))}']
        lines += ['"types": {\n' + ",\n".join(f'{json.dumps(k)}:{json.dumps(v, separators=(",", ":"))}' for k, v in made["types"].items()) + "\n}"]
        (out / f"{make.__name__}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
