/** What issue 5 of the project asks for. */
export const TARGETS = {
  /** Pairs a second of many callers over those of one call. */
  callersOverOneCall: 0.95,
  /** Pairs a second over first come, first served. */
  packedOverPadded: 1.5,
  eventLoopP99Ms: 5,
  /** Share of interactive requests within three chunks and their own time. */
  withinShare: 1,
  /** Resident memory at the end over that after the first tenth, at most; either way. */
  memoryGrowth: 0.05,
} as const;
