// An identity provider (npm oidc-provider) for test_oidc.py: `node idp.mjs '{"port", "gate"}'`. Says `listening`.
//
// Its own pages take any name with any password. POST /-/rotate: signs with another key from now on. POST /-/groups with
// a list: everybody's groups.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const { port, gate } = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
let groups = [];
let keys = 0;

function provider() {
  keys += 1;
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = { ...privateKey.export({ format: "jwk" }), kid: `key-${keys}`, use: "sig", alg: "RS256" };
  const made = new Provider(issuer, {
    jwks: { keys: [jwk] },
    cookies: { keys: ["not a secret"] },
    scopes: ["openid", "email", "profile"],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "groups"] },
    // its own guard keeps it from loopback, where the gateway of the test is
    fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
    features: { backchannelLogout: { enabled: true } },
    clients: [{
      client_id: "gate",
      client_secret: "gate-secret-of-the-test",
      redirect_uris: [`${gate}/api/oidc/npm/callback`],
      post_logout_redirect_uris: [`${gate}/`],
      backchannel_logout_uri: `${gate.replace("localhost", "127.0.0.1")}/api/oidc/npm/backchannel_logout`,
      backchannel_logout_session_required: true,
    }],
    findAccount: (_, id) => ({
      accountId: id,
      claims: async () => ({ sub: id, email: `${id}@example.com`, email_verified: true, name: id, groups }),
    }),
  });
  for (const name of ["server_error", "backchannel.error"]) {
    made.on(name, (_, error) => console.error(name, error));
  }
  return made.callback();
}

let serve = provider();
createServer(async (request, response) => {
  if (request.url === "/-/rotate") {
    serve = provider();
    response.end();
  } else if (request.url === "/-/groups") {
    let text = "";
    for await (const part of request) {
      text += part;
    }
    groups = JSON.parse(text);
    response.end();
  } else {
    serve(request, response);
  }
}).listen(port, "127.0.0.1", () => console.log("listening"));
