// Redis servers and sentinels of a test's own, beside the one that every stack has.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { eventually } from './http.mjs';
import { freePort, run } from './stack.mjs';

const running = new Set();
process.once('exit', () => running.forEach((server) => server.child?.kill('SIGKILL')));

export const password = 'the-password-of-the-test';
export const sentinelPassword = 'another-password';

/** A redis-server: on a port of its own, or on a Unix socket. It keeps nothing on disk. */
export class RedisServer {
  static async start(dir, name, { socket = false, args = [] } = {}) {
    const server = new RedisServer();
    Object.assign(server, { dir, name, port: socket ? 0 : await freePort(),
      socket: socket ? path.join(dir, `${name}.sock`) : '', args });
    await server.up();
    return server;
  }

  /** As it stands in the settings and on /readyz. */
  get at() {
    return this.socket || `127.0.0.1:${this.port}`;
  }

  get command() {
    const where = this.socket ? ['--port', '0', '--unixsocket', this.socket, '--unixsocketperm', '777']
      : ['--port', String(this.port), '--bind', '127.0.0.1'];
    return [...where, '--save', '', '--appendonly', 'no', '--dir', this.dir, '--logfile', `${this.name}.log`,
      '--repl-diskless-sync-delay', '0', ...this.args];
  }

  async up(...args) {
    this.child = spawn('redis-server', [...this.command, ...args], { stdio: 'ignore', cwd: this.dir });
    running.add(this);
    await eventually(async () => (await this.ask('PING'))[0] === 'PONG', `${this.name} to answer`);
  }

  async end(signal = 'SIGKILL') {
    running.delete(this);
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGCONT');
    this.child.kill(signal);
    await gone;
  }

  get login() {
    return [];
  }

  /** What it answers: lines, empty ones too, as redis-cli prints them. */
  async ask(...args) {
    const where = this.socket ? ['-s', this.socket] : ['-h', '127.0.0.1', '-p', String(this.port)];
    return (await run('redis-cli', [...where, ...this.login, '--no-auth-warning', ...args])).stdout.split('\n')
      .filter(Boolean);
  }
}

/** One that wants a password, from its replicas too. */
export class GuardedServer extends RedisServer {
  static async start(dir, name, args = []) {
    const server = new GuardedServer();
    Object.assign(server, { dir, name, port: await freePort(), socket: '' });
    server.args = ['--requirepass', password, '--masterauth', password, ...args];
    await server.up();
    return server;
  }

  get login() {
    return ['-a', password];
  }
}

export class Sentinel extends RedisServer {
  static async start(dir, name, master, quorum) {
    const server = new Sentinel();
    Object.assign(server, { dir, name, port: await freePort(), socket: '' });
    fs.writeFileSync(path.join(dir, `${name}.conf`), [
      `port ${server.port}`, 'bind 127.0.0.1', `dir ${dir}`, `logfile ${name}.log`, `requirepass ${sentinelPassword}`,
      `sentinel sentinel-pass ${sentinelPassword}`,
      `sentinel monitor mymaster 127.0.0.1 ${master.port} ${quorum}`, `sentinel auth-pass mymaster "${password}"`,
      'sentinel down-after-milliseconds mymaster 400', 'sentinel failover-timeout mymaster 2000', ''].join('\n'));
    await server.up();
    // else it looks at replicas every ten seconds
    await server.ask('SENTINEL', 'DEBUG', 'info-period', '300', 'publish-period', '300');
    return server;
  }

  get command() {
    return [path.join(this.dir, `${this.name}.conf`), '--sentinel'];
  }

  get login() {
    return ['-a', sentinelPassword];
  }

  /** The port of the master, as this sentinel knows it. */
  async master() {
    return Number((await this.ask('SENTINEL', 'get-master-addr-by-name', 'mymaster'))[1]);
  }

  /** It knows of so many replicas that it could promote, and of so many other sentinels. */
  async knows(replicas, sentinels) {
    const lines = await this.ask('SENTINEL', 'master', 'mymaster');
    const value = (name) => Number(lines[lines.indexOf(name) + 1]);
    return value('num-slaves') === replicas && value('num-other-sentinels') === sentinels;
  }
}

export function redisDir() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-redis-'));
  fs.chmodSync(dir, 0o755); // started by root, a run's servers are another account's
  return dir;
}
