// What the OAuth tours of both TypeScript clients share; steps and output as in tour_mcp2.py.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// An OAuthClientProvider that keeps everything in memory and asks its user as oauth.py does.
export class Memory {
  constructor(name) {
    this.redirectUrl = "http://127.0.0.1:53682/callback";
    this.clientMetadata = {
      client_name: name,
      redirect_uris: [this.redirectUrl],
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
    };
  }

  clientInformation = () => this.client;
  saveClientInformation = (client) => void (this.client = client);
  tokens = () => this.saved;
  saveTokens = (tokens) => void (this.saved = tokens);
  codeVerifier = () => this.verifier;
  saveCodeVerifier = (verifier) => void (this.verifier = verifier);
  redirectToAuthorization = (url) => console.log(JSON.stringify({ authorize: url.href }));

  // The parameters of the URL that the browser was sent back to.
  async sentBack() {
    const { value } = await lines.next();
    return new URL(value).searchParams;
  }
}

// Does `action`, and once more after the user has logged in if it fails for want of that.
export async function authorized(action, UnauthorizedError, logIn) {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await logIn();
    return action();
  }
}
