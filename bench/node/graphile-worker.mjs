// graphile-worker with the batching that its documentation recommends for many small jobs. It deletes what is finished.
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { asked, counter, ended, produce, ready, say, work } from './wire.mjs';

const [mode, task, connectionString] = asked();
// As many connections as it asks for; fewer make it warn.
const pgPool = new pg.Pool({ connectionString, max: (task.concurrency ?? 8) + 2 });
pgPool.on('error', console.error);
pgPool.on('connect', (client) => client.on('error', console.error));
const quiet = { debug() {}, info() {}, warn: console.error, error: console.error };
const logger = new Logger(() => (level, message) => quiet[level === 'warning' ? 'warn' : level]?.(message));

if (mode === 'reset') {
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  await pgPool.query('DELETE FROM graphile_worker._private_jobs');
  await utils.release();
} else if (mode === 'produce') {
  const utils = await makeWorkerUtils({ pgPool, logger });
  await pgPool.query('SELECT 1');
  await ready();
  const payload = { change: 1234567 };
  say({ ms: await produce(task, (size) =>
    size === 1
      ? utils.addJob('job', payload)
      : utils.addJobs(Array.from({ length: size }, () => ({ identifier: 'job', payload })))) });
  await utils.release();
} else {
  const finished = counter();
  await pgPool.query('SELECT 1');
  await ready();
  const runner = await run({
    pgPool,
    logger,
    noHandleSignals: true,
    taskList: { job: async () => { await work(task.cost); finished(1); } },
    preset: {
      worker: {
        concurrentJobs: task.concurrency,
        pollInterval: 50,
        localQueue: { size: 4 * task.concurrency },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
  await ended();
  await runner.stop();
}
process.exit(0);
