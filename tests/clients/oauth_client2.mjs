// Tours an MCP server that wants a token, with the OAuth flow of the TypeScript client 2.x.
// Usage: oauth_client2.mjs URL auto|legacy STEPS
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";

import { authorized, Memory } from "./oauth.mjs";
import { CALL_MS, elicited, tour } from "./tour.mjs";

const [url, mode, steps] = process.argv.slice(2);
const authProvider = new Memory("oauth-client2");
let client;
let transport;

async function connect() {
  client = new Client(
    { name: "oauth-client2", version: "1" },
    { capabilities: { elicitation: {} }, versionNegotiation: { mode } },
  );
  client.setRequestHandler("elicitation/create", async () => elicited);
  transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
  await client.connect(transport);
}

const once = (action) =>
  authorized(action, UnauthorizedError, async () => transport.finishAuth(await authProvider.sentBack()));
await once(connect);
const callTool = (params, onprogress) => once(() => client.callTool(params, { onprogress, timeout: CALL_MS }));
const report = await tour(client, callTool, () => client.getNegotiatedProtocolVersion(), JSON.parse(steps));
await transport.terminateSession();
await client.close();
console.log(JSON.stringify(report));
process.exit();
