// A real OAuth authorization server (oidc-provider) on loopback: it registers clients, lets anybody log in
// under any name, and issues tokens for one MCP resource.
//
// Usage: authorization_server.mjs PORT RESOURCE SCOPE...   It prints `listening on PORT`; port 0 picks one. Later
// it prints `granted GRANT_TYPE` for every token it issues.
//
// What a test changes while it runs, by a POST of JSON to /control:
//   {"keys": "added"}      new signing keys; the old ones stay published beside them
//   {"keys": "replaced"}   new signing keys; the old ones are gone
//   {"algorithm": "ES256"} what access tokens are signed with: RS256, ES256 or EdDSA
//   {"format": "opaque"}   whether access tokens are `jwt` or `opaque`, for introspection
//   {"lifetime": 300}      seconds from the issue of an access token to its expiry
// The client `machine` with the secret `machine-secret` may ask for tokens of its own and introspect any.
import { generateKeyPair, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { promisify } from "node:util";

import Provider, { errors } from "oidc-provider";
import { createMemoryAdapter } from "oidc-provider/lib/adapters/memory_adapter.js";

const [port, resource, ...scopes] = process.argv.slice(2);
const KEY_TYPES = {
  RS256: ["rsa", { modulusLength: 2048 }],
  ES256: ["ec", { namedCurve: "P-256" }],
  EdDSA: ["ed25519", {}],
};
const tokens = { algorithm: "RS256", format: "jwt", lifetime: 300 };
let keys = await newKeys();
let provider; // a new one for every key set; the adapter is what they have in common

async function newKeys() {
  const pairs = Object.entries(KEY_TYPES).map(async ([alg, parameters]) => {
    const { privateKey } = await promisify(generateKeyPair)(...parameters);
    return { ...privateKey.export({ format: "jwk" }), alg, use: "sig", kid: `${alg}-${randomUUID()}` };
  });
  return Promise.all(pairs);
}

const memory = createMemoryAdapter();

// Clients register for the scopes that they need first. Later they ask their user for more, and this server
// leaves it to the user, so what they registered for is forgotten.
function adapter(model) {
  const storage = memory(model);
  if (model === "Client") {
    const upsert = storage.upsert.bind(storage);
    storage.upsert = (id, { scope: _, ...client }, expiresIn) => upsert(id, client, expiresIn);
  }
  return storage;
}

function serveWith(issuer) {
  provider = new Provider(issuer, {
    adapter,
    jwks: { keys },
    cookies: { keys: ["tests only"] },
    scopes: ["openid", "offline_access", ...scopes],
    pkce: { required: () => true },
    clients: [
      {
        client_id: "machine",
        client_secret: "machine-secret",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: true },
      introspection: { enabled: true },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, indicator) => {
          if (indicator !== resource) throw new errors.InvalidTarget();
          return {
            audience: resource,
            scope: scopes.join(" "),
            accessTokenFormat: tokens.format,
            accessTokenTTL: tokens.lifetime,
            // The newest key of that algorithm: it comes first.
            jwt: { sign: { alg: tokens.algorithm, kid: keys.find(({ alg }) => alg === tokens.algorithm).kid } },
          };
        },
      },
    },
    extraTokenClaims: () => ({ org: { id: "acme" } }),
    findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  });
  provider.on("grant.success", ({ oidc }) => console.log(`granted ${oidc.params.grant_type}`));
  provider.on("server_error", (_context, error) => console.error(error));
}

async function control(request) {
  const { keys: change, ...rest } = JSON.parse(Buffer.concat(await request.toArray()));
  Object.assign(tokens, rest);
  if (change !== undefined) {
    keys = [...(await newKeys()), ...(change === "added" ? keys : [])];
    serveWith(provider.issuer);
  }
}

const server = createServer(async (request, response) => {
  if (request.url !== "/control") return provider.callback()(request, response);
  await control(request);
  response.writeHead(204).end();
});
server.listen(Number(port), "127.0.0.1", () => {
  serveWith(`http://127.0.0.1:${server.address().port}`);
  console.log(`listening on ${server.address().port}`);
});
