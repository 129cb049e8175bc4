// One attack on a running server, with honest people there meanwhile, and what is said of it: a list of faults.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { sanitized } from '../integration/lib/stack.mjs';
import { Control, slowness } from './control.mjs';
import { Newcomers, Pair } from './honest.mjs';
import { MEMORY_MAX, SPOOL_MAX, Watch } from './watch.mjs';

/** What people may notice of an attack. The bounds are those of a machine that is not slow; one that is may take so many
 *  times longer for everything as the control says (control.mjs). */
export const NEWCOMER_MS = 1000;
export const PAIR_P99_MS = 250;
export const BASE_MS = 10_000;

const ATTACKER = fileURLToPath(new URL('attacker.mjs', import.meta.url));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const SANITIZED = new Set(['relay', 'rest']); // those of them that may be: see `sanitized`
const MIB = 1024 * 1024;
const mib = (bytes) => Math.round(bytes / MIB);

/** The attack as a process that yields the processor to the server, as another machine would; but not to whatever else a
 *  busy machine does, or it would never get to attack. */
function attack(stack, { name }, { seconds, address }) {
  const how = { url: stack.url, relayPorts: Array.from({ length: stack.relays }, (_, i) => stack.relayPort(i + 1)),
    address, seconds };
  const child = spawn('nice', ['-n', '8', process.execPath, ATTACKER, name, JSON.stringify(how)],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  return new Promise((resolve) => child.once('close', () => resolve(out ? JSON.parse(out) : { how: 'died' })));
}

/** What the honest people noticed that they should not have. `allowed`: how many times the bounds they may have waited. */
export function noticed({ talk, came }, allowed = 1) {
  const faults = [];
  const within = (bound) => (allowed > 1 ? `, not below ${(bound * allowed).toFixed(0)}` : '');
  if (talk.lost) faults.push(`${talk.lost} of ${talk.said} that the pair said were not heard`);
  if (talk.closed) faults.push(`${talk.closed} of the pair were closed`);
  if (!talk.said) faults.push('the pair said nothing');
  if (talk.p99 > PAIR_P99_MS * allowed) faults.push(`the pair's p99 is ${talk.p99.toFixed(0)} ms${within(PAIR_P99_MS)}`);
  if (!came.came) faults.push('no newcomer came in');
  if (came.failures.length) faults.push(`${came.failures.length} newcomers failed: ${came.failures[0]}`);
  if (came.slowest.ms > NEWCOMER_MS * allowed)
    faults.push(`a newcomer (${came.slowest.way}) took ${came.slowest.ms.toFixed(0)} ms${within(NEWCOMER_MS)}`);
  return faults;
}

/** {faults, figures} of one attack. seconds: how long it lasts. address: where it comes from. hard: the bounds hold on a
 *  slow machine, too. meanwhile: something else that is done during the attack, with the control as it is. */
export async function siege(stack, row, { seconds, address = '127.0.0.2', hard = false, meanwhile = () => {} }) {
  const watch = new Watch(stack);
  const pair = await Pair.join(stack);
  const before = await watch.base();
  const control = await Control.begin(stack.dir);
  watch.begin();
  pair.begin();
  const newcomers = await Newcomers.begin(stack);
  const [did] = await Promise.all([attack(stack, row, { seconds, address }), meanwhile(control)]);
  const [talk, came] = await Promise.all([pair.end(), newcomers.end()]);
  const step = control.end();
  const allowed = hard ? 1 : slowness(step);
  const held = watch.end();
  const faults = noticed({ talk, came }, allowed);
  if (did.how !== 'done') faults.push(`the attack itself: ${did.how}`);
  for (const part of watch.gone()) faults.push(`${part} ended`);
  for (const [kind, bytes] of Object.entries(held.most))
    if (bytes > MEMORY_MAX[kind] && !(sanitized && SANITIZED.has(kind))) faults.push(`${kind} held ${mib(bytes)} MiB`);
  if (held.spooled > SPOOL_MAX) faults.push(`nginx spooled ${mib(held.spooled)} MiB`);
  let above = [];
  const deadline = Date.now() + BASE_MS * allowed;
  do {
    await pause(200);
    above = faults.some((fault) => / ended$/.test(fault)) ? [] : await watch.above(before);
  } while (above.length && Date.now() < deadline);
  if (above.length) faults.push(`not back to its base: ${above.join(', ')}`);
  await pair.close();
  return { faults, figures: { talk, came, did, step, relay_mib: mib(held.most.relay), rest_mib: mib(held.most.rest),
    redis_mib: mib(held.most.redis), nginx_mib: mib(held.most.nginx), spooled_mib: mib(held.spooled) } };
}

export function line({ name }, { faults, figures }) {
  const { talk, came, did, step, ...held } = figures;
  const { how: _, ...counts } = did;
  return `${name.padEnd(22)} pair p50 ${talk.p50.toFixed(1)} p99 ${talk.p99.toFixed(1)} ms, ` +
    `newcomers ${came.came} p50 ${came.p50.toFixed(0)} slowest ${came.slowest.ms.toFixed(0)} ms, ` +
    `machine's step p50 ${step.p50.toFixed(1)} p99 ${step.p99.toFixed(1)} ms, ` +
    `MiB relay ${held.relay_mib} rest ${held.rest_mib} redis ${held.redis_mib} nginx ${held.nginx_mib} ` +
    `spooled ${held.spooled_mib}; attack ${JSON.stringify(counts)}` +
    (faults.length ? `\n${faults.map((fault) => `    FAULT ${fault}`).join('\n')}` : '');
}
