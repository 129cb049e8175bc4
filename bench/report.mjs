// Writes what make bench leaves in docs/: the table in performance.md, between its markers, and the plots.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { run as runProgram } from './processes.mjs';
import { barChart } from './svg.mjs';
import { markdownTable, number, rowsOf } from './table.mjs';

const docs = fileURLToPath(new URL('../docs/', import.meta.url));
const NODE_PEERS = ['ws', 'express', 'mysql2', 'socket.io', '@socket.io/redis-adapter'];
const BEGIN = '<!-- written by make bench: begin -->', END = '<!-- written by make bench: end -->';

// ---- where it was measured -------------------------------------------------------------------------------------------

async function version(program, args, pattern) {
  try {
    return (await runProgram('/bin/sh', ['-c', `PATH=$PATH:/usr/sbin; ${program} ${args} 2>&1`])).match(pattern)?.[1];
  } catch {
    return undefined;
  }
}

function peerVersion(name) {
  const file = fileURLToPath(new URL(`peers/node_modules/${name}/package.json`, import.meta.url));
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')).version : undefined;
}

/** What a reader has to know of the machine and the programs. */
export async function describeMachine(servers) {
  const [cpu] = os.cpus();
  const versions = {
    nginx: await version('nginx', '-v', /nginx\/([\d.]+)/),
    nchan: await version('dpkg-query', "-W -f '${Version}' libnginx-mod-nchan", /([\d.]+)\+/),
    MariaDB: await version('mariadbd', '--version', /Ver ([\d.]+)/),
    Redis: await version('redis-server', '--version', /v=([\d.]+)/),
    Node: process.versions.node,
  };
  for (const name of NODE_PEERS) versions[name] = peerVersion(name);
  return { date: new Date().toISOString().slice(0, 10), cpu: cpu?.model.trim(), cores: os.cpus().length,
    memory_gib: Math.round(os.totalmem() / 2 ** 30), kernel: os.release(), files: await fileSystem(servers.dir),
    versions };
}

async function fileSystem(dir) {
  return (await runProgram('stat', ['-f', '-c', '%T', dir])).trim();
}

function machineText(machine) {
  const known = Object.entries(machine.versions).filter(([, value]) => value);
  const versions = known.map(([name, value]) => `${name} ${value}`).join(', ');
  return `Measured on ${machine.date}: ${machine.cores} cores of ${machine.cpu}, shared by the servers, the databases ` +
    `and the load generator; ${machine.memory_gib} GiB, Linux ${machine.kernel}, the database on ${machine.files}; ` +
    `${versions}. ${machine.seconds} s a measure, ${machine.rounds} ${machine.rounds === 1 ? 'round' : 'rounds'}; ` +
    'memory and herds once.';
}

// ---- plots -----------------------------------------------------------------------------------------------------------

const OURS = 'Chaguan';

/** Looks figures up; a bar whose measure failed is left out. */
function makeBars(results, names, { value, extra = () => 0, text }) {
  return names.flatMap(([key, label, kind]) => {
    const figures = results?.[key]?.figures;
    const n = figures && value(figures);
    if (!Number.isFinite(n)) return [];
    const more = extra(figures) || 0;
    const colour = kind ?? (label.startsWith(OURS) ? 'ours' : 'peer');
    return [{ label, value: n, extra: more, kind: colour, text: text(n, more) }];
  });
}

const SERVERS = [['bare', 'bare send()'], ['ours', OURS], ['nchan', 'nchan'], ['node', 'Node ws + MySQL']];
const pair = (key) => [[key, OURS], [`${key} socketio`, 'Socket.IO + Redis']];

function cpuPlot(of) {
  const kinds = { value: (f) => f.cpu_us_per_delivery?.server,
    text: (n, more) => (more ? `${number(n)} + ${number(more)}` : number(n)),
    extra: (f) => (f.cpu_us_per_delivery.mariadb ?? 0) + (f.cpu_us_per_delivery.redis ?? 0) };
  return { title: 'Server CPU per delivered message', axis: 'microseconds of CPU per delivery', groups: [
    { name: '(a) one room of 500, 100 messages/s', bars: makeBars(of.a, SERVERS, kinds) },
    { name: '(b) the same, saturated', bars: makeBars(of.b, SERVERS, kinds) },
    { name: '(i) Socket.IO clients, 500 at 100 messages/s', bars: makeBars(of.i, pair('rate'), kinds) },
    { name: '(i) Socket.IO clients, saturated', bars: makeBars(of.i, pair('saturated'), kinds) },
  ], legend: [['ours', OURS], ['peer', 'peer'], ['light', 'MariaDB and Redis for the same']] };
}

