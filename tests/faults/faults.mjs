// What can be done to a running stack. Each fault takes parts for itself while it lasts, and leaves them whole.
import mysql from 'mysql2/promise';
import { eventually } from '../integration/lib/stack.mjs';
import { pause } from './world.mjs';

const RESTART_MS = 90_000;

/** A part may find the others away while it starts: then it is started again, as a service manager would. */
export const startAgain = (stack, part) => eventually(async () => {
  await stack.startPart(part);
  return true;
}, `${part} to be started again`, RESTART_MS);

async function killed({ stack, dice }, part) {
  const hold = dice.between(0, 1500);
  await stack.kill(part, 'KILL');
  await pause(hold);
  await startAgain(stack, part);
}

/** How a round's worker is started: its log says every row that the consumer is given. */
export const startWorker = (stack, part = 'worker1') => eventually(async () => {
  await stack.startPart(part, '--set', 'log_level=debug');
  return true;
}, `${part} to be started`, RESTART_MS);

async function workerKilled({ stack, dice }, part) {
  await stack.kill(part, 'KILL');
  await pause(dice.between(0, 1500));
  await startWorker(stack, part);
}

async function frozen({ stack }, part, ms) {
  await stack.kill(part, 'STOP');
  await pause(ms);
  await stack.kill(part, 'CONT');
}

async function drained(world, part) {
  const { stack } = world;
  await stack.stopPart(part).catch((error) => world.wrong(`${part} did not end well: ${error.message}`));
  await startAgain(stack, part);
}

/** Until `hold` is over the server takes no write of the application's account. */
async function readOnly({ stack }, ms) {
  await stack.must('sql', '-e', 'SET GLOBAL read_only=1');
  await pause(ms);
  await stack.must('sql', '-e', 'SET GLOBAL read_only=0');
}

/** A connection of somebody else's holds what the application needs. */
async function locked({ stack }, statements, ms) {
  const config = stack.config();
  const connection = await mysql.createConnection({ socketPath: stack.file(config.db_socket), user: config.db_user,
    password: config.db_password, database: config.db_name });
  connection.on('error', () => {}); // the server may be killed meanwhile
  try {
    for (const statement of statements) await connection.query(statement);
    await pause(ms);
  } finally {
    connection.destroy();
  }
}

const relay = ({ stack, dice }) => `relay${dice.between(1, stack.relays)}`;
const between = (low, high) => ({ dice }) => dice.between(low, high);

/** Mostly seconds, up to half a minute; as long as the round allows. */
const STALLS_MS = [1000, 1500, 2500, 4000, 8000, 12_000, 20_000, 30_000];
const stall = ({ dice, longestMs }) => Math.min(longestMs, dice.pick(STALLS_MS));

