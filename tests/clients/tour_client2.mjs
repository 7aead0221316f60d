// Tours an MCP server with the TypeScript client 2.x. Usage: tour_client2.mjs URL auto|legacy STEPS
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

import { CALL_MS, elicited, sampled, tour } from "./tour.mjs";

const [url, mode, steps] = process.argv.slice(2);
const client = new Client(
  { name: "tour-client2", version: "1" },
  { capabilities: { elicitation: {}, sampling: {} }, versionNegotiation: { mode } },
);
client.setRequestHandler("elicitation/create", async () => elicited);
client.setRequestHandler("sampling/createMessage", async () => sampled);
const transport = new StreamableHTTPClientTransport(new URL(url));
await client.connect(transport);
const callTool = (params, onprogress) => client.callTool(params, { onprogress, timeout: CALL_MS });
const report = await tour(client, callTool, () => client.getNegotiatedProtocolVersion(), JSON.parse(steps));
console.log(JSON.stringify(report));
await transport.terminateSession();
await client.close();
