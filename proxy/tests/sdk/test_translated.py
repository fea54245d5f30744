"""Every official SDK with every kind of provider (conftest's KINDS). What an SDK's user sees must not depend on who
answers."""

import json

import anthropic
import openai
import pytest
from conftest import KINDS
from pydantic import BaseModel, Field

pytestmark = pytest.mark.usefixtures("gateway_only")
MODELS = list(KINDS)
each = pytest.mark.parametrize("model", MODELS)
TEXT = "añb👋c \\ \" \u2028 </end>"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
          "additionalProperties": False}
CHAT_TOOL = {"type": "function", "function": {"name": "weather", "strict": True, "parameters": SCHEMA}}
RESPONSES_TOOL = {"type": "function", "name": "weather", "strict": True, "parameters": SCHEMA}
MESSAGES_TOOL = {"name": "weather", "input_schema": SCHEMA}
ONE = '[tool:weather {"city":"Zürich"}]'
TWO = ONE + ' [tool:weather {"city":"Bern"}]'
CITIES = [{"city": "Zürich"}, {"city": "Bern"}]


class Report(BaseModel):
    city: str
    degrees: int = Field(ge=-100, le=100)


def user(text: str) -> list:
    return [{"role": "user", "content": text}]


# Chat Completions


@each
def test_chat(oai, model):
    answer = oai.chat.completions.create(model=f"{model};echo;cached=1", messages=user(TEXT))
    assert answer.object == "chat.completion" and answer.model == f"{model};echo;cached=1"
    assert answer.choices[0].message.content == TEXT and answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0 and answer.usage.prompt_tokens_details.cached_tokens == 1
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@each
async def test_chat_async(aoai, model):
    answer = await aoai.chat.completions.create(model=f"{model};unicode", messages=user("x"))
    assert answer.choices[0].message.content


@each
@pytest.mark.parametrize("how", ["split=1", "eol=crlf;split=7", "burst=50"])
async def test_chat_stream(aoai, model, how):
    stream = await aoai.chat.completions.create(model=f"{model};echo;{how}", messages=user(TEXT), stream=True)
    chunks = [chunk async for chunk in stream]
    # Azure's first chunk is about the prompt.
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(not chunk.usage for chunk in chunks), "nobody asked for it"


@each
def test_chat_stream_with_usage(oai, model):
    ask = {"messages": user("x"), "stream": True, "stream_options": {"include_usage": True}}
    chunks = list(oai.chat.completions.create(model=f"{model};tokens=9", **ask))
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 9
    assert [chunk for chunk in chunks if chunk.usage] == [chunks[-1]]


@each
def test_chat_tools(oai, model):
    first = oai.chat.completions.create(model=model, messages=user(TWO), tools=[CHAT_TOOL])
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments) for call in message.tool_calls] == CITIES
    results = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls]
    second = oai.chat.completions.create(model=model, tools=[CHAT_TOOL], messages=[*user(TWO), message, *results])
    assert second.choices[0].message.content and second.choices[0].finish_reason == "stop"


@each
def test_chat_streamed_tools(oai, model):
    with oai.chat.completions.stream(model=model, messages=user(TWO), tools=[CHAT_TOOL]) as stream:
        kinds = [event.type for event in stream]
        calls = stream.get_final_completion().choices[0].message.tool_calls
    assert [call.function.parsed_arguments for call in calls] == CITIES
    assert kinds.count("tool_calls.function.arguments.done") == 2


@each
def test_chat_streamed_thoughts(oai, model):
    """What the SDK's reader of streams has put together, signatures included, is what the provider wants back."""
    ask = {"model": f"{model};echo;reasoning=6", "tools": [CHAT_TOOL], "reasoning_effort": "low"}
    with oai.chat.completions.stream(messages=user(TWO), **ask) as stream:
        message = stream.get_final_completion().choices[0].message
    assert [call.function.parsed_arguments for call in message.tool_calls] == CITIES
    back = message.model_dump(exclude={"parsed"}, exclude_none=True)
    for call in back["tool_calls"]:
        # What the SDK has added, its own API does not take back.
        call["function"].pop("parsed_arguments"), call.pop("index", None)
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "rain"} for call in back["tool_calls"]]
    second = oai.chat.completions.create(messages=[*user(TWO), back, *results], **ask)
    assert second.choices[0].message.content == "rainrain"


