// Programs that the benchmark starts: each is ended when the benchmark ends, however it ends.
import { execFile, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';

const READY_MS = 60_000, STOP_MS = 10_000;
const alive = new Set();
const atEnd = [];

/** Runs a program to its end; its standard output. Throws with what it said if it fails. */
export function run(program, args, { env = {}, input } = {}) {
  return new Promise((resolve, reject) => {
    const options = { env: { ...process.env, ...env }, maxBuffer: 64 << 20 };
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} ${args.join(' ')}: ${(stderr || stdout || error.message).trim()}`));
      else resolve(stdout);
    });
    child.stdin.end(input);
  });
}

/** A program of the benchmark's own that serves until it is stopped. What it says on standard error goes to a log. */
export class Service {
  /** ready: makes a promise of its being ready, or nothing if its first line on standard output says that it is. */
  static async start(name, program, args, { log, env = {}, cwd, ready } = {}) {
    const service = new Service();
    Object.assign(service, { name, log });
    const errors = fs.openSync(log, 'a');
    // In a process group of its own, so that Ctrl-C leaves the order of ending to us. Its standard input tells it of
    // our end.
    service.child = spawn(program, args, { env: { ...process.env, ...env }, cwd, detached: true,
      stdio: ['pipe', 'pipe', errors] });
    fs.closeSync(errors);
    alive.add(service);
    service.ended = new Promise((resolve) => {
      service.child.once('error', resolve);
      service.child.once('exit', (code, signal) => {
        resolve(new Error(`${name} ended with ${signal ?? `status ${code}`}`));
      });
    });
    service.ended.then((why) => { alive.delete(service); service.why = why; });
    service.firstLine = await service.#within(ready ? ready(service) : service.#line());
    return service;
  }

  get pid() {
    return this.child.pid;
  }

  #line() {
    return new Promise((resolve) => {
      let text = '';
      this.child.stdout.on('data', (data) => {
        text += data;
        if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
      });
    });
  }

  async #within(promise) {
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, READY_MS, new Error(`${this.name} was not ready in time`));
    });
    const result = await Promise.race([promise, this.ended, late]);
    clearTimeout(timer);
    if (!(result instanceof Error)) return result;
    await this.stop();
    throw new Error(`${result.message}; the end of its log:\n${fs.readFileSync(this.log, 'utf8').slice(-2000)}`);
  }

  /** Throws if it has ended by itself. */
  check() {
    if (this.why) throw this.why;
  }

  async stop() {
    if (this.why) return;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS);
    await this.ended;
    clearTimeout(timer);
  }
}

/** Resolves when the port of 127.0.0.1 takes connections. */
export async function answers(port) {
  for (;;) {
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

/** The first of `count` consecutive ports that nobody listens on, below those that the kernel gives to outgoing
 *  connections. */
export async function freePorts(count) {
  for (let tries = 0; tries < 200; tries++) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const free = await Promise.all(Array.from({ length: count }, (_, i) => new Promise((resolve) => {
      const server = net.createServer();
      server.once('error', () => resolve(false));
      server.listen(first + i, '127.0.0.1', () => server.close(() => resolve(true)));
    })));
    if (free.every(Boolean)) return first;
  }
  throw new Error('no free ports');
}

/** Done when the benchmark ends, the last first; must not wait for promises. */
export function onEnd(action) {
  atEnd.unshift(action);
}

/** Runs a program to its end without giving anything else a turn: for onEnd. */
export function runNow(program, args, env = {}) {
  spawnSync(program, args, { env: { ...process.env, ...env }, stdio: 'ignore' });
}

process.once('exit', () => {
  for (const service of alive) service.child.kill('SIGTERM');
  for (const action of atEnd) action();
});
for (const [signal, number] of [['SIGINT', 2], ['SIGTERM', 15], ['SIGHUP', 1]])
  process.once(signal, () => process.exit(128 + number));
