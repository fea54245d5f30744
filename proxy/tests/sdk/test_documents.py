"""The golden matrix (filters/tests/golden/matrix) against OpenAI's OpenAPI document: Chat Completions and Responses."""

import json

import documents
import pytest
import schemas
from test_schemas import MATRIX, WIRES, is_error, pairs, plain, sections

OPENAI = ("chat", "responses")
# What the document has, though the SDK's releases have it not, or not all.
HAS = ["response.function_call_arguments.done:name"]


def meant(side, value):
    return plain(side, value, but=HAS)


def told(pair, wrong):
    return [f"{pair}, {case}, {title}: {w}" for case, title, found in wrong for w in found]


@pytest.mark.parametrize("pair", [p for p in pairs() if WIRES.get(p.split("-")[1], p.split("-")[1]) in OPENAI])
def test_requests(pair):
    upstream = pair.split("-")[1]
    wire, wrong = WIRES.get(upstream, upstream), []
    for case, title, text in sections(MATRIX / f"{pair}.txt"):
        if "request" in title:
            value = meant(f"to {upstream}", json.loads(text))
            wrong.append((case, title, documents.wrong(wire, "request", value)))
    assert len(wrong) >= 9
    assert not told(pair, wrong)


@pytest.mark.parametrize("pair", [p for p in pairs() if p.split("-")[0] in OPENAI])
def test_answers(pair):
    front, wrong = pair.split("-")[0], []
    for case, title, text in sections(MATRIX / f"{pair}.txt"):
        if title == "whole":
            found = documents.wrong(front, "answer", meant(f"from {front}", json.loads(text)))
        elif title == "stream":
            events = [meant(f"from {front}", e) for e in schemas.events(text)]
            kinds = ["error" if is_error(front, e) else "event" for e in events]
            found = [w for kind, e in zip(kinds, events) for w in documents.wrong(front, kind, e)]
        elif title == "refused" or " as " in title:
            found = documents.wrong(front, "error", json.loads(text[text.index("{") :]))
        else:
            continue
        wrong.append((case, title, found))
    assert len(wrong) >= 17
    assert not told(pair, wrong)


@pytest.mark.parametrize("front", OPENAI)
def test_what_the_clients_ask(front):
    asked = json.loads((MATRIX / "fronts" / f"{front}.json").read_text(encoding="utf-8"))
    assert len(asked) >= 7
    wrong = [(case, "asked", documents.wrong(front, "request", meant(f"to {front}", r))) for case, r in asked.items()]
    assert not told(front, wrong)


def test_the_document_is_strict():
    """A wrong field at some depth, a missing one, a wrong word, a number beyond its bounds: each is found."""
    said = [{"role": "user", "content": [{"type": "text", "text": "x"}]}]
    chat = {"model": "m", "messages": said}
    assert documents.wrong("chat", "request", chat) == []
    item = {"role": "user", "content": [{"type": "input_text", "text": "x"}]}
    responses = {"model": "m", "input": [item]}
    assert documents.wrong("responses", "request", responses) == []
    deep = [{"role": "user", "content": [{"type": "text", "text": "x", "surprise": 1}]}]
    part = {"role": "user", "content": [{"type": "input_text"}]}
    for wire, what, value in [
        ("chat", "request", {**chat, "surprise": 1}),
        ("chat", "request", {**chat, "messages": deep}),
        ("chat", "request", {**chat, "messages": []}),
        ("chat", "request", {**chat, "temperature": 2.5}),
        ("chat", "request", {**chat, "service_tier": "standard"}),
        ("chat", "request", {"model": "m"}),
        ("responses", "request", {**responses, "surprise": 1}),
        ("responses", "request", {**responses, "input": [part]}),
        ("responses", "request", {**responses, "truncation": "some"}),
        ("responses", "event", {"type": "response.queued"}),
        ("responses", "event", {"type": "response.surprise"}),
        ("chat", "error", {"error": {"message": "m"}}),
    ]:
        assert documents.wrong(wire, what, value), value
