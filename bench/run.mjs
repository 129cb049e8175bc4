// make bench: measures Chaguan beside its peers, prints one table, and writes it and the plots into docs/.
//
//   node bench/run.mjs BUILD [--only a,b] [--seconds 4] [--rounds 2]
//   node bench/run.mjs BUILD --render        table and plots once more, from the figures of the last whole run
//
// What is measured stands in scenarios.mjs. Rounds take turns: every measure of a scenario once, then all again; the
// middle of the rounds counts. With --only nothing is written into docs/. Exit status 1: something failed; a target that
// is missed is no failure.
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { measure, median } from './load.mjs';
import { describeMachine, writeDocs } from './report.mjs';
import { scenarios } from './scenarios.mjs';
import { Servers } from './servers.mjs';
import { rowsOf, textTable } from './table.mjs';

const began = Date.now();
const USAGE = 'usage: node bench/run.mjs BUILD [--only a,b] [--seconds N] [--rounds N] [--render]';
const say = (text) => console.log(`[${String(Math.round((Date.now() - began) / 1000)).padStart(4)} s] ${text}`);

function options() {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: {
    only: { type: 'string' }, seconds: { type: 'string', default: '4' }, rounds: { type: 'string', default: '2' },
    render: { type: 'boolean', default: false },
  } });
  const only = values.only?.split(',').map((id) => id.trim());
  const seconds = Number(values.seconds), rounds = Number(values.rounds);
  const unknown = only?.find((id) => !scenarios.some((scenario) => scenario.id === id));
  const wrong = unknown !== undefined ? `there is no scenario ${unknown}: ${scenarios.map(({ id }) => id).join(' ')}`
    : positionals.length === 1 && seconds > 0 && Number.isInteger(rounds) && rounds > 0 ? undefined : USAGE;
  if (wrong) {
    console.error(wrong);
    process.exit(2);
  }
  const chosen = scenarios.filter(({ id }) => only?.includes(id) ?? true);
  return { build: positionals[0], seconds, rounds, render: values.render, only, chosen };
}

const count = async (servers, statement) => Number((await servers.sql(statement))[0]);

/** One run of the load generator, with what has to be before it. */
async function measureOnce(servers, scenario, item, { seconds, label, figures }) {
  await servers.product({ ...scenario.product, ...item.product });
  await servers.renew(item.renew ?? []);
  const target = await item.target(servers);
  const asked = typeof item.load === 'function' ? item.load(figures) : item.load;
  const before = item.stored && await count(servers, item.stored);
  const result = await measure(servers.build, item.protocol, target, { seconds, warmup: 1, label, ...asked });
  servers.checkPeers();
  await servers.checkProduct();
  if (item.stored) {
    const grown = await count(servers, item.stored) - before;
    if (grown < result.sent) result.problem = `${result.sent} messages were sent and ${grown} rows are in the database`;
  }
  return result;
}

function summary(f) {
  const parts = [
    f.deliveries_s && `${Math.round(f.deliveries_s).toLocaleString('en')} deliveries/s`,
    f.requests_s && `${Math.round(f.requests_s).toLocaleString('en')} requests/s`,
    f.cpu_us_per_delivery?.server && `${f.cpu_us_per_delivery.server.toFixed(2)} µs each`,
    f.herd?.seconds && `back in ${f.herd.seconds.toFixed(2)} s`,
    !f.deliveries_s && !f.requests_s && !f.herd && f.memory_kib_per_client?.server &&
      `${f.memory_kib_per_client.server.toFixed(2)} KiB a connection`,
  ];
  return parts.filter(Boolean).join(', ');
}

/** All measures of a scenario: {figures} or {error} by name. What failed once is not tried again. */
async function runScenario(servers, scenario, { seconds, rounds }) {
  const runs = {}, errors = {}, figures = {};
  for (let round = 0; round < rounds; round++) {
    for (const [key, item] of Object.entries(scenario.measures)) {
      if (errors[key] || (item.once && round)) continue;
      const label = `${scenario.id}-${item.protocol}`;
      const which = `(${scenario.id}) ${key}${item.once ? '' : `, round ${round + 1} of ${rounds}`}`;
      try {
        const result = await measureOnce(servers, scenario, item, { seconds, label, figures });
        if (result.problem) throw new Error(result.problem);
        (runs[key] ??= []).push(result);
        figures[key] = median(runs[key]);
        say(`${which}: ${summary(result)}`);
      } catch (error) {
        errors[key] = error.message;
        say(`${which}: FAILED: ${error.message}`);
        await servers.recover();
      }
    }
  }
  await servers.stopPeers();
  return Object.fromEntries(Object.keys(scenario.measures).map((key) =>
    [key, errors[key] ? { error: errors[key] } : { figures: figures[key], runs: runs[key] }]));
}

async function main() {
  const chosen = options();
  const saved = path.join(chosen.build, 'bench.json');
  if (chosen.render) {
    const { machine, results } = JSON.parse(fs.readFileSync(saved, 'utf8'));
    writeDocs(scenarios.map((scenario) => ({ scenario, results: results[scenario.id] ?? {} })), machine);
    return 0;
  }
  const servers = await Servers.open(chosen.build);
  const run = [];
  for (const scenario of chosen.chosen) {
    say(`(${scenario.id}) ${scenario.title}`);
    run.push({ scenario, results: await runScenario(servers, scenario, chosen) });
  }
  const machine = { ...await describeMachine(servers), seconds: chosen.seconds, rounds: chosen.rounds };
  const rows = rowsOf(run);
  console.log(`\n${textTable(rows)}\n`);
  if (!chosen.only) {
    const results = Object.fromEntries(run.map((one) => [one.scenario.id, one.results]));
    fs.writeFileSync(saved, JSON.stringify({ machine, results }));
    writeDocs(run, machine);
    say('written: docs/performance.md and its plots');
  }
  const tally = (verdict) => rows.filter((row) => row.verdict === verdict).length;
  say(`${tally('met')} targets met, ${tally('MISSED')} missed, ${tally('FAILED')} failed`);
  return tally('FAILED') ? 1 : 0;
}

// By itself the process would wait for the servers that still run.
process.exit(await main());
