// An MCP server on the TypeScript SDK 2.x: both eras, strict about modern headers, and without sessions in the
// legacy era. Prints `listening on PORT`.
import { createServer } from "node:http";

import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

const text = (value) => ({ content: [{ type: "text", text: String(value) }] });

function build() {
  const server = new McpServer({ name: "stateless", version: "1" });
  server.registerTool("add", { inputSchema: z.object({ a: z.number(), b: z.number() }) }, ({ a, b }) => text(a + b));
  server.registerTool("count", { inputSchema: z.object({ to: z.number() }) }, async ({ to }, context) => {
    const progressToken = context.mcpReq._meta?.progressToken;
    for (let step = 1; progressToken !== undefined && step <= to; step += 1) {
      const params = { progressToken, progress: step, total: to };
      await context.mcpReq.notify({ method: "notifications/progress", params });
    }
    return text(`counted to ${to}`);
  });
  return server;
}

const server = createServer(toNodeHandler(createMcpHandler(build)));
server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
