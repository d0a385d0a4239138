/**
 * Works on up to `atOnce` items of a source at a time and yields what became of them, in their order, each as soon as it
 * and those before it are done. A slow consumer slows the source. A source that fails fails this when what came before it is
 * done. Leaving the loop ends the source; work under way by then is waited for, and what it rejects with is dropped.
 */
export async function* inOrder<Item, Result>(
  source: AsyncIterable<Item>,
  atOnce: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  const items = source[Symbol.asyncIterator]();
  const underWay: Promise<Result>[] = [];
  let reading: Promise<void> | undefined;
  let ended = false;
  let failure: { error: unknown } | undefined;
  const read = async () => {
    try {
      const { done, value } = await items.next();
      ended = done === true;
      if (ended) return;
      const result = work(value);
      result.catch(() => undefined); // it may fail while those before it are waited for
      underWay.push(result);
    } catch (error) {
      ended = true;
      failure = { error };
    } finally {
      reading = undefined;
    }
  };
  try {
    while (!ended || underWay.length > 0) {
      if (!ended && reading === undefined && underWay.length < atOnce) reading = read();
      const [first] = underWay;
      // The source may be a person who waits for the first answer before asking again.
      const isDone = first !== undefined && (await settledBefore(first, reading));
      if (first === undefined) await reading;
      else if (isDone) {
        underWay.shift();
        yield await first;
      } else await reading;
    }
    if (failure !== undefined) throw failure.error;
  } finally {
    // A source that waits for its next item cannot be ended; whoever aborts also ends that wait.
    if (reading === undefined) await items.return?.();
    await Promise.allSettled(underWay);
  }
}

/** Whether `work` has ended, well or not, when the first of both has. */
function settledBefore(work: Promise<unknown>, other: Promise<void> | undefined): Promise<boolean> {
  const isOver = work.then(
    () => true,
    () => true,
  );
  if (other === undefined) return isOver;
  return Promise.race([isOver, other.then(() => false)]);
}
