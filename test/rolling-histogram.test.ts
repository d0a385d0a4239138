import { RollingHistogram } from '../lib/telemetry/rolling-histogram';

/** A clock in milliseconds that the test moves. */
function clock(): { now: () => number; advance: (ms: number) => void } {
  let time = 12_345;
  return {
    now: () => time,
    advance: (ms) => {
      time += ms;
    },
  };
}

describe('a rolling histogram', () => {
  test('gives percentiles within its two digits', () => {
    const histogram = new RollingHistogram();
    const values = Array.from({ length: 1000 }, (_, i) => (i + 1) / 10);
    for (const value of values) histogram.record(value);
    const { count, p50, p95, p99, max } = histogram.summary();
    expect(count).toBe(1000);
    for (const [actual, expected] of [
      [p50, 50],
      [p95, 95],
      [p99, 99],
      [max, 100],
    ] as const) {
      expect(Math.abs(actual / expected - 1)).toBeLessThan(0.02);
    }
  });

  test('forgets whole intervals, the oldest first', () => {
    const { now, advance } = clock();
    const histogram = new RollingHistogram(1000, 3, now);
    for (const ms of [10, 20, 40]) {
      histogram.record(ms);
      advance(1000);
    }
    // The interval of 10 has just fallen out.
    expect(histogram.summary()).toMatchObject({ count: 2 });
    expect(histogram.summary().p50).toBeCloseTo(20, 0);
    advance(1000);
    expect(histogram.summary()).toMatchObject({ count: 1 });
    expect(histogram.summary().p50).toBeCloseTo(40, 0);
    advance(1000);
    expect(histogram.summary()).toEqual({ count: 0, p50: 0, p95: 0, p99: 0, max: 0 });
  });

  test('forgets all after a long silence, and goes on', () => {
    const { now, advance } = clock();
    const histogram = new RollingHistogram(1000, 3, now);
    for (let i = 0; i < 3; i++) {
      histogram.record(10);
      advance(1000);
    }
    advance(3_600_000);
    expect(histogram.summary().count).toBe(0);
    histogram.record(5);
    expect(histogram.summary().count).toBe(1);
  });

  test('takes what is out of its range as the end of its range', () => {
    const histogram = new RollingHistogram();
    histogram.record(0);
    histogram.record(1e12);
    const { count, p50, max } = histogram.summary();
    expect(count).toBe(2);
    expect(p50).toBeLessThanOrEqual(0.001);
    expect(max).toBeGreaterThan(3_500_000);
  });
});
