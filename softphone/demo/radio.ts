// Leads the media of the buyer's app through the demo's radio, where packets can be lost for real.
//
// The radio is a relay in the demo's backend. It is named to the browser in place of Maskline's ICE
// candidate, and to Maskline in place of the browser's. The softphone knows nothing of it.

import { relay, type RelayEnds } from "./backend";

// An ICE server that is none: it marks the connections that go through the radio.
export const MARK = "stun:radio.invalid";

let spare: RelayEnds | undefined;

// Gets the next relay ready: a connection needs it in the moment in which it is made.
export async function prepareRadio(): Promise<void> {
  spare ??= await relay().catch(() => undefined);
}

const candidate = (host: string, port: number): string =>
  `a=candidate:1 1 udp 2130706431 ${host} ${port.toString()} typ host\r\n`;

// `sdp` with one candidate in place of its own, in every section of media.
export function through(sdp: string, host: string, port: number): string {
  const [head = "", ...sections] = sdp.split(/(?=^m=)/m);
  const bare = (text: string): string => text.replace(/^a=(candidate|end-of-candidates)[^\r\n]*\r?\n/gm, "");
  return bare(head) + sections.map((one) => bare(one) + candidate(host, port)).join("");
}

export function installRadio(): void {
  const Native = window.RTCPeerConnection;

  class RadioConnection extends Native {
    private readonly way: RelayEnds | undefined;

    constructor(configuration: RTCConfiguration = {}) {
      const servers = configuration.iceServers ?? [];
      const marked = servers.some((one) => one.urls === MARK);
      super({ ...configuration, iceServers: servers.filter((one) => one.urls !== MARK) });
      if (!marked) return;
      this.way = spare;
      spare = undefined;
      void prepareRadio();
    }

    override get localDescription(): RTCSessionDescription | null {
      const own = super.localDescription;
      if (own === null || this.way === undefined) return own;
      return new RTCSessionDescription({ type: own.type, sdp: through(own.sdp, this.way.host, this.way.far) });
    }

    override setRemoteDescription(description: RTCSessionDescriptionInit): Promise<void> {
      if (this.way === undefined || description.sdp === undefined) return super.setRemoteDescription(description);
      const sdp = through(description.sdp, this.way.host, this.way.near);
      return super.setRemoteDescription({ type: description.type, sdp });
    }
  }

  window.RTCPeerConnection = RadioConnection;
}
