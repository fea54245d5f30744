// Messages by npm `@anthropic-ai/sdk`.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { CITIES, Report, SCHEMA, STATUSES, TEXT, TWO, each, failure, isReport, key, once, url } from "./gateway.mjs";

const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
const user = (content) => [{ role: "user", content }];
const tools = [{ name: "weather", input_schema: SCHEMA }];
const told = (message) => message.content.filter((b) => b.type === "text").map((b) => b.text).join("");

/** The turns of a loop's second round. */
function answered(first) {
  const calls = first.content.filter((block) => block.type === "tool_use");
  assert.equal(first.stop_reason, "tool_use");
  assert.deepEqual(calls.map((call) => call.input), CITIES);
  const results = calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: "rain" }));
  return [...user(TWO), { role: "assistant", content: first.content }, ...user(results)];
}

each("text", async (model) => {
  const name = `${model};echo;cached=1`;
  const answer = await client.messages.create({ model: name, max_tokens: 200, messages: user(TEXT) });
  assert.equal(told(answer), TEXT);
  assert.equal(answer.stop_reason, "end_turn");
  assert.equal(answer.model, name);
  assert.equal(answer.usage.cache_read_input_tokens, 1);
  assert.ok(answer._request_id);
});

each("stream", async (model) => {
  const pieces = [];
  const ask = { model: `${model};echo;split=3`, max_tokens: 200, messages: user(TEXT) };
  const stream = client.messages.stream(ask).on("text", (piece) => pieces.push(piece));
  const final = await stream.finalMessage();
  assert.equal(pieces.join(""), TEXT);
  assert.equal(told(final), TEXT);
  assert.ok(final.usage.input_tokens > 0 && final.usage.output_tokens > 0);
});

each("tools", async (model) => {
  const ask = { model: `${model};echo`, max_tokens: 200, tools };
  const first = await client.messages.create({ ...ask, messages: user(TWO) });
  assert.equal(told(await client.messages.create({ ...ask, messages: answered(first) })), "rainrain");
});

each("streamed tools and thoughts", async (model) => {
  // Nova's thinking is no matter of budgets.
  const thinking = model.includes("nova") ? undefined : { type: "enabled", budget_tokens: 1024 };
  const ask = { model: `${model};echo;reasoning=6`, max_tokens: 3000, tools, thinking };
  const first = await client.messages.stream({ ...ask, messages: user(TWO) }).finalMessage();
  if (model.includes("claude")) assert.ok(first.content[0].type === "thinking" && first.content[0].signature);
  assert.equal(told(await client.messages.create({ ...ask, messages: answered(first) })), "rainrain");
});

each("structured", async (model) => {
  const ask = { model, max_tokens: 200, messages: user("x"), output_config: { format: zodOutputFormat(Report) } };
  isReport((await client.messages.parse(ask)).parsed_output);
});

each("errors", async (model) => {
  for (const [status, name] of STATUSES) {
    for (const stream of [false, true]) {
      const broken = `${model};status=${status};retry_after=77`;
      const ask = { model: broken, max_tokens: 9, messages: user("x"), stream };
      const error = await failure(() => client.messages.create(ask));
      assert.ok(error instanceof Anthropic[name], `${status}: ${error}`);
      assert.ok(error.requestID && error.error.error.type && error.error.error.message, String(error));
      assert.equal(error.headers.get("retry-after"), "77");
    }
  }
});

each("an error in mid-stream", async (model) => {
  for (const where of ["error_event=7", "cut=7"]) {
    const got = [];
    const error = await failure(async () => {
      const ask = { model: `${model};tokens=50;${where}`, max_tokens: 99, messages: user("x"), stream: true };
      for await (const event of await client.messages.create(ask)) got.push(event.type);
    });
    assert.ok(error instanceof Anthropic.APIError, String(error));
    assert.ok(got.includes("message_start") && !got.includes("message_stop"), got.join());
  }
});

once("a wrong key", async () => {
  const stranger = new Anthropic({ baseURL: url, apiKey: "sp-nonsense", maxRetries: 0 });
  const ask = { model: "claude-sim", max_tokens: 9, messages: user("x") };
  const error = await failure(() => stranger.messages.create(ask));
  assert.ok(error instanceof Anthropic.AuthenticationError, String(error));
});
