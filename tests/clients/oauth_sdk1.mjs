// Tours an MCP server that wants a token, with the OAuth flow of the TypeScript SDK 1.x.
// Usage: oauth_sdk1.mjs URL legacy STEPS
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";

import { authorized, Memory } from "./oauth.mjs";
import { CALL_MS, elicited, tour } from "./tour.mjs";

const [url, , steps] = process.argv.slice(2);
const authProvider = new Memory("oauth-sdk1");
let client;
let transport;

async function connect() {
  client = new Client({ name: "oauth-sdk1", version: "1" }, { capabilities: { elicitation: {} } });
  client.setRequestHandler(ElicitRequestSchema, async () => elicited);
  transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
  await client.connect(transport);
}

const once = (action) =>
  authorized(action, UnauthorizedError, async () => {
    await transport.finishAuth((await authProvider.sentBack()).get("code"));
  });
await once(connect);
const callTool = (params, onprogress) =>
  once(() => client.callTool(params, undefined, { onprogress, timeout: CALL_MS }));
const report = await tour(client, callTool, () => transport.protocolVersion, JSON.parse(steps));
await transport.terminateSession();
await client.close();
console.log(JSON.stringify(report));
process.exit();
