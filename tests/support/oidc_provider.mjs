// A real OpenID Connect provider for a test: PORT, CLIENT (its id and secret with `:` between),
// BACK and OUT (the redirect URIs of sign-in and sign-out). Whoever signs in as NAME:GROUP is in that group.
import { Provider } from "oidc-provider";

const [id, secret] = process.env.CLIENT.split(":");
const issuer = `http://127.0.0.1:${process.env.PORT}`;
const provider = new Provider(issuer, {
  clients: [{ client_id: id, client_secret: secret, redirect_uris: [process.env.BACK], post_logout_redirect_uris: [process.env.OUT] }],
  claims: { openid: ["sub"], profile: ["name", "preferred_username"], email: ["email"], roles: ["groups"] },
  scopes: ["openid", "profile", "email", "roles"],
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
  cookies: { keys: ["only for a test"] },
  findAccount: (_ctx, sub) => {
    const [name, group] = sub.split(".");
    return {
      accountId: sub,
      claims: () => ({ sub, name: `${name} of ${group}`, preferred_username: name, groups: [group] }),
    };
  },
});
provider.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("ready"));
