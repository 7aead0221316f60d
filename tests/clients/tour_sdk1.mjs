// Tours an MCP server with the TypeScript SDK 1.x. Usage: tour_sdk1.mjs URL legacy STEPS
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { CreateMessageRequestSchema, ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import { CALL_MS, elicited, sampled, tour } from "./tour.mjs";

const [url, , steps] = process.argv.slice(2);
const client = new Client(
  { name: "tour-sdk1", version: "1" },
  { capabilities: { elicitation: {}, sampling: {} } },
);
client.setRequestHandler(ElicitRequestSchema, async () => elicited);
client.setRequestHandler(CreateMessageRequestSchema, async () => sampled);
const transport = new StreamableHTTPClientTransport(new URL(url));
await client.connect(transport);
const callTool = (params, onprogress) => client.callTool(params, undefined, { onprogress, timeout: CALL_MS });
const report = await tour(client, callTool, () => transport.protocolVersion, JSON.parse(steps));
console.log(JSON.stringify(report));
await transport.terminateSession();
await client.close();