/** name; takes: the parts, drawn by the dice; lasts: milliseconds, where that means something; run. */
export const FAULTS = [
  { name: 'relay killed', takes: (w) => [relay(w)], run: (w, [part]) => killed(w, part) },
  { name: 'relay frozen past its lease', takes: (w) => [relay(w)], lasts: between(2000, 4500),
    run: (w, [part], ms) => frozen(w, part, ms) },
  { name: 'relay frozen a moment', takes: (w) => [relay(w)], lasts: between(100, 1000),
    run: (w, [part], ms) => frozen(w, part, ms) },
  { name: 'relay drained', takes: (w) => [relay(w)], run: (w, [part]) => drained(w, part) },
  { name: 'all relays restarted in turn',
    takes: ({ stack }) => Array.from({ length: stack.relays }, (_, i) => `relay${i + 1}`),
    run: async (w, parts) => { for (const part of parts) await drained(w, part); } },
  { name: 'Redis killed, and empty afterwards', takes: () => ['redis'], run: (w) => killed(w, 'redis') },
  { name: 'Redis frozen', takes: () => ['redis'], lasts: between(500, 4000),
    run: (w, [part], ms) => frozen(w, part, ms) },
  { name: 'MariaDB killed', takes: () => ['mariadb'], run: (w) => killed(w, 'mariadb') },
  { name: 'MariaDB frozen', takes: () => ['mariadb'], lasts: between(500, 3000),
    run: (w, [part], ms) => frozen(w, part, ms) },
  { name: 'MariaDB read-only', takes: () => ['mariadb'], lasts: between(500, 3000),
    run: (w, parts, ms) => readOnly(w, ms) },
  { name: 'a table locked', takes: () => ['mariadb'], lasts: between(300, 3000),
    run: (w, parts, ms) => locked(w, ['LOCK TABLES message WRITE'], ms) },
  { name: 'rows locked', takes: () => ['mariadb'], lasts: between(300, 3000),
    run: (w, parts, ms) => locked(w, ['BEGIN', 'SELECT id FROM conversation FOR UPDATE'], ms) },
  { name: 'connections to MariaDB cut', takes: () => ['mariadb'],
    run: async ({ stack }) => {
      const ids = await stack.sql('SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID()');
      for (const { id } of ids) await stack.script('sql', '-e', `KILL ${Number(id)}`);
    } },
  { name: 'REST frozen', takes: () => ['rest'], lasts: stall, run: (w, [part], ms) => frozen(w, part, ms) },
  { name: 'nginx frozen', takes: () => ['nginx'], lasts: stall, run: (w, [part], ms) => frozen(w, part, ms) },
  { name: 'MariaDB stalled', takes: () => ['mariadb'], lasts: stall, run: (w, [part], ms) => frozen(w, part, ms) },
  { name: 'Redis stalled', takes: () => ['redis'], lasts: stall, run: (w, [part], ms) => frozen(w, part, ms) },
  { name: 'relay stalled', takes: (w) => [relay(w)], lasts: stall, run: (w, [part], ms) => frozen(w, part, ms) },
  { name: 'REST killed', takes: () => ['rest'], run: (w) => killed(w, 'rest') },
  { name: 'worker killed', takes: () => ['worker1'], run: (w, [part]) => workerKilled(w, part) },
  { name: 'worker frozen past its lease', takes: () => ['worker1'], lasts: between(1500, 3500),
    run: (w, [part], ms) => frozen(w, part, ms) },
  { name: 'nginx reloaded', takes: () => ['nginx'], run: ({ stack }) => stack.reload('nginx') },
  { name: 'nginx killed', takes: () => ['nginx'], run: (w) => killed(w, 'nginx') },
];

/** What happens in a round: [{at, fault, parts, ms}], drawn by the dice before anything begins. Every other fault comes
 *  at the same moment as the one before it, if it is about other parts. */
export function plan(world, { count, spanMs, only }) {
  const faults = only ? FAULTS.filter(({ name }) => only.test(name)) : FAULTS;
  const drawn = Array.from({ length: count }, () => {
    const fault = world.dice.pick(faults);
    return { at: world.dice.between(500, spanMs), fault, parts: fault.takes(world), ms: fault.lasts?.(world) };
  });
  drawn.sort((a, b) => a.at - b.at);
  for (let i = 1; i < drawn.length; i += 2)
    if (!drawn[i].parts.some((part) => drawn[i - 1].parts.includes(part))) drawn[i].at = drawn[i - 1].at;
  return drawn;
}

/** Carries the plan out; a part that one fault has is waited for by the next. */
export async function inject(world, planned) {
  const began = Date.now();
  const turn = new Map(); // part → the end of who has it last
  const all = planned.map(async ({ at, fault, parts, ms }) => {
    await pause(at);
    const before = parts.map((part) => turn.get(part));
    let done;
    const mine = new Promise((resolve) => {
      done = resolve;
    });
    for (const part of parts) turn.set(part, mine);
    await Promise.all(before);
    const name = `${fault.name}${parts.length === 1 ? ` (${parts[0]}${ms ? `, ${ms} ms` : ''})` : ''}`;
    world.record({ ev: 'fault', at: Date.now() - began, name });
    try {
      await fault.run(world, parts, ms);
    } catch (error) {
      world.wrong(`${name}: ${error.message}${error.cause ? `: ${error.cause.message}` : ''}`);
    }
    world.record({ ev: 'healed', at: Date.now() - began, name });
    done();
  });
  await Promise.all(all);
}

/** Whatever a fault that failed may have left. */
export async function heal(stack) {
  for (const part of ['redis', 'mariadb', 'rest', 'nginx', 'relay1', 'relay2', 'relay3', 'worker1'])
    await stack.script('kill', part, 'CONT');
  await eventually(async () => {
    await stack.up();
    return true;
  }, 'every part to run', RESTART_MS);
  await stack.must('sql', '-e', 'SET GLOBAL read_only=0');
  const pages = ['', ...Array.from({ length: stack.relays }, (_, i) => `/relay${i + 1}`)];
  for (const page of pages) await eventually(() => stack.ready(`${page}/readyz`), `${page}/readyz`);
}
