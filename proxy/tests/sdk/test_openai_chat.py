"""Chat Completions by the official `openai` SDK."""

import openai
import pytest
from pydantic import BaseModel

ASK = [{"role": "user", "content": "Say something."}]
TOOL = {"type": "function", "function": {"name": "weather", "strict": True, "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}}


def test_answer_with_usage(oai):
    answer = oai.chat.completions.create(model="gpt-sim;tokens=12;cached=2;reasoning=5", messages=ASK)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens == 17
    assert answer.usage.prompt_tokens_details.cached_tokens == 2
    assert answer.usage.completion_tokens_details.reasoning_tokens == 5
    assert answer._request_id


async def test_answer_async(aoai):
    answer = await aoai.chat.completions.create(model="gpt-sim;unicode", messages=ASK)
    assert answer.choices[0].message.content


def test_echo_comes_back_unchanged(oai):
    text = "Grüße, 世界 👋 \\ \" \u2028 \x7f <|end|>"
    answer = oai.chat.completions.create(model="gpt-sim;echo", messages=[{"role": "user", "content": text}])
    assert answer.choices[0].message.content == text


def test_stream_without_usage_has_none(oai):
    """The gateway asks for usage itself; a client that did not ask must not see the extra chunk."""
    chunks = list(oai.chat.completions.create(model="gpt-sim;tokens=9", messages=ASK, stream=True))
    assert all(chunk.choices for chunk in chunks), "a chunk without choices is the usage chunk"
    assert all(not chunk.usage for chunk in chunks)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_stream_with_usage(oai):
    chunks = list(oai.chat.completions.create(
        model="gpt-sim;tokens=9", messages=ASK, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 9
    assert [chunk for chunk in chunks if chunk.usage] == [chunks[-1]]


@pytest.mark.parametrize("how", ["split=1", "split=7", "eol=crlf", "eol=cr;split=3", "burst=100", "unicode;split=1"])
async def test_stream_in_any_pieces(aoai, how):
    plain = await aoai.chat.completions.create(model=f"gpt-sim;echo;{how}", messages=[{"role": "user", "content": "añb👋c" * 20}])
    stream = await aoai.chat.completions.create(
        model=f"gpt-sim;echo;{how}", messages=[{"role": "user", "content": "añb👋c" * 20}], stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == plain.choices[0].message.content == "añb👋c" * 20


def test_stream_helper(oai):
    with oai.chat.completions.stream(model="gpt-sim;tokens=5", messages=ASK) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "content.delta" in kinds and kinds[-1] == "content.done"
    assert final.choices[0].message.content


def test_tool_call_and_result(oai):
    ask = [{"role": "user", "content": "[tool:weather]"}]
    first = oai.chat.completions.create(model="gpt-sim", messages=ask, tools=[TOOL])
    call = first.choices[0].message.tool_calls[0]
    assert first.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "weather" and '"city"' in call.function.arguments
    second = oai.chat.completions.create(model="gpt-sim", tools=[TOOL], messages=[
        *ask, first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "rain"}])
    assert second.choices


def test_streamed_tool_call(oai):
    with oai.chat.completions.stream(
            model="gpt-sim", messages=[{"role": "user", "content": "[tool:weather]"}], tools=[TOOL]) as stream:
        for _ in stream:
            pass
        call = stream.get_final_completion().choices[0].message.tool_calls[0]
    assert call.function.name == "weather"
    assert call.function.parsed_arguments["city"]


class Report(BaseModel):
    city: str
    degrees: int


def test_structured_answer(oai):
    answer = oai.chat.completions.parse(model="gpt-sim", messages=ASK, response_format=Report)
    assert isinstance(answer.choices[0].message.parsed, Report)


def test_alias(oai, gateway_only):
    answer = oai.chat.completions.create(model="my-alias", messages=ASK)
    assert answer.model == "gpt-sim", "the upstream was asked for the model behind the alias"


def test_raw_response_headers(oai):
    raw = oai.chat.completions.with_raw_response.create(model="gpt-sim", messages=ASK)
    assert raw.status_code == 200
    assert raw.headers["x-request-id"]
    assert "set-cookie" not in raw.headers
    assert raw.parse().choices


def test_legacy_completions(oai):
    answer = oai.completions.create(model="gpt-sim;tokens=4", prompt="Once")
    assert answer.choices[0].text
    text = "".join(chunk.choices[0].text for chunk in oai.completions.create(model="gpt-sim", prompt="x", stream=True))
    assert text


def test_closing_a_stream_ends_it(oai):
    stream = oai.chat.completions.create(model="gpt-sim;tokens=100000;gap=20", messages=ASK, stream=True)
    assert next(iter(stream)).choices
    stream.close()
    assert stream.response.is_closed
    # The client and the gateway are well afterwards.
    assert oai.chat.completions.create(model="gpt-sim", messages=ASK).choices


@pytest.mark.parametrize("where", ["error_event=3", "cut=3"])
def test_error_in_mid_stream(oai, server, where):
    stream = oai.chat.completions.create(model=f"gpt-sim;tokens=50;{where}", messages=ASK, stream=True)
    got = 0
    # Cut without a gateway: the HTTP library's own error. The gateway tells it in the dialect.
    with pytest.raises(Exception if server.direct else openai.APIError):
        for _ in stream:
            got += 1
    assert got > 0, "what came before the error must arrive"
