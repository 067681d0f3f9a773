// JsSIP's own types lean on Node's `events`, of which a browser needs this much.
declare module "events" {
  export class EventEmitter {
    on(type: string, listener: (...values: never[]) => void): this;
    removeAllListeners(type?: string): this;
  }
}
