// What applications do with Vercel's AI SDK and its provider for OpenAI-compatible servers.
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany, generateText, Output, streamText, tool } from "ai";
import { z } from "zod";
import { KEY, URL_, raises, run } from "./steps.mjs";

const provider = createOpenAICompatible({
  name: "headgate",
  baseURL: `${URL_}/v1`,
  apiKey: KEY,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const silent = { maxRetries: 0, onError() {} };
const weather = tool({
  description: "Tells the weather",
  inputSchema: z.object({ city: z.enum(["Bern"]) }),
});

await run({
  async chat() {
    const reply = await generateText({ model: provider("sim"), prompt: "Say hello" });
    assert(reply.text.startsWith("[simulated]"));
    assert.equal(reply.finishReason, "stop");
    assert(reply.usage.outputTokens > 2);
  },

  async chat_stream() {
    const reply = streamText({ model: provider("sim"), prompt: "Say hello", ...silent });
    let text = "";
    for await (const piece of reply.textStream) text += piece;
    assert(text.startsWith("[simulated]"));
    assert((await reply.usage).outputTokens > 2);
  },

  async chat_stream_without_usage() {
    const plain = createOpenAICompatible({ name: "plain", baseURL: `${URL_}/v1`, apiKey: KEY });
    const reply = streamText({ model: plain("sim"), prompt: "Say hello", ...silent });
    assert((await reply.text).startsWith("[simulated]"));
  },

  async tools() {
    const reply = await generateText({
      model: provider("sim"),
      prompt: "Say hello",
      tools: { weather },
      toolChoice: "required",
    });
    assert.deepEqual(reply.toolCalls[0].input, { city: "Bern" });
    assert.equal(reply.finishReason, "tool-calls");
  },

  async tools_stream() {
    const reply = streamText({
      model: provider("sim"),
      prompt: "Say hello",
      tools: { weather },
      toolChoice: { type: "tool", toolName: "weather" },
      ...silent,
    });
    assert.deepEqual((await reply.toolCalls)[0].input, { city: "Bern" });
  },

  async json_schema() {
    const schema = z.object({ city: z.enum(["Bern"]), days: z.number() });
    const reply = await generateText({
      model: provider("sim"),
      prompt: "Say hello",
      output: Output.object({ schema }),
    });
    assert.deepEqual(reply.output, { city: "Bern", days: 0 });
  },

  async completions() {
    const model = provider.completionModel("sim");
    const reply = await generateText({ model, prompt: "Say hello" });
    assert(reply.text.startsWith("[simulated]"));
  },

  async embeddings() {
    const model = provider.embeddingModel("sim");
    const { embeddings } = await embedMany({ model, values: ["one", "two"] });
    assert.deepEqual(embeddings.map((vector) => vector.length), [64, 64]);
  },

  async errors() {
    const ask = (name) => () =>
      generateText({ model: provider(name), prompt: "Say hello", maxRetries: 0 });
    let error = await raises(APICallError, ask("nosuch"));
    assert.equal(error.statusCode, 404);
    assert.match(error.message, /nosuch/);
    error = await raises(APICallError, ask("limited"));
    assert.equal(error.statusCode, 429);
    assert(error.isRetryable);
    assert((await raises(APICallError, ask("failing"))).isRetryable);
  },

  async error_in_stream() {
    let told;
    const reply = streamText({
      model: provider("breaking"),
      prompt: "Say hello",
      maxRetries: 0,
      onError({ error }) {
        told = error;
      },
    });
    for await (const _ of reply.fullStream);
    assert.match(JSON.stringify(told?.message ?? told), /upstream|failed/i);
  },
});
