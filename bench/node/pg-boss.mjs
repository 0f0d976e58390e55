// pg-boss. Jobs are fetched and completed in batches by its own calls: `work` would look only once in half a second.
import { PgBoss } from 'pg-boss';
import { asked, counter, ended, produce, ready, say, work } from './wire.mjs';

const [mode, task, url] = asked();
const NAME = 'jobs';
const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false, max: 10 });
boss.on('error', (error) => console.error(error));
await boss.start();

if (mode === 'reset') {
  // Removing a queue removes its jobs.
  if (task.empty && (await boss.getQueue(NAME))) await boss.deleteQueue(NAME);
  if (task.empty) await boss.createQueue(NAME);
} else if (mode === 'produce') {
  await boss.getQueue(NAME);
  await ready();
  const job = () => ({ data: { change: 1234567 } });
  say({ ms: await produce(task, (size) =>
    size === 1 ? boss.send(NAME, job().data) : boss.insert(NAME, Array.from({ length: size }, job))) });
} else {
  const finished = counter();
  const batchSize = 32;
  const loop = async () => {
    for (;;) {
      const jobs = await boss.fetch(NAME, { batchSize });
      if (jobs.length === 0) {
        await work(20);
        continue;
      }
      await Promise.all(jobs.map(() => work(task.cost)));
      await boss.complete(NAME, jobs.map((job) => job.id));
      finished(jobs.length);
    }
  };
  await ready();
  // Several batches side by side, so that one is fetched while another one is worked off.
  for (let i = 0; i < Math.max(1, task.concurrency / batchSize) * 2; i += 1) {
    loop().catch((error) => { console.error(error); process.exit(1); });
  }
  await ended();
  process.exit(0);
}
await boss.stop({ graceful: false });
process.exit(0);
