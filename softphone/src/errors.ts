/** What can go wrong, by `code`. No message ever holds a number, an address or a secret. */

export type ErrorCode =
  | "not_started" // start() first
  | "credentials" // the platform's callback failed, or gave something else
  | "not_registered" // no connection to Maskline now
  | "busy" // one call at a time
  | "microphone" // none, or not allowed
  | "api" // the app API refused: see error_id and status
  | "network" // the app API cannot be reached
  | "ended"; // the call is over

export class SoftphoneError extends Error {
  override readonly name = "SoftphoneError";
  readonly code: ErrorCode;
  /** HTTP status, where the app API answered. */
  readonly status: number | undefined;
  /** The API's stable `error_id`, where it answered. */
  readonly error_id: string | undefined;

  constructor(code: ErrorCode, message: string, more: { status?: number; error_id?: string; cause?: unknown } = {}) {
    super(message, { cause: more.cause });
    this.code = code;
    this.status = more.status;
    this.error_id = more.error_id;
  }
}
