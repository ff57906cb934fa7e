// What applications do with OpenAI's official client for Node.
import assert from "node:assert/strict";
import OpenAI from "openai";
import { KEY, URL_, WEATHER, raises, run } from "./steps.mjs";

const client = new OpenAI({ baseURL: `${URL_}/v1`, apiKey: KEY, maxRetries: 0 });
const messages = [{ role: "user", content: "Say hello" }];
const ask = (more) => client.chat.completions.create({ model: "sim", messages, ...more });
const tool = {
  type: "function",
  function: { name: "weather", parameters: WEATHER, strict: true },
};

await run({
  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert(ids.includes("sim"));
  },

  async chat() {
    const reply = await ask({ max_completion_tokens: 40 });
    assert(reply.choices[0].message.content.startsWith("[simulated]"));
    assert(reply.usage.total_tokens > 2);
    assert(reply._request_id);
  },

  async chat_stream() {
    let text = "";
    let usage;
    const stream = await ask({ stream: true, stream_options: { include_usage: true } });
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      usage = chunk.usage ?? usage;
    }
    assert(text.startsWith("[simulated]"));
    assert(usage.completion_tokens > 2);
  },

  async chat_stream_helper() {
    const stream = client.chat.completions.stream({ model: "sim", messages });
    const final = await stream.finalChatCompletion();
    assert(final.choices[0].message.content.startsWith("[simulated]"));
  },

  async chat_stream_left_early() {
    const stream = await ask({ stream: true });
    for await (const _ of stream) break;
    assert((await ask({})).choices.length === 1);
  },

  async tools() {
    const reply = await ask({ tools: [tool], tool_choice: "required" });
    const [call] = reply.choices[0].message.tool_calls;
    assert.deepEqual(JSON.parse(call.function.arguments), { city: "Bern" });
    assert.equal(reply.choices[0].finish_reason, "tool_calls");
  },

  async json_schema() {
    const schema = { name: "weather", schema: WEATHER, strict: true };
    const reply = await ask({ response_format: { type: "json_schema", json_schema: schema } });
    assert.deepEqual(JSON.parse(reply.choices[0].message.content), { city: "Bern" });
  },

  async embeddings() {
    const reply = await client.embeddings.create({ model: "sim", input: ["one", "two"] });
    assert.deepEqual(reply.data.map((row) => row.embedding.length), [64, 64]);
    assert(reply.data[0].embedding.every(Number.isFinite));
  },

  async responses() {
    const reply = await client.responses.create({ model: "sim", input: "Say hello" });
    assert(reply.output_text.startsWith("[simulated]"));
  },

  async responses_stream() {
    const kinds = [];
    const stream = client.responses.stream({ model: "sim", input: "Say hello" });
    for await (const event of stream) kinds.push(event.type);
    assert(kinds.includes("response.output_text.delta"));
    assert.equal(kinds.at(-1), "response.completed");
    assert((await stream.finalResponse()).output_text.startsWith("[simulated]"));
  },

  async errors() {
    const stranger = new OpenAI({ baseURL: `${URL_}/v1`, apiKey: "wrong", maxRetries: 0 });
    let error = await raises(OpenAI.AuthenticationError, () => stranger.models.list());
    assert.equal(error.code, "invalid_api_key");
    error = await raises(OpenAI.NotFoundError, () => ask({ model: "nosuch" }));
    assert.equal(error.code, "model_not_found");
    error = await raises(OpenAI.BadRequestError, () => ask({ messages: [] }));
    assert.equal(error.param, "messages");
    error = await raises(OpenAI.RateLimitError, () => ask({ model: "limited" }));
    assert.equal(error.code, "upstream_rate_limited");
    error = await raises(OpenAI.InternalServerError, () => ask({ model: "failing" }));
    assert.equal(error.status, 502);
  },

  async error_in_stream() {
    const stream = await ask({ model: "breaking", stream: true });
    const error = await raises(OpenAI.APIError, async () => {
      for await (const _ of stream);
    });
    assert.equal(error.code, "upstream_error");
  },
});
