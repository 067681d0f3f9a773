/** Maskline's softphone: calls between two people of a marketplace, with no number on either side. */

export { Softphone } from "./softphone.js";
export type { SoftphoneEvents, SoftphoneOptions, SoftphoneState, Way } from "./softphone.js";
export { Call } from "./call.js";
export type { CallEvents, CallState } from "./call.js";
export type { EndReason } from "./call_end.js";
export type { Card } from "./card.js";
export type { Credentials, CredentialSource, Reason } from "./credentials.js";
export { SoftphoneError } from "./errors.js";
export type { ErrorCode } from "./errors.js";
export type {
  Advice,
  AppApi,
  CallBack,
  CurrentCall,
  Listing,
  LogEntry,
  LogPage,
  Me,
  Measured,
  SessionView,
  ShownCard,
} from "./app_api.js";
export { devices } from "./media.js";
export type { AudioChoice } from "./media.js";
export type { HandoverOffer, HandoverResult, Missed, QualityNotice } from "./notices.js";
export type { Probe } from "./probe.js";
export type { Quality } from "./stats.js";
export { telLink } from "./tel.js";
