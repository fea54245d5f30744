"""The Messages API by the official `anthropic` SDK."""

import anthropic
import pytest

ASK = {"max_tokens": 200, "messages": [{"role": "user", "content": "Say something."}]}
TOOL = {"name": "weather", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


def test_answer_with_usage(ant):
    answer = ant.messages.create(model="claude-sim;tokens=9;cached=2;cache_write=1", **ASK)
    assert answer.type == "message" and answer.content[0].text
    assert answer.stop_reason == "end_turn"
    assert answer.usage.output_tokens == 9
    assert answer.usage.cache_read_input_tokens == 2
    assert answer.usage.cache_creation_input_tokens == 1
    assert answer._request_id


async def test_answer_async(aant):
    answer = await aant.messages.create(model="claude-sim;unicode", **ASK)
    assert answer.content[0].text


def test_auth_token_is_a_bearer(server):
    with anthropic.Anthropic(base_url=server.url, auth_token=server.key, api_key=None, max_retries=0) as client:
        assert client.messages.create(model="claude-sim", **ASK).content


def test_limit_is_told(ant):
    answer = ant.messages.create(model="claude-sim;tokens=50", max_tokens=5, messages=ASK["messages"])
    assert answer.stop_reason == "max_tokens" and answer.usage.output_tokens == 5


async def test_raw_events(aant):
    kinds = [event.type async for event in await aant.messages.create(model="claude-sim;tokens=5", stream=True, **ASK)]
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert "content_block_delta" in kinds and "message_delta" in kinds


@pytest.mark.parametrize("how", ["split=1", "eol=crlf", "eol=cr;split=5", "burst=50", "unicode;split=3"])
def test_stream_helper_in_any_pieces(ant, how):
    text = "añb👋c" * 20
    ask = {"max_tokens": 1000, "messages": [{"role": "user", "content": text}]}
    with ant.messages.stream(model=f"claude-sim;echo;{how}", **ask) as stream:
        pieces = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert pieces == final.content[0].text == text
    assert final.usage.input_tokens > 0 and final.usage.output_tokens > 0


async def test_stream_helper_async(aant):
    async with aant.messages.stream(model="claude-sim;tokens=7", **ASK) as stream:
        final = await stream.get_final_message()
    assert final.usage.output_tokens == 7


def test_thinking(ant):
    ask = {"max_tokens": 3000, "messages": ASK["messages"], "thinking": {"type": "enabled", "budget_tokens": 1024}}
    with ant.messages.stream(model="claude-sim;reasoning=6", **ask) as stream:
        final = stream.get_final_message()
    thought = final.content[0]
    assert thought.type == "thinking" and thought.thinking and thought.signature


def test_tool_call_and_result(ant):
    ask = [{"role": "user", "content": "[tool:weather]"}]
    first = ant.messages.create(model="claude-sim", max_tokens=200, tools=[TOOL], messages=ask)
    call = first.content[-1]
    assert first.stop_reason == "tool_use" and call.name == "weather" and call.input["city"]
    second = ant.messages.create(model="claude-sim", max_tokens=200, tools=[TOOL], messages=[
        *ask, {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"}]}])
    assert second.content


def test_streamed_tool_call(ant):
    ask = [{"role": "user", "content": '[tool:weather {"city":"Zürich"}]'}]
    with ant.messages.stream(model="claude-sim", max_tokens=200, tools=[TOOL], messages=ask) as stream:
        final = stream.get_final_message()
    assert final.content[-1].input == {"city": "Zürich"}


def test_count_tokens(ant):
    assert ant.messages.count_tokens(model="claude-sim", messages=ASK["messages"]).input_tokens > 0


COUNTED = ["claude-sim", "gpt-sim", "gemini-3-sim", "gemini-3-vertex-sim", "claude-vertex-sim", "anthropic.claude-invoke-sim"]


@pytest.mark.parametrize("model", [*COUNTED, "vllm-sim", "amazon.nova-sim"])
def test_count_tokens_everywhere(ant, model, gateway_only):
    """The simulator refuses bodies that the providers would not take."""
    ask = [*ASK["messages"], {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "More."}]
    got = ant.messages.with_raw_response.count_tokens(model=model, system="Be short.", tools=[TOOL], messages=ask)
    assert got.parse().input_tokens > 0
    assert (got.headers.get("x-sallyport-estimated") == "true") == (model not in COUNTED)


def test_models(ant, server):
    models = list(ant.models.list(limit=2))
    assert models and all(model.type == "model" and model.display_name for model in models)
    assert ant.models.retrieve(models[0].id).id == models[0].id
    if not server.direct:
        assert "claude-sim" in {model.id for model in models}, "pages hold all of them"


def test_unknown_model(ant, gateway_only):
    with pytest.raises(anthropic.NotFoundError) as caught:
        ant.messages.create(model="mystery-99", **ASK)
    assert caught.value.body["error"]["type"] == "not_found_error"
    with pytest.raises(anthropic.NotFoundError):
        ant.models.retrieve("no-such-model")


def test_raw_response_headers(ant):
    raw = ant.messages.with_raw_response.create(model="claude-sim", **ASK)
    assert raw.headers["request-id"]
    assert "set-cookie" not in raw.headers
    assert raw.parse().content


def test_beta_headers_pass(ant):
    answer = ant.beta.messages.create(
        model="claude-sim", betas=["context-management-2025-06-27", "interleaved-thinking-2025-05-14"], **ASK)
    assert answer.content


def test_wrong_key(server):
    for key in ("sk-ant-nonsense", "sp-nonsense", server.key + "x"):
        client = anthropic.Anthropic(base_url=server.url, api_key=key, max_retries=0)
        with pytest.raises(anthropic.AuthenticationError) as caught:
            client.messages.create(model="claude-sim", **ASK)
        assert caught.value.body["error"]["type"] == "authentication_error"
        assert caught.value.request_id


def test_forbidden_model_and_surface(server, gateway_only):
    narrow = anthropic.Anthropic(base_url=server.url, api_key=server.narrow_key, max_retries=0)
    assert narrow.messages.create(model="allowed-claude", **ASK).content
    with pytest.raises((anthropic.PermissionDeniedError, anthropic.NotFoundError)):
        narrow.messages.create(model="claude-sim", **ASK)
    with pytest.raises(anthropic.PermissionDeniedError) as caught:
        narrow.messages.count_tokens(model="allowed-claude", messages=ASK["messages"])
    assert caught.value.body["error"]["type"] == "permission_error"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status, error, kind", [
    (400, anthropic.BadRequestError, "invalid_request_error"),
    (413, anthropic.APIStatusError, "request_too_large"),
    (422, anthropic.UnprocessableEntityError, "invalid_request_error"),
    (429, anthropic.RateLimitError, "rate_limit_error"),
    (500, anthropic.InternalServerError, "api_error"),
    (529, anthropic.APIStatusError, "overloaded_error")])
def test_error_classes(ant, status, error, kind, stream):
    with pytest.raises(error) as caught:
        ant.messages.create(model=f"claude-sim;status={status}", stream=stream, **ASK)
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["type"] == kind
    assert caught.value.request_id


def test_rate_limit_tells_when_to_come_back(ant):
    with pytest.raises(anthropic.RateLimitError) as caught:
        ant.messages.create(model="claude-sim;status=429;retry_after=77", **ASK)
    assert caught.value.response.headers["retry-after"] == "77"


@pytest.mark.parametrize("where", ["error_event=4", "cut=4"])
def test_error_in_mid_stream(ant, where):
    got = []
    with pytest.raises(Exception) as caught:  # noqa: PT011 a cut without the gateway is httpx's error
        for event in ant.messages.create(model=f"claude-sim;tokens=50;{where}", stream=True, **ASK):
            got.append(event.type)
    assert got and "message_stop" not in got
    assert "error_event" not in where or isinstance(caught.value, anthropic.APIStatusError)


def test_cut_stream_is_an_api_error(ant, gateway_only):
    with pytest.raises(anthropic.APIStatusError) as caught:
        list(ant.messages.create(model="claude-sim;tokens=50;cut=4", stream=True, **ASK))
    assert caught.value.body["error"]["type"]


def test_closing_a_stream_ends_it(ant):
    with ant.messages.stream(model="claude-sim;tokens=100000;gap=20", max_tokens=200000, messages=ASK["messages"]) as stream:
        assert next(iter(stream.text_stream))
    assert ant.messages.create(model="claude-sim", **ASK).content
