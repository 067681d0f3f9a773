/**
 * The re-INVITE with an ICE restart, which a call survives though nobody answers it. JsSIP ends a call
 * whose re-INVITE is lost with its connection; here it is up to whoever sent it to send another one.
 */

import type { RTCSession } from "jssip/lib/RTCSession";

/** What JsSIP's session has, and its types do not name (3.13). */
interface Inner {
  onTransportError: () => void;
  onRequestTimeout: () => void;
  _sendReinvite: (options: {
    eventHandlers: { succeeded?: () => void; failed?: () => void };
    rtcOfferConstraints: RTCOfferOptions;
  }) => void;
}

const ENDINGS = ["onTransportError", "onRequestTimeout"] as const;

export class Restart {
  readonly #session: RTCSession;
  readonly #inner: Inner;

  /** `outlives`: whether the call goes on though its connection is lost. What 408 or 481 answers is over. */
  constructor(session: RTCSession, outlives: () => boolean) {
    this.#session = session;
    this.#inner = session as unknown as Inner;
    for (const name of ENDINGS) {
      const end = this.#inner[name].bind(session);
      this.#inner[name] = () => {
        if (!outlives()) end();
      };
    }
  }

  /** Sends it; false: not now. An offer before it that nobody answered is replaced by this one. */
  send(): boolean {
    if (!this.#session.isEstablished() || !this.#session.isReadyToReOffer()) return false;
    this.#inner._sendReinvite({
      // Refused, or nothing that the browser takes: the next one may be.
      eventHandlers: { failed: () => undefined },
      rtcOfferConstraints: { iceRestart: true },
    });
    return true;
  }
}
