"""Everything in the golden matrix (filters/tests/golden/matrix) has the providers' own shapes."""

import json
import pathlib

import pytest
import schemas

MATRIX = pathlib.Path(__file__).resolve().parents[3] / "filters" / "tests" / "golden" / "matrix"
WIRES = {"compatible": "chat", "azure": "chat"}

# Fields that no schema knows and that are meant, and why. `type:field` is one of an object (or of what is in it) that
# has this `type`.
MEANT = {
    "to compatible": {
        "top_k": "vLLM and others have it",
        "reasoning_content": "vLLM, DeepSeek and others want the thought back in it",
    },
    "from chat": {
        "reasoning_content": "the thought, as DeepSeek's and vLLM's clients read it",
        "reasoning_details": "the thought with its signature, as OpenRouter's clients read it and give it back",
        "extra_content": "Google's signature of a call, where Google's own compatible API has it",
    },
    "to messages": {
        "temperature": "models before Claude Opus 4.7 take it, though the SDK has dropped it",
        "top_k": "likewise",
    },
    "from messages": {
        "message_delta:service_tier": "other providers tell it at the end; Anthropic's message_start has it",
    },
    "from gemini": {
        "serviceTier": "the Gemini API tells it, the SDK does not know it",
    },
    "from responses": {
        "store": "OpenAI tells it, the SDK does not know it",
        "response.function_call_arguments.done:name": "documented; releases of the SDK before this one want it",
        "error:error": "what OpenAI really sends, beside what it documents",
    },
    "of responses": {
        "store": "OpenAI tells it, the SDK does not know it",
    },
}
MET = set()


def sections(path):
    """Case, title and text of each section."""
    case = title = None
    lines = []
    for line in [*path.read_text(encoding="utf-8").split("\n"), "# "]:
        if line.startswith("# ") or line.startswith("## "):
            if title:
                yield case, title, "\n".join(lines)
            lines, title = [], None
            if line.startswith("## "):
                title = line[3:]
            else:
                case = line[2:]
        else:
            lines.append(line)


def plain(side, value, kind=None, but=()):
    """The value without what is meant, `but` for some of it."""
    if isinstance(value, list):
        return [plain(side, v, kind, but) for v in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("type"), str):
        kind = value["type"]
    meant, kept = MEANT.get(side, {}).keys() - set(but), {}
    for key, inner in value.items():
        found = {key, f"{kind}:{key}"} & meant
        MET.update((side, f) for f in found)
        if not found:
            kept[key] = plain(side, inner, kind, but)
    return kept


def pairs():
    return sorted(p.stem for p in MATRIX.glob("*.txt"))


def test_the_matrix_is_there():
    assert len(pairs()) >= 17


@pytest.mark.parametrize("pair", pairs())
def test_requests(pair):
    upstream = pair.split("-")[1]
    wire = WIRES.get(upstream, upstream)
    wrong, seen = [], 0
    for case, title, text in sections(MATRIX / f"{pair}.txt"):
        if "request" in title:
            found = schemas.request(wire, plain(f"to {upstream}", json.loads(text)))
            wrong += [f"{case}, {title}: {w}" for w in found]
            seen += 1
    assert seen >= 9
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("pair", pairs())
def test_answers(pair):
    front = pair.split("-")[0]
    wrong, seen = [], 0
    for case, title, text in sections(MATRIX / f"{pair}.txt"):
        found = []
        if title == "whole":
            found = schemas.answer(front, plain(f"from {front}", json.loads(text)))
            seen += 1
        elif title == "stream":
            for e in schemas.events(text):
                check = schemas.error if is_error(front, e) else schemas.event
                found += check(front, plain(f"from {front}", e))
            seen += 1
        elif title == "refused" or " as " in title:
            found = schemas.error(front, json.loads(text[text.index("{") :]))
            seen += 1
        wrong += [f"{case}, {title}: {w}" for w in found]
    assert seen >= 17
    assert not wrong, "\n".join(sorted(set(wrong)))


@pytest.mark.parametrize("front", ["chat", "responses", "messages", "gemini"])
def test_what_the_clients_ask(front):
    asked = json.loads((MATRIX / "fronts" / f"{front}.json").read_text(encoding="utf-8"))
    assert len(asked) >= 7
    wrong = [f"{case}: {w}" for case, r in asked.items() for w in schemas.request(front, plain(f"to {front}", r))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("wire", ["responses", "messages", "gemini"])
def test_what_the_providers_answer(wire):
    """Those of Azure and of compatible servers have fields of their own at every turn."""
    side, wrong = f"of {wire}", []
    for case, answer in json.loads((MATRIX / "wires" / f"{wire}.json").read_text(encoding="utf-8")).items():
        if case == "errors":
            continue
        found = schemas.answer(wire, plain(side, answer["whole"])) if "whole" in answer else []
        events = [plain(side, e) for e in answer["events"] if not is_error(wire, e) and e.get("type") != "ping"]
        found += [w for e in events for w in schemas.event(wire, e)]
        wrong += [f"{case}: {w}" for w in found]
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_the_schemas_are_strict():
    """A wrong field at some depth, a missing one, a wrong word: each is found."""
    said = [{"role": "user", "content": [{"type": "text", "text": "x"}]}]
    for wire, good in {
        "chat": {"model": "m", "messages": said},
        "messages": {"model": "m", "max_tokens": 1, "messages": said},
        "responses": {"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]},
        "gemini": {"contents": [{"role": "user", "parts": [{"text": "x"}]}]},
        "converse": {"messages": [{"role": "user", "content": [{"text": "x"}]}]},
    }.items():
        assert schemas.request(wire, good) == [], wire
        assert schemas.request(wire, {**good, "surprise": 1}), wire
        deep = json.loads(json.dumps(good))
        turn = next(v for v in deep.values() if isinstance(v, list))[0]
        turn.get("content", turn.get("parts"))[0]["surprise"] = 1
        assert schemas.request(wire, deep), wire
    whole = {"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
    assert schemas.answer("chat", whole) == []
    assert schemas.answer("chat", {**whole, "service_tier": "standard"})
    assert schemas.answer("chat", {**whole, "surprise": 1})
    assert schemas.answer("chat", {k: v for k, v in whole.items() if k != "id"})
    assert schemas.answer("gemini", {"candidates": [{"surprise": 1}]})
    assert schemas.event("messages", {"type": "message_stop", "surprise": 1})
    assert schemas.event("responses", {"type": "response.queued"})


def is_error(front, event):
    """Of chunks and Gemini's events the SDKs know errors before they read anything else."""
    return front in ("chat", "gemini", "messages") and "error" in event


def test_nothing_is_meant_in_vain():
    assert MET == {(side, field) for side, fields in MEANT.items() for field in fields}
