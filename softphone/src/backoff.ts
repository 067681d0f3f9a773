/** How long to wait before the next try: doubling, capped, with jitter so that apps do not march. */

export interface BackoffRules {
  readonly first_ms: number;
  readonly most_ms: number;
}

export const RECONNECT: BackoffRules = { first_ms: 500, most_ms: 30_000 };

/** The wait before try number `attempt` (1 is the first again). `random` is in [0, 1). */
export function backoff_ms(attempt: number, rules: BackoffRules, random: number): number {
  const ceiling = Math.min(rules.most_ms, rules.first_ms * 2 ** Math.min(attempt - 1, 30));
  return Math.round(ceiling * (0.5 + random / 2));
}
