// The tour that both TypeScript clients take; steps and output as in tour_mcp2.py.

export const CALL_MS = 20_000;

export const elicited = { action: "accept", content: { name: "Ada" } };
export const sampled = { role: "assistant", model: "none", content: { type: "text", text: "in short" } };

// `callTool(params, onprogress)` hides how the two clients differ.
export async function tour(client, callTool, version, steps) {
  const { tools } = await client.listTools();
  const seen = [];
  for (const step of steps) {
    const progress = [];
    if (step.pause_ms !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, step.pause_ms));
      seen.push({ text: "", progress });
    } else if (step.resource !== undefined) {
      const { contents } = await client.readResource({ uri: step.resource });
      seen.push({ text: contents[0].text, progress });
    } else if (step.prompt !== undefined) {
      const { messages } = await client.getPrompt({ name: step.prompt, arguments: step.arguments });
      seen.push({ text: messages[0].content.text, progress });
    } else {
      const params = { name: step.tool, arguments: step.arguments };
      try {
        const result = await callTool(params, (update) => progress.push(update.progress));
        seen.push({ text: result.content[0].text, progress });
      } catch (error) {
        seen.push({ text: "", progress, error: error.message });
      }
    }
  }
  return { version: version(), tools: tools.map((tool) => tool.name).sort(), seen };
}
