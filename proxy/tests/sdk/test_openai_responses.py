"""The Responses API by the official `openai` SDK, stored responses included."""

import openai
import pytest

TOOL = {"type": "function", "name": "weather", "strict": True, "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}


def test_answer(oai):
    answer = oai.responses.create(model="gpt-sim;tokens=6;reasoning=4;cached=1", input="Say something.")
    assert answer.status == "completed" and answer.output_text
    assert answer.usage.output_tokens == 10
    assert answer.usage.output_tokens_details.reasoning_tokens == 4
    assert answer.usage.input_tokens_details.cached_tokens == 1


async def test_stream_async(aoai):
    kinds, text = [], ""
    async for event in await aoai.responses.create(model="gpt-sim;tokens=6", input="x", stream=True):
        kinds.append(event.type)
        if event.type == "response.output_text.delta":
            text += event.delta
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert text


def test_stream_helper(oai):
    with oai.responses.stream(model="gpt-sim;echo", input="Grüße 👋") as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert deltas == final.output_text == "Grüße 👋"


def test_tool_call(oai):
    answer = oai.responses.create(model="gpt-sim", input="[tool:weather]", tools=[TOOL])
    call = next(item for item in answer.output if item.type == "function_call")
    assert call.name == "weather" and "city" in call.arguments


def test_stored_response(oai):
    made = oai.responses.create(model="gpt-sim", input="Remember this.", store=True)
    assert oai.responses.retrieve(made.id).id == made.id
    assert oai.responses.input_items.list(made.id).data
    follow = oai.responses.create(model="gpt-sim", input="And then?", previous_response_id=made.id)
    assert follow.status == "completed"
    oai.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        oai.responses.retrieve(made.id)


def test_stored_response_of_somebody_else(oai, server, gateway_only):
    made = oai.responses.create(model="gpt-sim", input="Mine.", store=True)
    other = openai.OpenAI(base_url=server.url + "/v1", api_key=server.narrow_key, max_retries=0)
    for attempt in (
        lambda: other.responses.retrieve(made.id),
        lambda: other.responses.delete(made.id),
        lambda: other.responses.cancel(made.id),
        lambda: other.responses.input_items.list(made.id),
    ):
        with pytest.raises(openai.NotFoundError):
            attempt()
    with pytest.raises(openai.BadRequestError) as caught:
        other.responses.create(model="allowed-gpt", input="x", previous_response_id=made.id)
    assert caught.value.code == "previous_response_not_found"
    assert oai.responses.retrieve(made.id).id == made.id, "and the owner still has it"


@pytest.mark.parametrize("where", ["error_event=3", "cut=3"])
def test_error_in_mid_stream(oai, where):
    seen = []
    try:
        for event in oai.responses.create(model=f"gpt-sim;tokens=50;{where}", input="x", stream=True):
            seen.append(event.type)
    except Exception:  # noqa: BLE001 the SDK raises for some kinds of end, and tells an event of others
        seen.append("error")
    assert seen[0] == "response.created"
    assert seen[-1] in ("error", "response.failed"), seen
    assert "response.completed" not in seen
