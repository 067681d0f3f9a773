/**
 * What WebRTC's statistics say of a call's sound: pure arithmetic over `getStats()` reports.
 *
 * Of the whole report, addresses among it, nothing else is read or kept.
 */

/** Totals at one moment. */
export interface Sample {
  readonly at_ms: number;
  readonly received: number;
  readonly lost: number;
  readonly sent: number;
  readonly bytes_received: number;
  readonly jitter_ms: number | undefined;
  readonly rtt_ms: number | undefined;
  /** Of ours, as the far end reports it, 0 to 1. */
  readonly lost_there: number | undefined;
}

/** What a stretch of a call was like. */
export interface Quality {
  readonly rtt_ms: number | undefined;
  readonly jitter_ms: number | undefined;
  /** The worse of both directions, 0 to 1. */
  readonly loss: number | undefined;
  /** Packets that came in during the stretch. */
  readonly received: number;
  readonly sent: number;
}

interface Row {
  readonly type: string;
  readonly kind?: string;
  readonly timestamp: number;
  readonly packetsReceived?: number;
  readonly packetsLost?: number;
  readonly packetsSent?: number;
  readonly bytesReceived?: number;
  readonly jitter?: number;
  readonly roundTripTime?: number;
  readonly fractionLost?: number;
  readonly currentRoundTripTime?: number;
  readonly nominated?: boolean;
  readonly state?: string;
}

/** Reads one report. */
export function readSample(report: Iterable<Row>): Sample {
  const rows = [...report];
  const audio = (type: string): Row[] => rows.filter((row) => row.type === type && row.kind === "audio");
  const inbound = audio("inbound-rtp");
  const far = audio("remote-inbound-rtp");
  const pair = rows.find((row) => row.type === "candidate-pair" && row.nominated && row.state === "succeeded");
  // RTCP measures the media itself, ICE checks the way; a young call has only the latter.
  const rtt_s = last(far, "roundTripTime") ?? pair?.currentRoundTripTime;
  return {
    at_ms: Math.max(0, ...rows.map((row) => row.timestamp)),
    received: total(inbound, "packetsReceived"),
    lost: total(inbound, "packetsLost"),
    sent: total(audio("outbound-rtp"), "packetsSent"),
    bytes_received: total(inbound, "bytesReceived"),
    jitter_ms: ms(last(inbound, "jitter")),
    rtt_ms: ms(rtt_s),
    lost_there: last(far, "fractionLost"),
  };
}

type Figure = "packetsReceived" | "packetsLost" | "packetsSent" | "bytesReceived" | "jitter" | "roundTripTime" | "fractionLost";

function total(rows: readonly Row[], name: Figure): number {
  return rows.reduce((sum, row) => sum + (row[name] ?? 0), 0);
}

function last(rows: readonly Row[], name: Figure): number | undefined {
  return rows.map((row) => row[name]).findLast((one) => one !== undefined);
}

/** The stretch between two samples of one call. */
export function between(before: Sample, after: Sample): Quality {
  const received = Math.max(0, after.received - before.received);
  const lost = Math.max(0, after.lost - before.lost);
  const lost_here = received + lost > 0 ? lost / (received + lost) : undefined;
  const losses = [lost_here, after.lost_there].filter((one) => one !== undefined);
  return {
    rtt_ms: after.rtt_ms,
    jitter_ms: after.jitter_ms,
    loss: losses.length > 0 ? Math.max(...losses) : undefined,
    received,
    sent: Math.max(0, after.sent - before.sent),
  };
}

function ms(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.round(seconds * 10_000) / 10;
}
