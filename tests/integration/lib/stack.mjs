// A whole Chaguan for one suite: private MariaDB, Redis, relays, REST and nginx in a run directory of its own, on a
// port of its own, started and stopped by deploy/run.sh, the way an administrator does it.
import { execFile, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import mysql from 'mysql2/promise';
import { request, post, eventually, DEADLINE_MS } from './http.mjs';

export const top = fileURLToPath(new URL('../../../', import.meta.url));
/** The programs are sanitized ones. These keep what was freed for a while, so how much memory they take says nothing. */
export const sanitized = Boolean(process.env.SANITIZER_REPORTS);
export const bin = path.resolve(process.env.CG_BIN ?? path.join(top, 'build'));
/** For a suite some of whose clients say more than one may, because something else is tested with it. */
export const NO_RATES = { rate_connection: 0, rate_connection_bytes: 0, rate_user: 0, rate_user_bytes: 0,
  rate_address: 0, rate_address_bytes: 0, rate_handshakes: 0, rate_creations: 0, rate_key: 0 };
const runScript = path.join(top, 'deploy', 'run.sh');

/** Runs a program to its end: {code, signal, stdout, stderr}; never throws for a failing program. */
export function run(program, args, { env = {}, timeout = 180_000, killSignal, cwd } = {}) {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env }, timeout, killSignal, cwd, maxBuffer: 64 << 20 };
    execFile(program, args, options, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? null) : 0, signal: error?.signal ?? null, stdout, stderr });
    });
  });
}

