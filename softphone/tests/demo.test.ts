// The demo page's pure parts: which sentence is told, whose candidates stand in an SDP, what is dialled.

import assert from "node:assert/strict";
import { test } from "node:test";

import { callView, phone, type Person, type State } from "../demo/model";
import { through } from "../demo/radio";
import { complete } from "../demo/reading";
import { story } from "../demo/story";
import { spaced, TEXTS } from "../demo/texts";

const person: Person = { name: "Anna", rating: 4.9, user_id: "u", phone: "+79161234501", dials: "+74951119910" };

const state = (): State => ({
  lang: "en", status: "ready", people: { buyer: person, seller: person },
  listing: { id: "", title: "", details: "", price: "" }, sessionId: "",
  apps: { buyer: phone("on"), seller: phone("on") }, mobiles: { buyer: phone("on"), seller: phone("on") },
  typed: { buyer: "", seller: "" }, switches: { offline: false, poor: false, company: false },
  advice: null, listening: "buyer", speaking: "voice", sound: true, history: [], log: [], unread: 0,
  sealed: false, moved: false, last: "", said: "idle",
});

test("the story follows a call from app to app", () => {
  const now = state();
  assert.equal(story(now), "idle");
  now.apps.buyer.call = callView("out", "preparing", "Petr");
  assert.equal(story(now), "preparing");
  now.apps.buyer.call = callView("out", "ringing", "Petr");
  assert.equal(story(now), "calling");
  now.apps.seller.call = callView("in", "incoming", "Anna");
  assert.equal(story(now), "appRings");
  now.apps.buyer.call = callView("out", "up", "Petr");
  now.apps.seller.call = callView("in", "up", "Anna");
  assert.equal(story(now), "talkApp");
  now.apps.buyer.call.offered = true;
  assert.equal(story(now), "offered");
});

test("an app that cannot be reached is told before the phone that rings", () => {
  const now = state();
  now.apps.buyer.call = callView("out", "ringing", "Petr");
  now.mobiles.seller.call = callView("in", "incoming", "+74951119910");
  assert.equal(story(now), "gsmRings");
  now.sealed = true;
  assert.equal(story(now), "unreached");
});

test("a call that moved is told as the same call", () => {
  const now = state();
  now.mobiles.buyer.call = callView("in", "up", "+74951119910");
  now.apps.seller.call = callView("in", "up", "Anna");
  assert.equal(story(now), "talkGsm");
  now.moved = true;
  assert.equal(story(now), "moved");
});

test("a call that has ended is no call", () => {
  const now = state();
  now.apps.buyer.call = callView("out", "ended", "Petr");
  now.last = "missed";
  assert.equal(story(now), "missed");
});

test("the radio stands in an SDP in place of every candidate", () => {
  const sdp = [
    "v=0", "s=-", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0",
    "a=candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host", "a=candidate:2 1 udp 1 198.51.100.9 6 typ srflx",
    "a=end-of-candidates", "a=rtcp-mux", "",
  ].join("\r\n");
  const made = through(sdp, "127.0.0.1", 43000);
  assert.equal(made.match(/^a=candidate/gm)?.length, 1);
  assert.match(made, /^a=candidate:1 1 udp \d+ 127\.0\.0\.1 43000 typ host\r$/m);
  assert.doesNotMatch(made, /192\.0\.2\.7|198\.51\.100\.9/);
  assert.match(made, /a=rtcp-mux/);
});

test("numbers are dialled as people type them", () => {
  assert.equal(complete("8 (495) 111-99-10"), "+74951119910");
  assert.equal(complete("+74951119910"), "+74951119910");
  assert.equal(spaced("+74951119910"), "+7 495 111-99-10");
});

test("both languages say everything", () => {
  const keys = (from: object): string[] =>
    Object.entries(from).flatMap(([key, value]) =>
      typeof value === "object" && value !== null ? keys(value as object).map((one) => `${key}.${one}`) : [key]);
  assert.deepEqual(keys(TEXTS.ru).sort(), keys(TEXTS.en).sort());
});
