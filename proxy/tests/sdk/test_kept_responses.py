"""The OpenAI SDK with responses that the gateway keeps, because the model's provider keeps none."""

import time

import openai
import pytest

pytestmark = pytest.mark.usefixtures("gateway_only")
each = pytest.mark.parametrize("model", ["claude-sim;echo", "vllm-sim;echo"])
PATIENCE = 60.0


@each
def test_a_conversation_goes_on(oai, model):
    first = oai.responses.create(model=model, input="My name is Ada.")
    assert first.store is True
    with oai.responses.stream(model=model, input="And I am here.", previous_response_id=first.id) as stream:
        second = stream.get_final_response()
    assert second.previous_response_id == first.id
    assert oai.responses.retrieve(second.id).output_text == second.output_text == "And I am here."
    items = oai.responses.input_items.list(second.id, order="asc", limit=1)
    assert [part.text for item in items for part in item.content] == ["And I am here."]
    oai.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        oai.responses.retrieve(first.id)
    with pytest.raises(openai.BadRequestError) as error:
        oai.responses.create(model=model, input="x", previous_response_id=second.id)
    assert error.value.code == "previous_response_not_found" and error.value.param == "previous_response_id"


@each
def test_in_the_background(oai, model):
    made = oai.responses.create(model=model, input="Think long.", background=True)
    assert made.status == "queued" and made.background is True
    deadline = time.monotonic() + PATIENCE
    while made.status in ("queued", "in_progress"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        made = oai.responses.retrieve(made.id)
    assert made.status == "completed" and made.output_text == "Think long."
    assert made.usage.output_tokens > 0
    assert oai.responses.cancel(made.id).status == "completed"


def test_cancelled(oai):
    made = oai.responses.create(model="claude-sim;latency=60000", input="x", background=True)
    assert oai.responses.cancel(made.id).status == "cancelled"
    assert oai.responses.retrieve(made.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError):
        oai.responses.cancel(oai.responses.create(model="claude-sim", input="x").id)


@each
def test_a_stream_of_the_background_is_taken_up_again(oai, model):
    first, seen = None, []
    with oai.responses.create(model=model, input="Think long and hard.", background=True, stream=True) as stream:
        for event in stream:
            seen.append(event)
            if event.type == "response.output_text.delta":
                break
    first, last = seen[0].response, seen[-1].sequence_number
    assert [e.type for e in seen[:3]] == ["response.created", "response.queued", "response.in_progress"]
    assert first.status == "queued" and [e.sequence_number for e in seen] == list(range(last + 1))
    rest = list(oai.responses.retrieve(first.id, stream=True, starting_after=last))
    assert rest[0].sequence_number == last + 1 and rest[-1].type == "response.completed"
    assert rest[-1].response.output_text == "Think long and hard."
    words = [e.delta for e in seen + rest if e.type == "response.output_text.delta"]
    assert "".join(words) == "Think long and hard."
    whole = list(oai.responses.retrieve(first.id, stream=True))
    assert [(e.type, e.sequence_number) for e in whole] == [(e.type, e.sequence_number) for e in seen + rest]
    assert oai.responses.retrieve(first.id).output_text == "Think long and hard."


def test_items_by_their_id(oai):
    first = oai.responses.create(model="claude-sim;echo", input="My name is Ada.")
    reference = {"type": "item_reference", "id": first.output[0].id}
    said, question = ({"role": "user", "content": text} for text in ("My name is Ada.", "And I am here."))
    made = oai.responses.create(model="claude-sim;echo", input=[said, reference, question])
    assert made.output_text == "And I am here."
    assert made.usage.input_tokens > first.usage.input_tokens
    with pytest.raises(openai.NotFoundError) as error:
        oai.responses.create(model="claude-sim", input=[said, {**reference, "id": "msg_1"}, question])
    assert error.value.body["message"] == "Item with id 'msg_1' not found."
