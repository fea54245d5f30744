// Responses by npm `openai`.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { CITIES, Report, SCHEMA, STATUSES, TEXT, TWO, all, each, failure, isReport, key, url } from "./gateway.mjs";

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const tools = [{ type: "function", name: "weather", strict: true, parameters: SCHEMA }];
const results = (calls) => calls.map((c) => ({ type: "function_call_output", call_id: c.call_id, output: "rain" }));

each("text", async (model) => {
  const answer = await client.responses.create({ model: `${model};echo;cached=1`, input: TEXT });
  assert.equal(answer.status, "completed");
  assert.equal(answer.output_text, TEXT);
  assert.equal(answer.usage.input_tokens_details.cached_tokens, 1);
  assert.ok(answer._request_id);
});

each("stream", async (model) => {
  const stream = client.responses.stream({ model: `${model};echo;split=3`, input: TEXT });
  const events = await all(stream);
  assert.deepEqual(events.map((e) => e.sequence_number), events.map((_, n) => n));
  const deltas = events.filter((e) => e.type === "response.output_text.delta").map((e) => e.delta);
  const final = await stream.finalResponse();
  assert.equal(deltas.join(""), TEXT);
  assert.equal(final.output_text, TEXT);
  assert.ok(final.usage.output_tokens > 0);
});

each("tools and thoughts", async (model) => {
  const ask = { model: `${model};echo;reasoning=6`, tools, store: false, include: ["reasoning.encrypted_content"] };
  const input = [{ role: "user", content: TWO }];
  const first = await client.responses.create({ ...ask, input });
  const calls = first.output.filter((item) => item.type === "function_call");
  assert.deepEqual(calls.map((call) => JSON.parse(call.arguments)), CITIES);
  const second = await client.responses.create({ ...ask, input: [...input, ...first.output, ...results(calls)] });
  assert.equal(second.output_text, "rainrain");
});

each("streamed tools and thoughts", async (model) => {
  const ask = { model: `${model};echo;reasoning=6`, tools, store: false, include: ["reasoning.encrypted_content"] };
  const input = [{ role: "user", content: TWO }];
  const first = await client.responses.stream({ ...ask, input }).finalResponse();
  const calls = first.output.filter((item) => item.type === "function_call");
  assert.deepEqual(calls.map((call) => call.parsed_arguments), CITIES);
  const items = first.output.map(({ parsed_arguments, ...item }) => item);
  const second = await client.responses.create({ ...ask, input: [...input, ...items, ...results(calls)] });
  assert.equal(second.output_text, "rainrain");
});

each("structured", async (model) => {
  const text = { format: zodTextFormat(Report, "report") };
  isReport((await client.responses.parse({ model, input: "x", text })).output_parsed);
});

each("errors", async (model) => {
  for (const [status, name] of STATUSES) {
    for (const stream of [false, true]) {
      const ask = { model: `${model};status=${status};retry_after=77`, input: "x", stream };
      const error = await failure(() => client.responses.create(ask));
      assert.ok(error instanceof OpenAI[name], `${status}: ${error}`);
      assert.ok(error.requestID && error.error.message, String(error));
      assert.equal(error.headers.get("retry-after"), "77");
    }
  }
});

each("an error in mid-stream", async (model) => {
  for (const where of ["error_event=9", "cut=9"]) {
    const kinds = [];
    try {
      const ask = { model: `${model};tokens=50;${where}`, input: "x", stream: true };
      for await (const event of await client.responses.create(ask)) kinds.push(event.type);
    } catch (error) {
      assert.ok(error instanceof OpenAI.APIError, String(error));
      kinds.push("error");
    }
    assert.equal(kinds[0], "response.created");
    assert.ok(["error", "response.failed"].includes(kinds.at(-1)), kinds.join());
  }
});