@each
def test_chat_structured(oai, model):
    answer = oai.chat.completions.parse(model=model, messages=user("x"), response_format=Report)
    assert isinstance(answer.choices[0].message.parsed, Report)
    with oai.chat.completions.stream(model=model, messages=user("x"), response_format=Report) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Report)


@each
def test_chat_limit(oai, model):
    answer = oai.chat.completions.create(model=f"{model};tokens=50", messages=user("x"), max_completion_tokens=5)
    assert answer.choices[0].finish_reason == "length" and answer.usage.completion_tokens == 5


# Responses


@each
def test_responses(oai, model):
    answer = oai.responses.create(model=f"{model};echo;cached=1", input=TEXT)
    assert answer.status == "completed" and answer.output_text == TEXT
    assert answer.usage.input_tokens_details.cached_tokens == 1
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert answer.store is True, "kept by the provider, or else by the gateway"


@each
@pytest.mark.parametrize("how", ["split=1", "eol=crlf;split=7", "burst=50"])
async def test_responses_stream(aoai, model, how):
    async with aoai.responses.stream(model=f"{model};echo;{how}", input=TEXT) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == final.output_text == TEXT
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    assert final.usage.output_tokens > 0


@each
def test_responses_tools(oai, model):
    first = oai.responses.create(model=model, input=TWO, tools=[RESPONSES_TOOL], store=False)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == CITIES
    results = [{"type": "function_call_output", "call_id": call.call_id, "output": "rain"} for call in calls]
    again = [*user(TWO), *first.output, *results]
    second = oai.responses.create(model=model, input=again, tools=[RESPONSES_TOOL], store=False)
    assert second.output_text


@each
def test_responses_streamed_tools(oai, model):
    with oai.responses.stream(model=model, input=TWO, tools=[RESPONSES_TOOL]) as stream:
        for _ in stream:
            pass
        calls = [item for item in stream.get_final_response().output if item.type == "function_call"]
    assert [call.parsed_arguments for call in calls] == CITIES


@each
def test_responses_structured(oai, model):
    answer = oai.responses.parse(model=model, input="x", text_format=Report)
    assert isinstance(answer.output_parsed, Report)


@each
def test_responses_limit(oai, model):
    answer = oai.responses.create(model=f"{model};tokens=50", input="x", max_output_tokens=16)
    assert answer.status == "incomplete" and answer.incomplete_details.reason == "max_output_tokens"


# Messages


@each
def test_messages(ant, model):
    answer = ant.messages.create(model=f"{model};echo;cached=1", max_tokens=200, messages=user(TEXT))
    assert answer.type == "message" and answer.role == "assistant" and answer.stop_reason == "end_turn"
    assert "".join(block.text for block in answer.content) == TEXT
    assert answer.usage.cache_read_input_tokens == 1 and answer.usage.output_tokens > 0


@each
async def test_messages_async(aant, model):
    answer = await aant.messages.create(model=f"{model};unicode", max_tokens=200, messages=user("x"))
    assert answer.content[0].text


@each
@pytest.mark.parametrize("how", ["split=1", "eol=crlf;split=7", "burst=50"])
async def test_messages_stream(aant, model, how):
    async with aant.messages.stream(model=f"{model};echo;{how}", max_tokens=200, messages=user(TEXT)) as stream:
        pieces = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()
    assert pieces == final.content[0].text == TEXT and final.stop_reason == "end_turn"
    assert final.usage.input_tokens > 0 and final.usage.output_tokens > 0


