"""Gemini's API by the official `google-genai` SDK, in front of every kind of upstream (conftest's KINDS)."""

import json

import pydantic
import pytest
from conftest import KINDS
from google import genai
from google.genai import errors, types

pytestmark = pytest.mark.usefixtures("gateway_only")

each = pytest.mark.parametrize("model", list(KINDS))
SAY = "Say something."


def client(server, key=None, version="v1beta"):
    # One attempt: the simulator's errors shall reach the test.
    options = types.HttpOptions(base_url=server.url, api_version=version, timeout=30_000,
                                retry_options=types.HttpRetryOptions(attempts=1))
    return genai.Client(api_key=key or server.key, http_options=options)


@pytest.fixture
def gem(server):
    with client(server) as gem:
        yield gem


@pytest.fixture
async def agem(server):
    async with client(server).aio as gem:
        yield gem


def weather_tool():
    city = types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")}, required=["city"])
    declared = types.FunctionDeclaration(name="weather", description="The weather.", parameters=city)
    return types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])])


@each
@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_answer_with_usage(server, model, version):
    with client(server, version=version) as gem:
        answer = gem.models.generate_content(model=f"{model};tokens=9;cached=2", contents=SAY)
    assert answer.text and answer.response_id
    assert answer.model_version == f"{model};tokens=9;cached=2", "the name that was asked for"
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert usage.candidates_token_count == 9 and usage.cached_content_token_count == 2
    assert usage.total_token_count == usage.prompt_token_count + 9


@each
async def test_answer_async(agem, model):
    answer = await agem.models.generate_content(model=f"{model};unicode", contents=SAY)
    assert answer.text


@each
def test_settings(gem, model):
    answer = gem.models.generate_content(model=f"{model};tokens=50", contents=SAY, config={
        "system_instruction": "Be short.", "max_output_tokens": 20})
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert answer.usage_metadata.candidates_token_count == 20


@each
@pytest.mark.parametrize("how", ["split=1", "eol=crlf", "burst=50", "unicode;split=3"])
def test_stream_in_any_pieces(gem, model, how):
    text = "añb👋c" * 20
    chunks = list(gem.models.generate_content_stream(model=f"{model};echo;{how}", contents=text))
    assert "".join(c.text or "" for c in chunks) == text
    assert len(chunks) > 1
    last = chunks[-1]
    assert last.candidates[0].finish_reason == types.FinishReason.STOP
    assert last.usage_metadata.prompt_token_count > 0 and last.usage_metadata.candidates_token_count > 0


@each
async def test_stream_async(agem, model):
    got = [c async for c in await agem.models.generate_content_stream(model=f"{model};tokens=7", contents=SAY)]
    assert "".join(c.text or "" for c in got)
    assert got[-1].usage_metadata.candidates_token_count == 7


@each
def test_chat_remembers(gem, model):
    chat = gem.chats.create(model=f"{model};echo")
    assert chat.send_message("first").text == "first"
    assert "".join(c.text or "" for c in chat.send_message_stream("second")) == "second"
    assert [c.role for c in chat.get_history(curated=True)][:3] == ["user", "model", "user"]


@each
def test_thoughts(gem, model):
    config = {"thinking_config": {"include_thoughts": True, "thinking_budget": 1024}, "max_output_tokens": 3000}
    answer = gem.models.generate_content(model=f"{model};reasoning=6;tokens=4", contents=SAY, config=config)
    assert answer.text and answer.usage_metadata.total_token_count > 0
    if "claude" in model or "gemini" in model:
        assert any(part.thought and part.text for part in answer.candidates[0].content.parts)


@each
@pytest.mark.parametrize("stream", [False, True])
def test_function_call_and_response(gem, model, stream):
    ask = types.Content(role="user", parts=[types.Part(text='[tool:weather {"city":"Zürich"}]')])
    config = weather_tool()
    if stream:
        parts = [p for c in gem.models.generate_content_stream(model=model, contents=[ask], config=config)
                 for p in (c.candidates[0].content.parts or []) if c.candidates]
    else:
        parts = gem.models.generate_content(model=model, contents=[ask], config=config).candidates[0].content.parts
    call = next(p.function_call for p in parts if p.function_call)
    assert (call.name, call.args) == ("weather", {"city": "Zürich"})
    parts = [p for p in parts if p.function_call]
    told = types.Part(function_response=types.FunctionResponse(id=call.id, name="weather", response={"output": "rain"}))
    turns = [ask, types.Content(role="model", parts=parts), types.Content(role="user", parts=[told])]
    assert gem.models.generate_content(model=model, contents=turns, config=config).text


@each
def test_automatic_function_calling(gem, model):
    asked = []

    def weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "rain"

    answer = gem.models.generate_content(model=model, contents='[tool:weather {"city":"Oslo"}]', config={
        "tools": [weather], "automatic_function_calling": {"maximum_remote_calls": 3}})
    assert asked == ["Oslo"] and answer.text


class Recipe(pydantic.BaseModel):
    name: str
    minutes: int
    vegan: bool


