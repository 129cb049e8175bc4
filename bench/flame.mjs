// make flame: where a relay's CPU time goes, as flame graphs in docs/.
//
//   node bench/flame.mjs BUILD
//
// perf follows the stacks by their unwinding tables: Debian's libraries keep no frame pointers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { measure } from './load.mjs';
import { run } from './processes.mjs';
import { stacksOf, svgOf } from './flamegraph.mjs';
import { Servers } from './servers.mjs';

const SECONDS = 8, RECORDED = 5, STACK_BYTES = 16384, HERTZ = 499;
const docs = new URL('../docs/', import.meta.url);
const graphs = [
  ['steady', 'One room of 500, 100 messages a second', { clients: 500, rate: 100 }],
  ['saturated', 'One room of 500, fifty messages always on their way', { clients: 500, window: 50 }],
  ['small', '1,000 rooms of 10, saturated', { clients: 10_000, rooms: 1000, window: 10 }],
];

/** Records the process until its time is over. */
function record(pid, file) {
  const perf = spawn('perf', ['record', '-q', '--call-graph', `dwarf,${STACK_BYTES}`, '-F', String(HERTZ),
    '-p', String(pid), '-o', file, '--', 'sleep', String(RECORDED)], { stdio: ['ignore', 'ignore', 'inherit'] });
  return once(perf, 'exit');
}

/** Resolves once the generator's clients are in and talk: the relay has told of deliveries for a second. */
async function talking(port) {
  const written = async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(text.match(/^chaguan_socket_writes_total (\d+)/m)[1]);
  };
  for (let before = await written(), rounds = 0; rounds < 4;) {
    await new Promise((resolve) => { setTimeout(resolve, 250); });
    const now = await written();
    rounds = now - before > 1000 ? rounds + 1 : 0;
    before = now;
  }
}

async function draw(servers, [name, title, load]) {
  const target = servers.ours(), file = path.join(servers.dir, `${name}.perf`);
  const measured = measure(servers.build, 'chatroom', target, { seconds: SECONDS, label: `flame-${name}`, ...load });
  await talking(target.to[0]);
  await record(target.pids.server[0], file);
  const { problem } = await measured;
  if (problem) throw new Error(problem);
  const stacks = stacksOf(await run('perf', ['script', '--no-inline', '-i', file]));
  if (!stacks.length) throw new Error('perf has no samples: may it be used here (kernel.perf_event_paranoid)?');
  fs.writeFileSync(new URL(`flame-${name}.svg`, docs), svgOf(`${title}: one relay`, stacks));
  console.log(`docs/flame-${name}.svg: ${stacks.length} samples`);
}

const servers = await Servers.open(process.argv[2] ?? 'build');
await servers.product();
for (const graph of graphs) await draw(servers, graph);
process.exit(0); // by itself the process would wait for the servers that still run
