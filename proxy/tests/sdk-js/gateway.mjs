// What the tests share: where the gateway is, one model for each kind of upstream behind it, words and schemas.
// `proxy/tests/sdk/test_npm.py` starts simulator and gateway and says all of it in the environment.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { z } from "zod";

export const url = process.env.SALLYPORT_URL;
export const key = process.env.SALLYPORT_KEY;
const models = JSON.parse(process.env.SALLYPORT_MODELS);
const patience = { timeout: 60_000 };

/** One test for each model, which is for each kind of upstream. */
export function each(name, run) {
  describe(name, { concurrency: 4 }, () => {
    for (const model of models) test(model, patience, () => run(model));
  });
}

/** One test that is about no kind of upstream. */
export function once(name, run) {
  test(name, patience, run);
}

export const TEXT = 'añb👋c \\ " \u2028 </end>';
export const CITIES = [{ city: "Zürich" }, { city: "Bern" }];
export const TWO = CITIES.map((city) => `[tool:weather ${JSON.stringify(city)}]`).join(" ");
export const SCHEMA = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
export const Report = z.object({ city: z.string(), degrees: z.number().min(-100).max(100) });

/** Statuses and the names of their error classes in OpenAI's and Anthropic's SDKs. */
export const STATUSES = [
  [400, "BadRequestError"],
  [404, "NotFoundError"],
  [429, "RateLimitError"],
  [500, "InternalServerError"],
];

/** The error that a call ends with. */
export async function failure(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  assert.fail("no error");
}

/** All that a stream gives. */
export async function all(stream) {
  const got = [];
  for await (const event of await stream) got.push(event);
  return got;
}

export function isReport(value) {
  assert.ok(Report.safeParse(value).success, JSON.stringify(value));
}
