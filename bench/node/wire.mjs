// How a contestant speaks to bench/src/process.rs: "ready", then it waits for "go", then lines of JSON.
import { createInterface } from 'node:readline';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const say = (value) => process.stdout.write(`${typeof value === 'string' ? value : JSON.stringify(value)}\n`);

export async function ready() {
  say('ready');
  await lines.next();
}

// Standard input closes when nobody is interested any more.
export async function ended() {
  while (!(await lines.next()).done);
}

// Says how many jobs are finished, every few milliseconds while the number grows.
export function counter() {
  let finished = 0;
  let said = 0;
  setInterval(() => {
    if (finished !== said) say({ finished: (said = finished) });
  }, 5);
  return (jobs) => { finished += jobs; };
}

export const work = (milliseconds) =>
  milliseconds > 0 ? new Promise((done) => setTimeout(done, milliseconds)) : undefined;

// Hands in `jobs` jobs in calls of `batch`, `callers` at a time, each waiting for its own answer. Gives milliseconds.
export async function produce({ jobs, batch, callers }, call) {
  const started = performance.now();
  let left = jobs;
  const caller = async () => {
    while (left > 0) {
      const size = Math.min(batch, left);
      left -= size;
      await call(size);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return performance.now() - started;
}

export const asked = () => [process.argv[2], JSON.parse(process.argv[3] ?? '{}'), process.env.PEERS_URL];