// Below the ports that the kernel gives to outgoing connections, so that none of those takes it in the meantime.
export async function freePort() {
  for (let tries = 0; tries < 200; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const free = await new Promise((resolve) => {
      const server = net.createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error('no free port');
}

const running = new Set();
function stopAll() {
  for (const stack of running) {
    spawnSync(runScript, ['down'], { env: { ...process.env, CHAGUAN_RUN: stack.dir } });
    stack.forget();
  }
}
process.once('exit', stopAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

export class Stack {
  closing = [];

  /** settings: rows of the settings table for all programs, or a function that makes them from the run directory. Debug
   *  logs by default: they must keep secrets, too. handoff: 0 has nginx proxy, whether its module is there or not.
   *  addressRate: requests a second that nginx takes of one address. workers: undefined as everybody has them. */
  static async start({ relays = 2, workers, settings = {}, handoff = process.env.HANDOFF ?? 1, addressRate = 2000 } = {}) {
    const stack = new Stack();
    stack.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-'));
    stack.relays = relays;
    stack.workers = workers;
    stack.handoff = handoff;
    stack.addressRate = settings.rate_handshakes === 0 ? 0 : addressRate;
    stack.port = await freePort();
    stack.contents = new Set();
    stack.settings = { log_level: 'debug', ...(typeof settings === 'function' ? settings(stack.dir) : settings) };
    running.add(stack);
    await stack.up();
    return stack;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get env() {
    const settings = Object.entries(this.settings).map(([name, value]) => `${name}=${value}`);
    const relays = this.relays === 2 ? {} : { RELAYS: String(this.relays) }; // what is the default is not said: users do not
    const workers = this.workers === undefined ? {} : { WORKERS: String(this.workers) };
    return { CHAGUAN_RUN: this.dir, PORT: String(this.port), ...relays, ...workers, CG_BIN: bin,
      HANDOFF: String(this.handoff), ADDRESS_RATE: String(this.addressRate), ROUND_TRIP: '0', // suites count rows
      SETTINGS: settings.join(' ') };
  }

  /** deploy/run.sh with this run's environment; its result as run() gives it. */
  script(...args) {
    return run(runScript, args, { env: this.env });
  }

  async must(...args) {
    const result = await this.script(...args);
    if (result.code !== 0) throw new Error(`run.sh ${args.join(' ')}: ${result.stderr || result.stdout}`);
    return result.stdout;
  }

  up() {
    return this.must('up');
  }

  /** name: mariadb, redis, relay1…, rest, nginx */
  startPart(name, ...args) {
    return this.must('start', name, ...args);
  }

  /** Orderly, and fails unless the part ended with status 0. */
  stopPart(name) {
    return this.must('stop', name);
  }

  kill(name, signal = 'KILL') {
    return this.must('kill', name, signal);
  }

  reload(name) {
    return this.must('reload', name);
  }

  file(name) {
    return path.join(this.dir, name);
  }

  read(name) {
    return fs.readFileSync(this.file(name), 'utf8');
  }

  /** What a test has put there becomes the servers': started by root, they run as another account. */
  async give(...names) {
    const { uid, gid } = fs.statSync(this.dir);
    const given = await run('chown', ['-hR', `${uid}:${gid}`, ...names.map((name) => this.file(name))]);
    assert.equal(given.code, 0, given.stderr);
  }

  /** Lets a part have so many descriptors from now on; undefined: as many as it may. Its owner does it, because root may
   *  be kept from another's limits. */
  async limitFiles(name, most) {
    const pid = this.pid(name);
    const { uid, gid } = fs.statSync(`/proc/${pid}`);
    const [, hard] = fs.readFileSync(`/proc/${pid}/limits`, 'latin1').match(/Max open files\s+\d+\s+(\d+)/);
    const owner = process.getuid() === uid ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
    const [program, ...args] = [...owner, 'prlimit', '--pid', String(pid), `--nofile=${most ?? hard}:${hard}`];
    const limited = await run(program, args);
    assert.equal(limited.code, 0, limited.stderr);
  }

  pid(name) {
    return Number(this.read(`${name}.pid`));
  }

  /** The exit status of the part's last life, or undefined while it lives. */
  exitStatus(name) {
    return fs.existsSync(this.file(`${name}.exit`)) ? Number(this.read(`${name}.exit`)) : undefined;
  }

  relayPort(n) {
    return Number(this.read(`relay${n}.port`));
  }

  /** The address of nginx (0) or directly of relay n. */
  wsUrl(n = 0) {
    return `ws://127.0.0.1:${n ? this.relayPort(n) : this.port}`;
  }

  config() {
    const pairs = this.read('chaguan.conf').split('\n').map((line) => line.match(/^(\w+) = (.*)$/)).filter(Boolean);
    return Object.fromEntries(pairs.map(([, name, value]) => [name, value]));
  }

  /** A call of the chatroom: {status, json, …}. */
  api(call, body, prefix = '/api') {
    return post(`${this.url}${prefix}/${call}`, body);
  }

  /** A connection to the database, of a client that is none of ours. */
  database() {
    const config = this.config();
    return mysql.createConnection({ socketPath: this.file(config.db_socket), user: config.db_user,
      password: config.db_password, database: config.db_name, charset: 'utf8mb4' });
  }

  /** An empty database beside it, and what to put behind the operator's command so that it uses that one. */
  async anotherDatabase(name) {
    const { uid, gid } = fs.statSync(this.dir);
    const { db_socket: socket, db_user: user } = this.config();
    const as = process.getuid() === uid ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
    const [program, ...args] = [...as, 'mariadb', '--no-defaults', `--socket=${this.file(socket)}`, '-e',
      `CREATE DATABASE ${name} CHARACTER SET utf8mb4; GRANT ALL ON ${name}.* TO ${user}@localhost`];
    const made = await run(program, args);
    assert.equal(made.code, 0, made.stderr);
    const there = ['--config', this.file(`${name}.conf`)];
    fs.writeFileSync(there[1], this.read('chaguan.conf').replace(/^db_name = .*$/gm, '') + `\ndb_name = ${name}\n`);
    const migrated = await this.chaguan('migrate', ...there);
    assert.equal(migrated.code, 0, migrated.stderr);
    return there;
  }

  /** Rows of an SQL text. */
  async sql(text, values = []) {
    const connection = await this.database();
    try {
      return (await connection.query(text, values))[0];
    } finally {
      await connection.end();
    }
  }

  async count(text, values) {
    return Number(Object.values((await this.sql(text, values))[0])[0]);
  }

  /** The counters of 'rest', 'relayN' or 'workerN', without their prefix. */
  async metrics(name) {
    const answer = await (name === 'rest' ? request(`${this.url}/metrics`)
      : name.startsWith('worker') ? this.askWorker(name, '/metrics')
        : request(`http://127.0.0.1:${this.relayPort(name.slice(5))}/metrics`));
    assert.equal(answer.status, 200, `${name}'s metrics`);
    const lines = [...answer.text.matchAll(/^chaguan_(\w+)(?:\{[^}]*\})? (\S+)$/gm)];
    return Object.fromEntries(lines.map(([, metric, value]) => [metric, Number(value)]));
  }

  askWorker(name, page) {
    return request(`http://localhost${page}`, { socketPath: this.file(`${name}.sock`) });
  }

  async metric(name, metric) {
    const value = (await this.metrics(name))[metric];
    assert.notEqual(value, undefined, `${name} has no metric ${metric}`);
    return value;
  }

  /** A metric summed over all relays. */
  async relayMetric(metric) {
    let sum = 0;
    for (let n = 1; n <= this.relays; n++) sum += await this.metric(`relay${n}`, metric);
    return sum;
  }

  /** Runs `act` and waits until the sum over the relays has grown by `by` at least. */
  async counts(metric, act, by = 1) {
    const before = await this.relayMetric(metric);
    const result = await act();
    await eventually(async () => (await this.relayMetric(metric)) >= before + by, `${metric} to grow by ${by}`);
    return result;
  }

  /** What Redis answers to a command, by a client that is none of ours: its lines. */
  async redis(...args) {
    const answer = await run('redis-cli', ['-s', this.file('redis.sock'), ...args]);
    if (answer.code !== 0) throw new Error(`redis-cli ${args[0]}: ${answer.stderr}`);
    return answer.stdout.split('\n').filter(Boolean);
  }

  async ready(page = '/readyz') {
    return (await request(`${this.url}${page}`)).status === 200;
  }

  /** The operator's command. */
  chaguan(...args) {
    const config = args.includes('--config') ? [] : ['--config', this.file('chaguan.conf')];
    return run(path.join(bin, 'chaguan'), [...args, ...config]);
  }

  /** A message's content, a password, an account: what must not appear in any log. */
  keepSecret(content) {
    if (typeof content === 'string' && content.length >= 8) this.contents.add(content);
    return content;
  }

  logs() {
    const names = fs.readdirSync(this.dir).filter((name) => /\.log(\.\d+)?$/.test(name));
    return Object.fromEntries(names.map((name) => [name, this.read(name)]));
  }

  /**
   * What holds after every suite, whatever it did: the numbers in the database are whole, every part ends in an orderly
   * way, and the logs hold no message, no id that works as a credential, no token and no sanitizer's finding.
   */
  async checkAndStop() {
    const check = await this.chaguan('check');
    assert.equal(check.code, 0, `chaguan check: ${check.stdout}${check.stderr}`);
    const down = await this.script('down');
    const ends = Object.entries(this.logs()).filter(([name]) => down.stderr.includes(`/${name}`))
      .map(([name, text]) => `${name} ends:\n${text.slice(-2000)}`);
    assert.equal(down.code, 0, `run.sh down: ${down.stderr}${ends.join('\n')}`);
    for (const [name, text] of Object.entries(this.logs())) {
      const finding = text.match(/^.*(AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|assertion).*$/m);
      assert.equal(finding, null, `${name}: ${finding && text.slice(finding.index, finding.index + 4000)}`);
      const id = text.match(/\b(room|user|friend|space|session)_[0-9a-f]{32}|\beyJ[\w-]{10,}\.[\w-]+\./);
      assert.equal(id, null, `${name} shows a credential: ${id && lineAround(text, id.index)}`);
      for (const content of this.contents) {
        const at = text.indexOf(content);
        assert.equal(at, -1, `${name} shows a secret: ${at >= 0 && lineAround(text, at)}`);
      }
    }
    const left = fs.readdirSync(this.dir).filter((name) => /\.(pid|keeper)$/.test(name));
    assert.deepEqual(left, [], 'a stopped run leaves no pid files');
  }

  /** Ends what still runs and deletes everything; CG_KEEP=1 keeps the directory to look at. */
  /** What would keep this process alive, or go on trying, once the stack is gone. */
  atEnd(close) {
    this.closing.push(close);
  }

  async remove() {
    for (const close of this.closing) close();
    await this.script('down');
    this.forget();
  }

  forget() {
    running.delete(this);
    if (process.env.CG_KEEP) console.error(`kept ${this.dir}`);
    else fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

function lineAround(text, at) {
  const end = text.indexOf('\n', at);
  return text.slice(text.lastIndexOf('\n', at) + 1, end < 0 ? undefined : end);
}

export { request, post, eventually, DEADLINE_MS };
