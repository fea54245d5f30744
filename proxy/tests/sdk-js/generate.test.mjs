// generateContent by npm `@google/genai`.

import assert from "node:assert/strict";
import { ApiError, GoogleGenAI } from "@google/genai";
import { z } from "zod";
import { CITIES, Report, SCHEMA, STATUSES, TEXT, TWO, all, each, failure, isReport, key, once, url } from "./gateway.mjs";

const connect = (apiKey) =>
  new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url, retryOptions: { attempts: 1 } } });
const client = connect(key);
const { additionalProperties, ...parameters } = SCHEMA;
const tools = [{ functionDeclarations: [{ name: "weather", parametersJsonSchema: parameters }] }];
const user = (parts) => ({ role: "user", parts });

/** Asks for thoughts, which OpenAI seals only then. Nova's thinking is no matter of budgets. */
function thinking(model) {
  if (model.includes("nova")) return { tools };
  return { tools, maxOutputTokens: 3000, thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } };
}

/** The turns of a loop's second round. */
function answered(parts) {
  const calls = parts.filter((part) => part.functionCall).map((part) => part.functionCall);
  assert.deepEqual(calls.map((call) => call.args), CITIES);
  const results = calls.map(({ id, name }) => ({ functionResponse: { id, name, response: { output: "rain" } } }));
  return [user([{ text: TWO }]), { role: "model", parts }, user(results)];
}

each("text", async (model) => {
  const name = `${model};echo;cached=1`;
  const answer = await client.models.generateContent({ model: name, contents: TEXT });
  assert.equal(answer.text, TEXT);
  assert.equal(answer.candidates[0].finishReason, "STOP");
  assert.equal(answer.modelVersion, name);
  assert.equal(answer.usageMetadata.cachedContentTokenCount, 1);
});

each("stream", async (model) => {
  const ask = { model: `${model};echo;split=3`, contents: TEXT };
  const chunks = await all(client.models.generateContentStream(ask));
  assert.equal(chunks.map((chunk) => chunk.text ?? "").join(""), TEXT);
  assert.equal(chunks.at(-1).candidates[0].finishReason, "STOP");
  assert.ok(chunks.at(-1).usageMetadata.candidatesTokenCount > 0);
});

each("tools and thoughts", async (model) => {
  const ask = { model: `${model};echo;reasoning=6`, config: thinking(model) };
  const first = await client.models.generateContent({ ...ask, contents: [user([{ text: TWO }])] });
  const contents = answered(first.candidates[0].content.parts);
  assert.equal((await client.models.generateContent({ ...ask, contents })).text, "rainrain");
});

each("streamed tools and thoughts", async (model) => {
  const ask = { model: `${model};echo;reasoning=6`, config: thinking(model) };
  const chunks = await all(client.models.generateContentStream({ ...ask, contents: [user([{ text: TWO }])] }));
  const parts = chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? []);
  const contents = answered(parts);
  assert.equal((await client.models.generateContent({ ...ask, contents })).text, "rainrain");
});

each("a chat that remembers", async (model) => {
  const chat = client.chats.create({ model: `${model};echo` });
  assert.equal((await chat.sendMessage({ message: "first" })).text, "first");
  assert.equal((await chat.sendMessage({ message: "second" })).text, "second");
});

each("structured", async (model) => {
  const config = { responseMimeType: "application/json", responseJsonSchema: z.toJSONSchema(Report) };
  const answer = await client.models.generateContent({ model, contents: "x", config });
  isReport(JSON.parse(answer.text));
});

each("errors", async (model) => {
  for (const [status] of STATUSES) {
    const ask = { model: `${model};status=${status}`, contents: "x" };
    for (const call of [
      () => client.models.generateContent(ask),
      () => all(client.models.generateContentStream(ask)),
    ]) {
      const error = await failure(call);
      assert.ok(error instanceof ApiError, String(error));
      assert.equal(error.status, status);
      const told = JSON.parse(error.message).error;
      assert.ok(told.message && told.status && told.code === status, error.message);
    }
  }
});

each("an error in mid-stream", async (model) => {
  for (const where of ["error_event=7", "cut=7"]) {
    const got = [];
    const error = await failure(async () => {
      const ask = { model: `${model};tokens=50;${where}`, contents: "x" };
      for await (const chunk of await client.models.generateContentStream(ask)) got.push(chunk);
    });
    assert.ok(error instanceof Error, String(error));
    assert.ok(got.length > 0 && !got.some((chunk) => chunk.candidates?.[0]?.finishReason), "no end");
  }
});

once("a wrong key", async () => {
  const ask = { model: "gemini-3-sim", contents: "x" };
  const error = await failure(() => connect("sp-nonsense").models.generateContent(ask));
  assert.ok(error instanceof ApiError && error.status === 401, String(error));
});
