// The web app of the tests: the softphone as a platform would use it, and an ear for tones.
// Everything that comes in is kept, to be searched afterwards.
const seen = { texts: [], sdp: [], stats: [] };

const plainFetch = window.fetch.bind(window);
window.fetch = async (...asked) => {
  const answer = await plainFetch(...asked);
  seen.texts.push([...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n"));
  if (answer.body !== null) void keep(answer.clone().body.pipeThrough(new TextDecoderStream()));
  return answer;
};

async function keep(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      seen.texts.push(value);
    }
  } catch {
    // The page let go of it.
  }
}

// Where a relay is asked for, the media go through it: it loses packets as a poor network does.
let relay = false;
const ufrags = [];
const Plain = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Plain {
  constructor(...given) {
    super(...given);
    connections.push(this);
    // Why a relay gave nothing: for whoever reads what a test that failed has left.
    this.addEventListener("icecandidateerror", (error) => state.relays.push(`${error.errorCode} ${error.errorText}`));
  }

  // Nobody is told where we are: else the far end would find the way that loses nothing.
  get localDescription() {
    const plain = super.localDescription;
    if (!relay || plain === null) return plain;
    // Elsewhere after a restart of ICE, as it is: Asterisk takes the same candidates for no restart.
    const [ufrag] = plain.sdp.match(/a=ice-ufrag:\S+/);
    if (!ufrags.includes(ufrag)) ufrags.push(ufrag);
    const nowhere = `127.0.0.1 ${9 + ufrags.indexOf(ufrag)}`;
    const sdp = plain.sdp.replaceAll(/(a=candidate:\S+ \d+ udp \d+) \S+ \d+/gi, `$1 ${nowhere}`);
    return { type: plain.type, sdp };
  }

  async setRemoteDescription(description) {
    seen.sdp.push(description.sdp);
    const sdp = relay ? await window.throughRelay(description.sdp) : description.sdp;
    return super.setRemoteDescription({ type: description.type, sdp });
  }
};
const connections = [];

const state = { phone: undefined, call: undefined, events: [], ends: [], missed: [], offers: [], qualities: [], relays: [], logged: 0 };
let context;

window.app = {
  state,
  seen,

  async start({ base_url, tones, last_event_id, use_relay, ice_policy, reconnect_s }) {
    relay = use_relay;
    const { Softphone } = await import(`${base_url}/softphone/softphone.js`);
    context = new AudioContext({ sampleRate: 48_000 });
    await context.audioWorklet.addModule("ear.js");
    const phone = new Softphone({
      base_url,
      credentials: (reason) => window.credentials(reason),
      // A tone is what echo cancellers and noise suppressors are made to remove.
      audio: { microphone: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } },
      ice_policy,
      ...(reconnect_s ? { reconnect_s } : {}),
      ...(last_event_id ? { last_event_id } : {}),
    });
    state.phone = phone;
    state.tones = tones;
    phone.on("state", (now) => note("phone", now));
    phone.on("incoming", (call) => follow(call));
    phone.on("missed", (missed) => state.missed.push(missed.entry));
    phone.on("logged", () => (state.logged += 1));
    phone.on("quality", (quality) => state.qualities.push(quality));
    phone.on("handover_offered", (offer) => state.offers.push(offer));
    phone.on("handover", (result) => note("handover", result.result));
    phone.on("trouble", (error) => note("trouble", error.code));
    phone.on("event_id", (id) => (state.event_id = id));
    await phone.start();
  },

  async call(session_id) {
    follow(await state.phone.call(session_id));
  },

  async callBack(entry) {
    follow(await state.phone.callBack(entry));
  },

  preflight(session_id) {
    return state.phone.preflight(session_id);
  },

  // Of the call that was ours last: on the phone now, where it was moved there.
  async handOver(to) {
    const call_id = state.call.call_id ?? state.moved;
    await state.phone.handover(call_id ?? state.call, to);
    state.moved = state.call.call_id;
  },

  view() {
    const { call, phone } = state;
    return {
      phone: phone?.state,
      call: call && { state: call.state, direction: call.direction, card: call.card, reason: call.end_reason, link: call.link, offered: call.offered, call_id: call.call_id },
      calls: phone?.calls.length,
      events: state.events,
      ends: state.ends,
      missed: state.missed,
      offers: state.offers,
      logged: state.logged,
      relays: state.relays,
      qualities: state.qualities.length,
      event_id: state.event_id,
    };
  },

  // What the other side's sound was: how long each tone, and the holes between two of them.
  heard() {
    const tone_ms = {};
    const gaps_ms = [];
    let hole = 0;
    let begun = false;
    for (const hz of state.call?.ear ?? []) {
      if (hz === 0) {
        if (begun) hole += 20;
        continue;
      }
      if (hole > 0) gaps_ms.push(hole);
      hole = 0;
      begun = true;
      tone_ms[hz] = (tone_ms[hz] ?? 0) + 20;
    }
    return { tone_ms, gaps_ms, last_hz: state.call?.ear?.at(-1) ?? 0, silent_ms: hole };
  },

  async addresses() {
    for (const connection of connections) {
      const report = await connection.getStats().catch(() => new Map());
      const theirs = [...report.values()].filter((row) => row.type.startsWith("remote") || row.type === "codec");
      seen.stats.push(JSON.stringify(theirs));
    }
    return { texts: seen.texts, sdp: seen.sdp, stats: seen.stats };
  },

  // Of connections that are up: the candidates chosen, and how much went over them.
  async ways() {
    const found = [];
    for (const connection of connections) {
      if (connection.connectionState !== "connected") continue;
      const report = await connection.getStats();
      for (const row of report.values()) {
        if (row.type !== "candidate-pair" || row.state !== "succeeded" || !row.nominated) continue;
        const [local, remote] = [report.get(row.localCandidateId), report.get(row.remoteCandidateId)];
        found.push({ local, remote, sent: row.bytesSent, received: row.bytesReceived });
      }
    }
    return found;
  },

  async gather(iceServers) {
    const connection = new Plain({ iceServers, iceTransportPolicy: "relay" });
    const [candidates, errors] = [[], []];
    connection.addEventListener("icecandidateerror", ({ errorCode }) => errors.push(errorCode));
    const over = new Promise((resolve) => {
      connection.addEventListener("icecandidate", ({ candidate }) => {
        if (candidate?.candidate) candidates.push(candidate.candidate);
        if (candidate === null) resolve();
      });
    });
    connection.addTransceiver("audio");
    await connection.setLocalDescription();
    await over;
    connection.close();
    return { candidates, errors };
  },

  ours() {
    return connections.map((connection) => connection.localDescription?.sdp ?? "").join("\n");
  },
};

function follow(call) {
  state.call = call;
  call.ear = [];
  note("call", call.state);
  call.on("state", (now) => note("call", now));
  call.on("reconnecting", (now) => note("reconnecting", now));
  call.on("ended", ({ reason, link }) => {
    state.ends.push(reason);
    call.offered = link;
  });
  call.on("stream", (stream) => listen(call, stream));
}

function listen(call, stream) {
  const source = context.createMediaStreamSource(stream);
  const ear = new AudioWorkletNode(context, "ear", { processorOptions: { tones: state.tones } });
  ear.port.onmessage = ({ data }) => call.ear.push(data.hz);
  source.connect(ear);
}

function note(what, now) {
  state.events.push(`${what} ${now}`);
  document.getElementById("log").textContent += `${what} ${now}\n`;
}
