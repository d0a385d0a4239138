import { setImmediate as nextTurn } from 'node:timers/promises';

/** How long the event loop waits for one turn of long work. */
const TURN_MS = 8;

/** When the present turn is over: of all such work together, for many short works in a row are a long one. */
let turnEnds = 0;

/** Does long work whose steps are the `yield`s of a generator, and lets the event loop go on in between. */
export async function inTurns<T>(work: Iterator<void, T, void>): Promise<T> {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    if (performance.now() < turnEnds) continue;
    await nextTurn();
    turnEnds = performance.now() + TURN_MS;
  }
}
