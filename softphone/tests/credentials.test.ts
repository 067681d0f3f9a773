import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { backoff_ms } from "../src/backoff.js";
import { checkCredentials, CredentialKeeper, renewal_ms, type Reason } from "../src/credentials.js";

const HOUR_MS = 3_600_000;

function given(n: number, expires_ms: number): unknown {
  return {
    username: `app_${String(n)}`,
    password: "p",
    token: `t${String(n)}`,
    ws_url: "wss://calls.example/ws",
    sip_uri: "sip:app_1@calls.example",
    ice_servers: [],
    expires_at: new Date(expires_ms).toISOString(),
  };
}

test("renewal comes at seven to eight tenths of a lifetime", () => {
  assert.equal(renewal_ms(0, HOUR_MS, 0), 0.8 * HOUR_MS);
  assert.equal(renewal_ms(0, HOUR_MS, 1), 0.7 * HOUR_MS);
});

test("credentials that are over are renewed, but not in a storm", () => {
  assert.equal(renewal_ms(HOUR_MS, 0, 0), 1_000);
});

test("what lacks a field is refused, and its message holds no value", () => {
  const broken = { ...(given(1, HOUR_MS) as object), token: "" };
  assert.throws(() => checkCredentials(broken), /^SoftphoneError: the credentials have no token$/);
  assert.throws(() => checkCredentials(null), /no username/);
  assert.throws(() => checkCredentials({ ...(given(1, 0) as object), expires_at: "soon" }), /expires_at/);
});

test("credentials are renewed before they are over", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 0 });
  const reasons: Reason[] = [];
  const keeper = new CredentialKeeper(
    (reason) => Promise.resolve((reasons.push(reason), given(reasons.length, Date.now() + HOUR_MS)) as never),
    Date.now,
    () => 0,
  );
  await keeper.start();
  assert.equal(keeper.current?.token, "t1");
  t.mock.timers.tick(0.8 * HOUR_MS);
  await settled();
  assert.deepEqual(reasons, ["start", "renewal"]);
  assert.equal(keeper.current.token, "t2");
  keeper.stop();
  t.mock.timers.tick(10 * HOUR_MS);
  await settled();
  assert.equal(reasons.length, 2, "nothing is fetched after the end");
});

test("a platform that fails is asked again, later and later", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 0 });
  const source = mock.fn<(reason: Reason) => Promise<never>>(() => Promise.reject(new Error("down")));
  const keeper = new CredentialKeeper(source, Date.now, () => 0);
  const troubles: string[] = [];
  keeper.on("trouble", (error) => troubles.push(error.code));
  keeper.refused();
  for (const wait_ms of [250, 500, 1_000]) {
    t.mock.timers.tick(wait_ms);
    await settled();
  }
  assert.deepEqual(source.mock.calls.map((call) => call.arguments[0]), ["refused", "refused", "refused"]);
  assert.deepEqual(troubles, ["credentials", "credentials", "credentials"]);
  keeper.stop();
});

test("back-off doubles, is capped, and is spread by chance", () => {
  const rules = { first_ms: 500, most_ms: 30_000 };
  assert.deepEqual([1, 2, 3, 100].map((n) => backoff_ms(n, rules, 1)), [500, 1_000, 2_000, 30_000]);
  assert.equal(backoff_ms(1, rules, 0), 250);
});

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
