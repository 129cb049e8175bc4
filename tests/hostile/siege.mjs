// One attack on a running server, with honest people there meanwhile, and what is said of it: a list of faults.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Newcomers, Pair } from './honest.mjs';
import { MEMORY_MAX, SPOOL_MAX, Watch } from './watch.mjs';

/** What people may notice of an attack. */
export const NEWCOMER_MS = 1000;
export const PAIR_P99_MS = 250;
export const BASE_MS = 10_000;

const ATTACKER = fileURLToPath(new URL('attacker.mjs', import.meta.url));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const MIB = 1024 * 1024;
const mib = (bytes) => Math.round(bytes / MIB);

/** The attack as a process that yields the processor to the server, as another machine would. */
function attack(stack, { name }, { seconds, address }) {
  const how = { url: stack.url, relayPorts: Array.from({ length: stack.relays }, (_, i) => stack.relayPort(i + 1)),
    address, seconds };
  const child = spawn('nice', ['-n', '15', process.execPath, ATTACKER, name, JSON.stringify(how)],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  return new Promise((resolve) => child.once('close', () => resolve(out ? JSON.parse(out) : { how: 'died' })));
}

/** {faults, figures} of one attack. seconds: how long it lasts. address: where it comes from. */
export async function siege(stack, row, { seconds, address = '127.0.0.2' }) {
  const watch = new Watch(stack);
  const pair = await Pair.join(stack);
  const before = await watch.base();
  watch.begin();
  pair.begin();
  const newcomers = await Newcomers.begin(stack);
  const did = await attack(stack, row, { seconds, address });
  const [talk, came] = await Promise.all([pair.end(), newcomers.end()]);
  const held = watch.end();
  const faults = [];
  if (did.how !== 'done') faults.push(`the attack itself: ${did.how}`);
  for (const part of watch.gone()) faults.push(`${part} ended`);
  if (talk.lost) faults.push(`${talk.lost} of ${talk.said} that the pair said were not heard`);
  if (talk.closed) faults.push(`${talk.closed} of the pair were closed`);
  if (!talk.said) faults.push('the pair said nothing');
  if (talk.p99 > PAIR_P99_MS) faults.push(`the pair's p99 is ${talk.p99.toFixed(0)} ms`);
  if (!came.came) faults.push('no newcomer came in');
  if (came.failures.length) faults.push(`${came.failures.length} newcomers failed: ${came.failures[0]}`);
  if (came.slowest.ms > NEWCOMER_MS) faults.push(`a newcomer (${came.slowest.way}) took ${came.slowest.ms.toFixed(0)} ms`);
  for (const [kind, bytes] of Object.entries(held.most))
    if (bytes > MEMORY_MAX[kind]) faults.push(`${kind} held ${mib(bytes)} MiB`);
  if (held.spooled > SPOOL_MAX) faults.push(`nginx spooled ${mib(held.spooled)} MiB`);
  let above = [];
  const deadline = Date.now() + BASE_MS;
  do {
    await pause(200);
    above = faults.some((fault) => / ended$/.test(fault)) ? [] : await watch.above(before);
  } while (above.length && Date.now() < deadline);
  if (above.length) faults.push(`not back to its base: ${above.join(', ')}`);
  await pair.close();
  return { faults, figures: { talk, came, did, relay_mib: mib(held.most.relay), rest_mib: mib(held.most.rest),
    redis_mib: mib(held.most.redis), nginx_mib: mib(held.most.nginx), spooled_mib: mib(held.spooled) } };
}

export function line({ name }, { faults, figures }) {
  const { talk, came, did, ...held } = figures;
  const { how: _, ...counts } = did;
  return `${name.padEnd(22)} pair p50 ${talk.p50.toFixed(1)} p99 ${talk.p99.toFixed(1)} ms, ` +
    `newcomers ${came.came} p50 ${came.p50.toFixed(0)} slowest ${came.slowest.ms.toFixed(0)} ms, ` +
    `MiB relay ${held.relay_mib} rest ${held.rest_mib} redis ${held.redis_mib} nginx ${held.nginx_mib} ` +
    `spooled ${held.spooled_mib}; attack ${JSON.stringify(counts)}` +
    (faults.length ? `\n${faults.map((fault) => `    FAULT ${fault}`).join('\n')}` : '');
}
