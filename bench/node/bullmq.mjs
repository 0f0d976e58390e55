// BullMQ on a Redis that writes and syncs every command to its append-only file.
import { Queue, Worker } from 'bullmq';
import Redis from 'ioredis';
import { asked, counter, ended, produce, ready, say, work } from './wire.mjs';

const [mode, task, url] = asked();
const NAME = 'jobs';
const { hostname: host, port } = new URL(url);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };

if (mode === 'reset') {
  // What completed jobs leave behind: a hash each, and their ids in a sorted set.
  const redis = new Redis(connection);
  if (task.empty) await redis.flushall();
  const script = `for i = ARGV[1], ARGV[2] do
    redis.call('HSET', KEYS[1] .. 'old' .. i, 'name', 'job', 'data', '{"change":1234567}', 'opts', '{"attempts":0}',
      'timestamp', '1700000000000', 'delay', '0', 'priority', '0', 'processedOn', '1700000000001',
      'finishedOn', '1700000000002', 'returnvalue', 'null', 'ats', '1', 'atm', '1')
    redis.call('ZADD', KEYS[1] .. 'completed', 1700000000000 + i, 'old' .. i)
  end`;
  for (let from = task.from; from < task.to; from += 5000) {
    await redis.eval(script, 1, `bull:${NAME}:`, from, Math.min(from + 5000, task.to) - 1);
  }
  await redis.quit();
} else if (mode === 'produce') {
  const queue = new Queue(NAME, { connection });
  await queue.waitUntilReady();
  await ready();
  const job = () => ({ name: 'job', data: { change: 1234567 } });
  say({ ms: await produce(task, (size) =>
    size === 1 ? queue.add('job', job().data) : queue.addBulk(Array.from({ length: size }, job))) });
  await queue.close();
} else {
  const finished = counter();
  const worker = new Worker(NAME, () => work(task.cost), { connection, concurrency: task.concurrency, autorun: false });
  worker.on('completed', () => finished(1));
  worker.on('error', (error) => console.error(error));
  await worker.waitUntilReady();
  await ready();
  worker.run();
  await ended();
  process.exit(0);
}
