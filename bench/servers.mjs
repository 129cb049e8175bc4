// The servers that are measured: the product, by deploy/run.sh as an administrator starts it, and its peers. All of
// them listen on 127.0.0.1 alone, and keep what they write in one directory that goes when the benchmark ends.
//
// What is measured is a `target`: where the load generator connects, and which processes' CPU time and memory it reads.
// In the group "server" are the processes that deliver; nginx, mariadb and redis have groups of their own beside it.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Service, answers, freePorts, onEnd, run, runNow } from './processes.mjs';

const top = fileURLToPath(new URL('../', import.meta.url));
const peersDir = path.join(top, 'bench', 'peers');
const runScript = path.join(top, 'deploy', 'run.sh');
const NCHAN_MODULES = ['/usr/lib/nginx/modules/ngx_nchan_module.so', '/usr/share/nginx/modules/ngx_nchan_module.so'];
const PEERS_DATABASE = 'bench';
// One speaker here stands for many and one address for all, so nobody's pace and number are limited; and a relay that
// stops does not wait for its clients.
const SETTINGS = ['rate_connection', 'rate_connection_bytes', 'rate_user', 'rate_user_bytes', 'rate_address',
  'rate_address_bytes', 'rate_handshakes', 'rate_creations', 'address_connections_max', 'user_sockets_max',
  'friends_day_address', 'drain_ms']
  .map((name) => `${name}=0`).concat('lobby_max=1000000', 'lobby_address_max=1000000', 'rest_address_percent=100',
    'redis_commands_max=100000').join(' ');

export class Servers {
  /** build: the directory with the programs. */
  static async open(build) {
    const servers = new Servers();
    servers.build = path.resolve(build);
    servers.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-bench-'));
    servers.port = Number(process.env.PORT) || await freePorts(8);
    servers.peers = new Map();
    onEnd(() => {
      runNow(runScript, ['clean', '--quiet'], servers.#env());
      fs.rmSync(servers.dir, { recursive: true, force: true });
    });
    return servers;
  }

  // ---- the product ---------------------------------------------------------------------------------------------------

  #env(relays = 1, handoff = 1) {
    return { CHAGUAN_RUN: path.join(this.dir, 'r'), PORT: String(this.port), LISTEN: '127.0.0.1',
      RELAYS: String(relays), HANDOFF: String(handoff), ADDRESS_MAX: 65535, ADDRESS_RATE: 0, WORKERS: 0, CG_BIN: this.build, SETTINGS };
  }

