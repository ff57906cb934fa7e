// Runs the steps of a client's script and prints what became of each, one JSON object a line.
export const URL_ = process.env.HEADGATE_URL ?? "http://127.0.0.1:8080";
export const KEY = process.env.HEADGATE_KEY ?? "";

// Parameters of a tool, of which the simulated model makes {"city": "Bern"}.
export const WEATHER = {
  type: "object",
  properties: { city: { type: "string", enum: ["Bern"] } },
  required: ["city"],
  additionalProperties: false,
};

export async function run(steps) {
  for (const [step, work] of Object.entries(steps)) {
    let error = null;
    try {
      await work();
    } catch (thrown) {
      error = thrown?.stack ?? String(thrown);
    }
    console.log(JSON.stringify({ step, error }));
  }
}

// The error that the call throws, of this class.
export async function raises(kind, call) {
  try {
    await call();
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error(`no ${kind.name}`);
}
