// Asks nothing twice: the answer to a question is kept, and shared by those who ask meanwhile.

/** The same function, called once for each list of arguments. */
export function remembered<Q extends readonly unknown[], A>(
  probe: (...question: Q) => Promise<A>,
): (...question: Q) => Promise<A> {
  const known = new Map<string, Promise<A>>();
  return (...question) => {
    const key = JSON.stringify(question);
    const answer = known.get(key) ?? probe(...question);
    known.set(key, answer);
    return answer;
  };
}

/** Lets so many run at a time; the others wait for their turn. */
export function bounded(limit: number): <A>(work: () => Promise<A>) => Promise<A> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