  #script(...args) {
    return run(runScript, args, { env: this.#env(this.relays, this.handoff) });
  }

  /** Has the product run with so many relays. handoff 0: nginx proxies. */
  async product({ relays = 1, handoff = 1 } = {}) {
    if (this.relays === relays && this.handoff === handoff) return;
    if (this.relays) await this.#script('down');
    Object.assign(this, { relays, handoff });
    await this.#script('up');
    if (handoff && !fs.readFileSync(this.#file('nginx/nginx.conf'), 'utf8').includes('\nload_module'))
      console.log('! nginx has no module to hand sockets over: it proxies in every scenario');
  }

  /** Stops these parts of the product and starts them again: their memory is new then. A part may be an array: its name
   *  and what more it gets on its command line. */
  async renew(parts) {
    for (const [part, ...args] of parts.map((one) => [one].flat())) {
      await this.#script('stop', part);
      await this.#script('start', part, ...args);
    }
  }

  #file(name) {
    return path.join(this.dir, 'r', name);
  }

  #pid(part) {
    return Number(fs.readFileSync(this.#file(`${part}.pid`), 'utf8'));
  }

  /** The relays' own ports, for the first `count` of them or all. */
  #relayPorts(count = this.relays) {
    return Array.from({ length: count }, (_, i) => Number(fs.readFileSync(this.#file(`relay${i + 1}.port`), 'utf8')));
  }

  #relayPids() {
    return Array.from({ length: this.relays }, (_, i) => this.#pid(`relay${i + 1}`));
  }

  #stores() {
    return { mariadb: [this.#pid('mariadb')], redis: [this.#pid('redis')] };
  }

  /** The relays, reached directly or (through: 'nginx') by nginx; clients on `on` of them. */
  ours({ through, on } = {}) {
    const to = through === 'nginx' ? [this.port] : this.#relayPorts(on);
    return { to, http: this.port,
      pids: { server: this.#relayPids(), nginx: workersOf(this.#pid('nginx')), ...this.#stores() } };
  }

  /** The REST process behind nginx. */
  oursRest() {
    return { to: [this.port], http: this.port,
      pids: { server: [this.#pid('rest')], nginx: workersOf(this.#pid('nginx')), ...this.#stores() } };
  }

  /** Throws if a part of the product is no longer there. */
  async checkProduct() {
    await this.#script('status');
  }

  /** After something failed: stops everything, so that the next measure begins with servers that are new. */
  async recover() {
    await this.stopPeers();
    await this.#script('down').catch(() => {});
    this.relays = undefined;
  }

  /** The first column of what a statement finds, in the product's database or another one of the same server. */
  async sql(statement) {
    return (await this.#script('sql', '--batch', '--skip-column-names', '-e', statement)).trim().split('\n');
  }

  // ---- the peers -----------------------------------------------------------------------------------------------------

  /** Starts a peer unless it runs, and gives its target. */
  async peer(name, options = {}) {
    const key = `${name} ${JSON.stringify(options)}`;
    if (!this.peers.has(key)) this.peers.set(key, await PEERS[name](this, options));
    return this.peers.get(key).target;
  }

  /** Throws if a peer has ended by itself. */
  checkPeers() {
    for (const { services } of this.peers.values()) for (const service of services) service.check();
  }

  async stopPeers() {
    for (const { services } of this.peers.values()) for (const service of services) await service.stop();
    this.peers.clear();
  }

  async #startNode(script, { listen, gc = false, database = false }) {
    const env = { NODE_ENV: 'production', BENCH_LISTEN: String(listen), BENCH_REDIS: this.#file('redis.sock') };
    if (database) {
      await this.sql(`CREATE DATABASE IF NOT EXISTS ${PEERS_DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
        GRANT ALL ON ${PEERS_DATABASE}.* TO chaguan_app@localhost`);
      const [, password] = fs.readFileSync(this.#file('chaguan.conf'), 'utf8').match(/^db_password = (.*)$/m);
      Object.assign(env, { BENCH_DB: this.#file('mariadb.sock'), BENCH_DB_NAME: PEERS_DATABASE,
        BENCH_DB_USER: 'chaguan_app', BENCH_DB_PASSWORD: password });
    }
    const args = [...gc ? ['--expose-gc'] : [], path.join(peersDir, script)];
    const log = path.join(this.dir, `${script}.log`);
    return Service.start(script, process.execPath, args, { env, cwd: peersDir, log });
  }

  /** A private nginx with the configuration made of `template`. */
  async #startNginx(name, template, port, values) {
    const dir = path.join(this.dir, name);
    fs.mkdirSync(dir, { recursive: true });
    const all = { ...values, DIR: dir, PORT: port, USER: process.getuid() === 0 ? 'user root;' : '# (not root)' };
    const text = fs.readFileSync(path.join(peersDir, template), 'utf8');
    fs.writeFileSync(path.join(dir, 'nginx.conf'), text.replace(/@([A-Z]+)@/g, (whole, key) => all[key] ?? whole));
    const args = ['-e', path.join(dir, 'nginx.log'), '-c', path.join(dir, 'nginx.conf'), '-g', 'daemon off;'];
    const ready = async (service) => {
      await answers(port);
      while (!workersOf(service.pid).length) await answers(port);
    };
    return Service.start(name, nginxProgram(), args, { log: path.join(dir, 'nginx.log'), ready });
  }

  async bare() {
    const log = path.join(this.dir, 'bare.log');
    const service = await Service.start('bench-bare', path.join(this.build, 'bench-bare'), [], { log });
    return { services: [service], target: { to: [Number(service.firstLine)], pids: { server: [service.pid] } } };
  }

  async nchan({ workers = 1 }) {
    const module = NCHAN_MODULES.find((file) => fs.existsSync(file));
    if (!module) throw new Error('no nchan here: deploy/install-packages.sh bench');
    const port = this.port + workers;
    const values = { MODULE: module, WORKERS: workers };
    const service = await this.#startNginx(`nchan${workers}`, 'nchan.conf.in', port, values);
    return { services: [service], target: { to: [port], pids: { server: workersOf(service.pid) } } };
  }

  async node() {
    const port = this.port + 3;
    const service = await this.#startNode('chatroom.mjs', { listen: port, database: true });
    const pids = { server: [service.pid], mariadb: this.#stores().mariadb };
    return { services: [service], target: { to: [port], http: port, pids } };
  }

  async socketio({ gc }) {
    const port = this.port + (gc ? 6 : 4);
    const service = await this.#startNode('socketio.mjs', { listen: port, gc });
    const pids = { server: [service.pid], redis: this.#stores().redis };
    return { services: [service], target: { to: [port], pids } };
  }

  async express() {
    const socket = path.join(this.dir, 'express.sock'), port = this.port + 5;
    fs.rmSync(socket, { force: true });
    const node = await this.#startNode('rest.mjs', { listen: socket, database: true });
    const nginx = await this.#startNginx('express-front', 'express-front.conf.in', port, { SOCKET: socket });
    return { services: [nginx, node], target: { to: [port], http: port,
      pids: { server: [node.pid], nginx: workersOf(nginx.pid), mariadb: this.#stores().mariadb } } };
  }
}

const PEERS = {
  bare: (servers) => servers.bare(),
  nchan: (servers, options) => servers.nchan(options),
  node: (servers) => servers.node(),
  socketio: (servers, options) => servers.socketio(options),
  express: (servers) => servers.express(),
};

/** The worker processes of an nginx: none yet, if it has just begun. */
function workersOf(master) {
  return fs.readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

// Not in every user's PATH.
function nginxProgram() {
  return ['/usr/sbin/nginx', '/usr/local/sbin/nginx'].find((file) => fs.existsSync(file)) ?? 'nginx';
}
