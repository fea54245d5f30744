"""The other surfaces of the `openai` SDK, and its error classes."""

import openai
import pytest

ASK = [{"role": "user", "content": "x"}]


def test_embeddings(oai):
    answer = oai.embeddings.create(model="gpt-sim", input=["one", "two"])
    assert [item.index for item in answer.data] == [0, 1]
    assert isinstance(answer.data[0].embedding[0], float)
    assert answer.usage.prompt_tokens > 0


def test_moderations(oai):
    assert oai.moderations.create(model="gpt-sim", input="x").results


def test_images(oai):
    assert oai.images.generate(model="gpt-sim", prompt="a cat").data
    assert oai.images.edit(model="gpt-sim", image=("a.png", b"\x89PNG\r\n", "image/png"), prompt="a dog").data


def test_speech_is_binary(oai, tmp_path):
    sound = oai.audio.speech.create(model="gpt-sim", voice="alloy", input="Hello there.")
    assert len(sound.content) > 10
    with oai.audio.speech.with_streaming_response.create(model="gpt-sim", voice="alloy", input="Hello there.") as answer:
        answer.stream_to_file(tmp_path / "a.mp3")
    assert (tmp_path / "a.mp3").read_bytes() == sound.content


def test_transcription_is_multipart(oai):
    audio = bytes(range(256)) * 2000
    answer = oai.audio.transcriptions.create(model="gpt-sim", file=("a.mp3", audio, "audio/mpeg"))
    assert answer.text


def test_models(oai, server):
    names = [model.id for model in oai.models.list()]
    assert names and all(name for name in names)
    if not server.direct:
        assert "gpt-sim" in names and "my-alias" in names
        assert not any("*" in name for name in names), "a pattern is not a model that one can ask for"
    assert oai.models.retrieve(names[0]).id == names[0]


def test_models_of_a_narrow_key(server, gateway_only):
    narrow = openai.OpenAI(base_url=server.url + "/v1", api_key=server.narrow_key)
    assert {model.id for model in narrow.models.list()} == {"allowed-gpt", "allowed-claude"}, "of any provider"


def test_wrong_key(server):
    for key in ("sk-nonsense", "sp-nonsense", server.key + "x"):
        client = openai.OpenAI(base_url=server.url + "/v1", api_key=key, max_retries=0)
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(model="gpt-sim", messages=ASK)
        assert caught.value.status_code == 401 and caught.value.request_id
        assert caught.value.body["message"]


def test_forbidden_model_and_surface(server, gateway_only):
    narrow = openai.OpenAI(base_url=server.url + "/v1", api_key=server.narrow_key, max_retries=0)
    assert narrow.chat.completions.create(model="allowed-gpt", messages=ASK).choices
    with pytest.raises((openai.PermissionDeniedError, openai.NotFoundError)):
        narrow.chat.completions.create(model="gpt-sim", messages=ASK)
    with pytest.raises(openai.PermissionDeniedError):
        narrow.embeddings.create(model="allowed-gpt", input="x")


def test_unknown_model(oai, gateway_only):
    with pytest.raises(openai.NotFoundError) as caught:
        oai.chat.completions.create(model="mystery-99", messages=ASK)
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        oai.models.retrieve("mystery-99")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status, error", [
    (400, openai.BadRequestError), (422, openai.UnprocessableEntityError), (409, openai.ConflictError),
    (429, openai.RateLimitError), (500, openai.InternalServerError), (503, openai.InternalServerError)])
def test_error_classes(oai, status, error, stream):
    with pytest.raises(error) as caught:
        oai.chat.completions.create(model=f"gpt-sim;status={status}", messages=ASK, stream=stream)
    assert caught.value.request_id
    assert caught.value.body["message"] and "type" in caught.value.body


def test_rate_limit_tells_when_to_come_back(oai):
    with pytest.raises(openai.RateLimitError) as caught:
        oai.chat.completions.create(model="gpt-sim;status=429;retry_after=77", messages=ASK)
    assert caught.value.response.headers["retry-after"] == "77"


def test_the_upstreams_key_is_not_the_clients_matter(oai, gateway_only):
    """A provider that refuses the gateway's own key is the gateway's trouble: never 401 for the client."""
    with pytest.raises(openai.InternalServerError):
        oai.chat.completions.create(model="gpt-sim;status=401", messages=ASK)


def test_page_of_html_becomes_an_error(oai, gateway_only):
    with pytest.raises(openai.InternalServerError) as caught:
        oai.chat.completions.create(model="gpt-sim;status=502;html", messages=ASK)
    assert caught.value.body["message"]


async def test_sdk_retries_through(aoai):
    """The SDK's own retry of a 503 works: the second request is answered."""
    patient = aoai.with_options(max_retries=3)
    answer = await patient.chat.completions.create(model="gpt-sim;status=503;first=1;seed=77", messages=ASK)
    assert answer.choices


def test_nobody_answers_in_time(oai):
    with pytest.raises(openai.APITimeoutError):
        oai.with_options(timeout=0.5).chat.completions.create(model="gpt-sim;hang", messages=ASK)
