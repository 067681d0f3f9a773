import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { SipSocket } from "../src/socket.js";

/** As the browser has it, but for what a test does to it. */
class Wire {
  static readonly OPEN = 1;
  static made: Wire[] = [];
  readyState = 0;
  binaryType = "";
  sent: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;

  constructor(readonly url: string) {
    Wire.made.push(this);
  }

  opens(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  breaks(): void {
    this.readyState = 3;
    this.onclose?.({ code: 1006, reason: "" });
  }

  send(data: string): void {
    this.sent.push(data);
  }

  close(): void {
    this.readyState = 3;
  }
}

function made(t: TestContext): { socket: SipSocket; said: string[]; last: () => Wire } {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  Wire.made = [];
  const before = globalThis.WebSocket;
  globalThis.WebSocket = Wire as unknown as typeof WebSocket;
  t.after(() => {
    globalThis.WebSocket = before;
  });
  const socket = new SipSocket("wss://calls.example:8089/ws");
  const said: string[] = [];
  socket.onconnect = () => said.push("connected");
  socket.ondisconnect = (_error, _code, reason) => said.push(`lost ${reason ?? ""}`.trim());
  const last = (): Wire => {
    const found = Wire.made.at(-1);
    assert(found !== undefined);
    return found;
  };
  return { socket, said, last };
}

test("it says of itself what SIP needs", (t) => {
  const { socket } = made(t);
  assert.equal(socket.via_transport, "WSS");
  assert.equal(socket.sip_uri, "sip:calls.example:8089;transport=ws");
  assert.throws(() => new SipSocket("https://calls.example/"), TypeError);
});

test("a connection that cannot be had is tried again with back-off until it can", (t) => {
  const { socket, said, last } = made(t);
  socket.connect();
  for (let n = 0; n < 8; n += 1) {
    last().breaks();
    t.mock.timers.tick(30_000);
  }
  assert.equal(Wire.made.length, 9);
  last().opens();
  assert.deepEqual(said, ["connected"]);
});

test("a try that hangs is given up", (t) => {
  const { socket, said, last } = made(t);
  socket.connect();
  const [hung] = Wire.made;
  t.mock.timers.tick(8_000);
  assert.equal(hung?.readyState, 3);
  t.mock.timers.tick(1_000);
  assert.equal(Wire.made.length, 2);
  hung.opens();
  assert.deepEqual(said, [], "what is let go of says nothing more");
  last().opens();
  assert.deepEqual(said, ["connected"]);
});

test("a wait ends where there is reason to believe that it would work now", (t) => {
  const { socket, last } = made(t);
  socket.connect();
  last().breaks();
  socket.hurry();
  assert.equal(Wire.made.length, 2);
  last().opens();
  socket.hurry();
  assert.equal(Wire.made.length, 2, "what stands is left alone");
});

test("a connection over which nothing comes is given up", async (t) => {
  const { socket, said, last } = made(t);
  socket.connect();
  last().opens();
  const heard = socket.hears(4_000);
  last().onmessage?.({ data: "SIP/2.0 200 OK" });
  assert.equal(await heard, true);
  assert.equal(socket.isConnected(), true);

  const nothing = socket.hears(4_000);
  t.mock.timers.tick(4_000);
  assert.equal(await nothing, false);
  assert.deepEqual(said, ["connected", "lost silent"]);
  assert.equal(socket.send("BYE"), false);
});

test("nobody is asked for again who was closed", (t) => {
  const { socket, last } = made(t);
  socket.connect();
  last().breaks();
  socket.disconnect();
  t.mock.timers.tick(60_000);
  socket.hurry();
  assert.equal(Wire.made.length, 1);
});