@each
def test_messages_tools(ant, model):
    ask = {"model": model, "max_tokens": 200, "tools": [MESSAGES_TOOL]}
    first = ant.messages.create(messages=user(TWO), **ask)
    calls = [block for block in first.content if block.type == "tool_use"]
    assert first.stop_reason == "tool_use" and [call.input for call in calls] == CITIES
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"} for call in calls]
    turns = [*user(TWO), {"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    assert ant.messages.create(messages=turns, **ask).content[0].text


@each
def test_messages_streamed_tools(ant, model):
    with ant.messages.stream(model=model, max_tokens=200, tools=[MESSAGES_TOOL], messages=user(TWO)) as stream:
        final = stream.get_final_message()
    assert [block.input for block in final.content if block.type == "tool_use"] == CITIES


@each
def test_messages_structured(ant, model):
    answer = ant.messages.parse(model=model, max_tokens=200, messages=user("x"), output_format=Report)
    assert isinstance(answer.parsed_output, Report)


@each
def test_messages_thinking(ant, model):
    ask = {"max_tokens": 3000, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    with ant.messages.stream(model=f"{model};reasoning=6", messages=user("x"), **ask) as stream:
        final = stream.get_final_message()
    assert final.content[-1].type == "text" and final.content[-1].text
    if "claude" in model:
        assert final.content[0].type == "thinking" and final.content[0].signature


@each
def test_messages_limit(ant, model):
    # 16 is the least that the Responses API takes.
    answer = ant.messages.create(model=f"{model};tokens=50", max_tokens=16, messages=user("x"))
    assert answer.stop_reason == "max_tokens" and answer.usage.output_tokens == 16
    assert answer._request_id


# What goes wrong

STATUSES = [(400, "BadRequestError"), (404, "NotFoundError"), (429, "RateLimitError"), (500, "InternalServerError")]


@each
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status, name", STATUSES)
def test_error_classes(oai, ant, model, status, name, stream):
    broken = f"{model};status={status};retry_after=77"
    for sdk, ask in [
        (openai, lambda: oai.chat.completions.create(model=broken, messages=user("x"), stream=stream)),
        (openai, lambda: oai.responses.create(model=broken, input="x", stream=stream)),
        (anthropic, lambda: ant.messages.create(model=broken, max_tokens=9, messages=user("x"), stream=stream)),
    ]:
        with pytest.raises(getattr(sdk, name)) as caught:
            ask()
        assert caught.value.request_id and caught.value.response.headers["retry-after"] == "77"
        inner = caught.value.body["error"] if sdk is anthropic else caught.value.body
        # Azure's gateway tells no type, and speaks OpenAI's dialect itself.
        assert inner["message"] and (inner.get("type") or (sdk is openai and "azure" in model))


@each
@pytest.mark.parametrize("directive", ["status=401", "status=502;html"])
def test_the_providers_trouble(oai, ant, model, directive):
    broken = f"{model};{directive}"
    for sdk, ask in [
        (openai, lambda: oai.chat.completions.create(model=broken, messages=user("x"))),
        (openai, lambda: oai.responses.create(model=broken, input="x")),
        (anthropic, lambda: ant.messages.create(model=broken, max_tokens=9, messages=user("x"))),
    ]:
        with pytest.raises(sdk.InternalServerError):
            ask()


@each
@pytest.mark.parametrize("where", ["error_event=5", "cut=5"])
def test_error_in_mid_stream(oai, ant, model, where):
    broken = f"{model};tokens=50;{where}"
    got = []
    with pytest.raises(openai.APIError):
        got.extend(oai.chat.completions.create(model=broken, messages=user("x"), stream=True))
    with pytest.raises(anthropic.APIStatusError):
        for event in ant.messages.create(model=broken, max_tokens=99, messages=user("x"), stream=True):
            got.append(event)
            assert event.type != "message_stop"
    assert got, "what came before must arrive"
    kinds = []
    try:
        for event in oai.responses.create(model=broken, input="x", stream=True):
            kinds.append(event.type)
    except openai.APIError:
        kinds.append("error")
    assert kinds[0] == "response.created" and kinds[-1] in ("error", "response.failed"), kinds


def test_what_cannot_be_said_names_the_field(oai, ant):
    with pytest.raises(openai.BadRequestError) as caught:
        oai.chat.completions.create(model="claude-sim", messages=user("x"), seed=7)
    assert caught.value.param == "seed" and caught.value.code == "unsupported_parameter"
    with pytest.raises(anthropic.BadRequestError) as caught:
        ant.messages.create(model="gpt-sim", max_tokens=9, messages=user("x"), extra_body={"top_k": 5})
    assert "top_k" in caught.value.body["error"]["message"]
    with pytest.raises(openai.BadRequestError) as caught:
        oai.responses.create(model="claude-sim", input="x", background=True, store=False)
    assert caught.value.param == "store"


@each
def test_closing_a_stream_ends_it(oai, ant, model):
    endless = f"{model};tokens=100000;gap=20"
    stream = oai.chat.completions.create(model=endless, messages=user("x"), stream=True)
    assert next(iter(stream)).model is not None
    stream.close()
    with ant.messages.stream(model=endless, max_tokens=200000, messages=user("x")) as stream:
        assert next(iter(stream.text_stream))
    assert ant.messages.create(model=model, max_tokens=9, messages=user("x")).content


def test_every_model_is_listed_to_everybody(oai, ant):
    assert set(MODELS) <= {model.id for model in oai.models.list()}
    assert set(MODELS) <= {model.id for model in ant.models.list(limit=1000)}