function latencyPlot(of) {
  const bars = (key, label) => ['p50', 'p90', 'p99'].flatMap((p) => makeBars(of.a, [[key, `${label}, ${p}`]],
    { value: (f) => f.latency_ms?.[p], text: (n) => `${number(n)} ms` }));
  return { title: 'From when a message is due until each of 500 has it',
    axis: 'milliseconds (logarithmic), 100 messages/s', log: true,
    groups: SERVERS.map(([key, label]) => ({ bars: bars(key, label) })),
    legend: [['ours', `${OURS}: after the commit`], ['peer', 'peers; of them only Node stores']] };
}

const PROTOCOL_NAMES = { chatroom: 'chatroom', native: 'native', friends: 'friends', customer: 'customer', space: 'space',
  socketio: 'Socket.IO, WebSocket', 'socketio-polling': 'Socket.IO, polling', events: 'Server-Sent Events',
  stream: 'iframe stream', poll: 'held long poll' };
const WAYS_IN = [['direct idle', 'direct', 'ours'], ['handed idle', 'handed over', 'ours'],
  ['proxied idle', 'proxied', 'second']];

function memoryPlot(of) {
  const kinds = { value: (f) => f.memory_kib_per_client?.server, text: (n) => `${number(n)} KiB` };
  const withNginx = { ...kinds, value: (f) => f.memory_kib_per_client.server + (f.memory_kib_per_client.nginx ?? 0) };
  const protocols = Object.entries(PROTOCOL_NAMES).map(([key, name]) => [key, name, 'ours']);
  return { title: 'Memory per idle connection that has joined a room',
    axis: 'KiB of private memory per connection, 10,000 connections',
    mark: { value: 3, text: 'target: 3 KiB' }, groups: [
      { name: '(d) the relay, by protocol', bars: makeBars(of.d, protocols, kinds) },
      { name: "(i) Socket.IO's own server", bars: makeBars(of.i, [['idle socketio', 'Socket.IO + Redis']], kinds) },
      { name: '(j) relay and nginx together, chatroom', bars: makeBars(of.j, WAYS_IN, withNginx) },
    ] };
}

function deliveriesPlot(of) {
  const kinds = { value: (f) => f.deliveries_s, text: (n) => number(n) };
  const smallRooms = [['ours', OURS], ['nchan', 'nchan'], ['nchan2', 'nchan, 2 workers']];
  return { title: 'Deliveries a second, saturated',
    axis: 'messages delivered per second, all recipients together', groups: [
    { name: '(b) one room of 500', bars: makeBars(of.b, SERVERS, kinds) },
    { name: '(c) 1,000 rooms of 10', bars: makeBars(of.c, smallRooms, kinds) },
    { name: '(i) Socket.IO clients, one room of 500', bars: makeBars(of.i, pair('saturated'), kinds) },
  ], legend: [['ours', `${OURS}: each message committed first`], ['peer', 'peer']] };
}

const PLOTS = { 'bench-cpu.svg': cpuPlot, 'bench-deliveries.svg': deliveriesPlot, 'bench-latency.svg': latencyPlot,
  'bench-memory.svg': memoryPlot };

// ---- the page --------------------------------------------------------------------------------------------------------

/** run: [{scenario, results}], of all scenarios. */
export function writeDocs(run, machine) {
  const of = Object.fromEntries(run.map(({ scenario, results }) => [scenario.id, results]));
  const links = [];
  for (const [file, plot] of Object.entries(PLOTS)) {
    const chart = plot(of);
    chart.groups = chart.groups.filter((group) => group.bars.length);
    if (!chart.groups.length) continue;
    fs.writeFileSync(path.join(docs, file), barChart(chart));
    links.push(`![${chart.title}](${file})`);
  }
  const page = path.join(docs, 'performance.md');
  const text = fs.readFileSync(page, 'utf8');
  const from = text.indexOf(BEGIN), to = text.indexOf(END);
  if (from < 0 || to < from) throw new Error(`${page} has lost its markers: ${BEGIN} … ${END}`);
  const body = `${BEGIN}\n\n${machineText(machine)}\n\n${markdownTable(rowsOf(run))}\n\n${links.join('\n\n')}\n\n`;
  fs.writeFileSync(page, text.slice(0, from) + body + text.slice(to));
}
