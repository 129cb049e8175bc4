// Rounds of faults against a whole stack:  node tests/faults/run.mjs [--rounds N] [--seed N] [--faults N] [--span MS]
//                                          [--only REGEXP] [--out DIRECTORY]
// --only durable: MariaDB is killed N times while readers of every kind look on (durable.mjs). --mariadb=--skip-log-bin
// shows what it is without the binary log.
// The seed decides what fails when, and who waits how long; what the processes make of it no seed decides.
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { Stack, bin } from '../integration/lib/stack.mjs';
import { figures } from './checker.mjs';
import { kills } from './durable.mjs';
import { startWorker } from './faults.mjs';
import { round } from './round.mjs';
import { Dice } from './world.mjs';

/** Short limits, so that what takes effect after a time does so within a round. */
export const SETTINGS = { log_level: 'info', lease_ms: '1500ms', grace_ms: '200ms', members_interval_ms: '20ms',
  drain_ms: '500ms', journal_timeout_ms: '2s', db_timeout_ms: '1s',
  redis_timeout_ms: '500ms', reconcile_ms: '500ms', reconcile_down_ms: '200ms', poll_presence_ms: '2s', admit_ms: '1s',
  room_linger_ms: '2s', feed_lease_ms: '1500ms', feed_poll_ms: '50ms',
  // Its clients are programs that say the next thing as soon as they may, all from one address.
  rate_connection: 0, rate_connection_bytes: 0, rate_user: 0, rate_user_bytes: 0, rate_address: 0,
  rate_address_bytes: 0, rate_handshakes: 0, rate_creations: 0, rate_key: 0, address_connections_max: 0,
  // A client of polling that gives up while it connects is gone when its pong is missed, and not before.
  io_ping_interval_ms: '3s', io_ping_timeout_ms: '5s' };

const show = (numbers) => Object.entries(numbers).map(([name, number]) => `${number} ${name}`).join(', ');

function tails(stack) {
  return Object.entries(stack.logs()).filter(([name]) => /^(relay|rest|nginx\.log)/.test(name))
    .map(([name, text]) => `---- ${name}\n${text.split('\n').slice(-25).join('\n')}`).join('\n');
}

/** Runs them on a stack of their own; the number of violations. say: gets lines of text. */
export async function rounds({ count, seed, faults, spanMs, longestMs, only, out, say }) {
  const stack = await Stack.start({ relays: 3, settings: SETTINGS });
  await stack.stopPart('worker1');
  await startWorker(stack);
  const total = {};
  const dice = new Dice(seed);
  let bad = 0;
  try {
    for (let n = 1; n <= count && !bad; n++) {
      const own = Math.floor(dice.roll() * 2 ** 32);
      const { history, violations, recoveries, fedTwice } = await round(stack,
        { seed: own, name: `r${n}`, faults: new Dice(own).between(Math.ceil(faults / 2), faults), spanMs, longestMs,
          only });
      const file = path.join(out, `history-${seed}-${n}.jsonl`);
      fs.mkdirSync(out, { recursive: true });
      fs.writeFileSync(file, history.map((line) => JSON.stringify(line)).join('\n'));
      const counted = { ...figures(history), recoveries, 'rows of the feed given twice': fedTwice };
      for (const [name, number] of Object.entries(counted)) total[name] = (total[name] ?? 0) + number;
      const injected = history.filter((line) => line.ev === 'fault').map((line) => `${line.at} ${line.name}`);
      say(`round ${n}: ${injected.join('; ')}\n         ${show(counted)}`);
      bad += violations.length;
      if (violations.length)
        say(`${violations.length} violations with seed ${seed} in round ${n}, the history is ` +
          `${file}\n${violations.slice(0, 20).join('\n')}\n${tails(stack)}`);
      else fs.rmSync(file);
    }
    say(`in all: ${show(total)}; seed ${seed}`);
    if (!bad) await stack.checkAndStop();
  } finally {
    await stack.remove();
  }
  return bad;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '20' }, seed: { type: 'string' },
    faults: { type: 'string', default: '4' }, span: { type: 'string', default: '8000' },
    only: { type: 'string' }, mariadb: { type: 'string', default: '' }, out: { type: 'string', default: path.join(bin, 'faults') } } });
  const seed = Number(values.seed || Math.floor(Math.random() * 1e9));
  console.log(`seed ${seed}`);
  const durable = values.only === 'durable';
  const run = durable ? kills : rounds;
  const bad = await run({ count: Number(values.rounds), seed, faults: Number(values.faults),
    spanMs: Number(values.span), only: !durable && values.only && new RegExp(values.only), out: values.out,
    say: console.log, mariadb: values.mariadb.split(' ').filter(Boolean) });
  console.log(bad ? `${bad} violations` : 'nothing lost, nothing twice');
  process.exit(bad ? 1 : 0);
}