@each
@pytest.mark.parametrize("how", ["response_schema", "response_json_schema"])
def test_json_by_schema(gem, model, how):
    schema = Recipe if how == "response_schema" else Recipe.model_json_schema()
    answer = gem.models.generate_content(
        model=model, contents=SAY, config={"response_mime_type": "application/json", how: schema})
    assert Recipe.model_validate_json(answer.text)
    if how == "response_schema":
        assert isinstance(answer.parsed, Recipe)


def test_alias(gem):
    assert gem.models.generate_content(model="my-alias", contents=SAY).model_version == "my-alias"


def test_models(server):
    for version in ("v1", "v1beta"):
        gem = client(server, version=version)
        names = [m.name for m in gem.models.list(config={"page_size": 2})]
        assert {"models/gpt-sim", "models/claude-sim", "models/my-alias"} <= set(names), "pages hold all of them"
        one = gem.models.get(model="gpt-sim")
        assert one.name == "models/gpt-sim" and "generateContent" in one.supported_actions
        with pytest.raises(errors.ClientError) as caught:
            gem.models.get(model="no-such-model")
        assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    narrow = client(server, server.narrow_key)
    assert {m.name for m in narrow.models.list()} == {"models/allowed-gpt", "models/allowed-claude"}


def test_wrong_key(server):
    for key in ("AIza-nonsense", "sp-nonsense", server.key + "x"):
        with client(server, key) as gem, pytest.raises(errors.ClientError) as caught:
            gem.models.generate_content(model="gpt-sim", contents=SAY)
        assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")
        assert caught.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"


def test_forbidden_model_and_surface(server):
    narrow = client(server, server.narrow_key)
    assert narrow.models.generate_content(model="allowed-gpt", contents=SAY).text
    with pytest.raises(errors.ClientError) as caught:
        narrow.models.generate_content(model="gpt-sim", contents=SAY)
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    with pytest.raises(errors.ClientError) as caught:
        narrow.models.count_tokens(model="allowed-claude", contents=SAY)
    assert (caught.value.code, caught.value.status) == (403, "PERMISSION_DENIED")


@each
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status, error, word", [
    (400, errors.ClientError, "INVALID_ARGUMENT"), (413, errors.ClientError, "INVALID_ARGUMENT"),
    (429, errors.ClientError, "RESOURCE_EXHAUSTED"), (500, errors.ServerError, None),
    (503, errors.ServerError, "UNAVAILABLE")])
def test_error_classes(gem, model, status, error, word, stream):
    if status == 413 and KINDS[model][0] == "bedrock":
        pytest.skip("Bedrock has no such status")
    name = f"{model};status={status}"
    with pytest.raises(error) as caught:
        if stream:
            list(gem.models.generate_content_stream(model=name, contents=SAY))
        else:
            gem.models.generate_content(model=name, contents=SAY)
    assert caught.value.message
    if word:
        assert (caught.value.code, caught.value.status) == (status, word)


def test_rate_limit_tells_when_to_come_back(gem):
    with pytest.raises(errors.ClientError) as caught:
        gem.models.generate_content(model="gpt-sim;status=429;retry_after=77", contents=SAY)
    assert caught.value.response.headers["retry-after"] == "77"


@each
@pytest.mark.parametrize("where", ["error_event=4", "cut=4"])
def test_error_in_mid_stream(gem, model, where):
    got = []
    with pytest.raises(errors.APIError):
        for chunk in gem.models.generate_content_stream(model=f"{model};tokens=50;{where}", contents=SAY):
            got.append(chunk)
    assert not any(c.candidates and c.candidates[0].finish_reason for c in got)


@each
async def test_error_in_mid_stream_async(agem, model):
    with pytest.raises(errors.APIError):
        async for _ in await agem.models.generate_content_stream(model=f"{model};tokens=50;cut=4", contents=SAY):
            pass


def test_fields_that_nobody_has(gem):
    """A field that the provider has no words for is refused by name, not lost."""
    with pytest.raises(errors.ClientError) as caught:
        gem.models.generate_content(model="claude-sim", contents=SAY, config={"presence_penalty": 0.5})
    assert caught.value.code == 400 and "presencePenalty" in json.dumps(caught.value.details)


@pytest.mark.parametrize("model", ["gpt-sim", "claude-sim", "gemini-3-sim", "gemini-3-vertex-sim"])
def test_count_tokens(gem, model):
    assert gem.models.count_tokens(model=model, contents="Some words to count.").total_tokens > 0


@pytest.mark.parametrize("model", ["gemini-3-sim", "gemini-3-vertex-sim", "claude-vertex-sim", "anthropic.claude-invoke-sim",
                                   "vllm-sim", "amazon.nova-sim"])
def test_count_tokens_everywhere(gem, model):
    assert gem.models.count_tokens(model=model, contents="Some words to count.").total_tokens > 0


def test_embeddings(gem):
    one = gem.models.embed_content(model="gpt-sim", contents="a", config={"output_dimensionality": 8})
    assert len(one.embeddings) == 1 and len(one.embeddings[0].values) == 8
    many = gem.models.embed_content(model="gpt-sim", contents=["a", "b", "c"])
    assert len(many.embeddings) == 3 and all(e.values for e in many.embeddings)


def test_embeddings_that_nobody_serves(gem):
    with pytest.raises(errors.ClientError) as caught:
        gem.models.embed_content(model="claude-sim", contents="a")
    assert caught.value.code == 404
