/** Tells when the browser has reason to believe that the network is another one, or back. */

const WAYS = ["online", "pageshow"] as const;

export class NetworkWatch {
  #stop: (() => void) | undefined;

  constructor(private readonly on_back: () => void) {}

  start(): void {
    if (this.#stop !== undefined || typeof window === "undefined") return;
    const back = (): void => {
      this.on_back();
    };
    // A computer that slept has had its connections closed by everybody else.
    const seen = (): void => {
      if (document.visibilityState === "visible") back();
    };
    for (const way of WAYS) window.addEventListener(way, back);
    document.addEventListener("visibilitychange", seen);
    this.#stop = () => {
      for (const way of WAYS) window.removeEventListener(way, back);
      document.removeEventListener("visibilitychange", seen);
    };
  }

  stop(): void {
    this.#stop?.();
    this.#stop = undefined;
  }
}
