// Chat Completions by npm `openai`.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { CITIES, Report, SCHEMA, STATUSES, TEXT, TWO, all, each, failure, isReport, key, once, url } from "./gateway.mjs";

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const chat = client.chat.completions;
const user = (content) => [{ role: "user", content }];
const tools = [{ type: "function", function: { name: "weather", strict: true, parameters: SCHEMA } }];

each("text", async (model) => {
  const name = `${model};echo;cached=1`;
  const answer = await chat.create({ model: name, messages: user(TEXT) });
  assert.equal(answer.choices[0].message.content, TEXT);
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.equal(answer.model, name);
  assert.equal(answer.usage.prompt_tokens_details.cached_tokens, 1);
  assert.ok(answer._request_id);
});

each("stream", async (model) => {
  const ask = { messages: user(TEXT), stream: true, stream_options: { include_usage: true } };
  const chunks = await all(chat.create({ model: `${model};echo;split=3`, ...ask }));
  assert.equal(chunks.map((c) => c.choices[0]?.delta.content ?? "").join(""), TEXT);
  assert.ok(chunks.at(-1).usage.completion_tokens > 0);
});

each("tools and thoughts", async (model) => {
  const ask = { model: `${model};echo;reasoning=6`, tools, reasoning_effort: "low" };
  const first = await chat.create({ ...ask, messages: user(TWO) });
  const message = first.choices[0].message;
  assert.equal(first.choices[0].finish_reason, "tool_calls");
  assert.deepEqual(message.tool_calls.map((call) => JSON.parse(call.function.arguments)), CITIES);
  const results = message.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "rain" }));
  const second = await chat.create({ ...ask, messages: [...user(TWO), message, ...results] });
  assert.equal(second.choices[0].message.content, "rainrain");
});

// By the SDK's own reader of streams, thoughts included: of fields that it does not know it keeps the last piece only.
each("streamed tools and thoughts", async (model) => {
  const ask = { model: `${model};echo;reasoning=6`, tools, reasoning_effort: "low" };
  const final = await chat.stream({ ...ask, messages: user(TWO) }).finalChatCompletion();
  const { parsed, ...message } = final.choices[0].message;
  assert.deepEqual(message.tool_calls.map((call) => JSON.parse(call.function.arguments)), CITIES);
  // What the SDK has added, its own API does not take back.
  for (const call of message.tool_calls) delete call.function.parsed_arguments;
  const results = message.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "rain" }));
  const second = await chat.create({ ...ask, messages: [...user(TWO), message, ...results] });
  assert.equal(second.choices[0].message.content, "rainrain");
});

each("structured", async (model) => {
  const ask = { model, messages: user("x"), response_format: zodResponseFormat(Report, "report") };
  isReport((await chat.parse(ask)).choices[0].message.parsed);
  isReport((await chat.stream(ask).finalChatCompletion()).choices[0].message.parsed);
});

each("errors", async (model) => {
  for (const [status, name] of STATUSES) {
    for (const stream of [false, true]) {
      const ask = { model: `${model};status=${status};retry_after=77`, messages: user("x"), stream };
      const error = await failure(() => chat.create(ask));
      assert.ok(error instanceof OpenAI[name], `${status}: ${error}`);
      assert.equal(error.status, status);
      assert.ok(error.requestID && error.error.message, String(error));
      // Azure's gateway tells no type, and speaks this dialect itself.
      assert.ok(error.type || model.includes("azure"), String(error));
      assert.equal(error.headers.get("retry-after"), "77");
    }
  }
});

each("an error in mid-stream", async (model) => {
  for (const where of ["error_event=7", "cut=7"]) {
    const got = [];
    const error = await failure(async () => {
      const ask = { model: `${model};tokens=50;${where}`, messages: user("x"), stream: true };
      for await (const chunk of await chat.create(ask)) got.push(chunk);
    });
    assert.ok(error instanceof OpenAI.APIError, String(error));
    assert.ok(got.length > 0 && !got.some((chunk) => chunk.choices[0]?.finish_reason), "no end");
  }
});

once("a wrong key and an unknown model", async () => {
  const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "sp-nonsense", maxRetries: 0 });
  const wrong = await failure(() => stranger.chat.completions.create({ model: "gpt-sim", messages: user("x") }));
  assert.ok(wrong instanceof OpenAI.AuthenticationError, String(wrong));
  const unknown = await failure(() => chat.create({ model: "nobodys-model", messages: user("x") }));
  assert.ok(unknown instanceof OpenAI.NotFoundError && unknown.code === "model_not_found", String(unknown));
});
