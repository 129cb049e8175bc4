// More MariaDB servers beside a run's own: replicas and nodes of a cluster, each with a directory of its own inside the
// run directory, reached by a Unix socket and (for one another) by a port on loopback.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import assert from 'node:assert/strict';
import { eventually, freePort, run, top } from './stack.mjs';

const lib = path.join(top, 'tests', 'integration', 'lib'); // for the nodes' state transfer
const started = new Set();
process.once('exit', () => { for (const server of started) server.child?.kill('SIGKILL'); });

/** The statements' result as lines of tab-separated columns. */
async function ask(socket, text) {
  const answer = await run('mariadb', ['--no-defaults', `--socket=${socket}`, '--batch', '--skip-column-names',
    'chaguan', '-e', text]);
  if (answer.code !== 0) throw new Error(`${text.slice(0, 60)}: ${answer.stderr}`);
  return answer.stdout.split('\n').filter(Boolean);
}

class Server {
  sql(text) {
    return ask(this.socket, text);
  }

  async one(text) {
    return (await this.sql(text))[0];
  }

  /** What a server that replicates needs on its command line. */
  args(id) {
    return ['--skip-networking=0', '--bind-address=127.0.0.1', `--port=${this.port}`, `--server-id=${id}`,
      '--log-bin=binlog',
      '--log-slave-updates', '--sync-binlog=1', '--binlog-format=ROW', '--rpl-semi-sync-master-wait-point=AFTER_SYNC',
      '--binlog-expire-logs-seconds=0', '--rpl-semi-sync-slave-enabled=1', '--rpl-semi-sync-master-timeout=600000'];
  }

  /** From now on it takes what the other commits, and takes no writes from anybody else. */
  async follow(primary) {
    await this.sql('SET GLOBAL read_only = 1, rpl_semi_sync_master_enabled = 0');
    if (!(await this.one('SELECT @@GLOBAL.gtid_slave_pos'))) // a copy is where its original was
      await this.sql('SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_binlog_pos');
    await this.sql(`CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${primary.port}, MASTER_USER = 'follower',
      MASTER_PASSWORD = 'follower', MASTER_USE_GTID = current_pos; START SLAVE`);
    await eventually(async () =>
      (await primary.one(`SHOW STATUS LIKE 'Rpl_semi_sync_master_clients'`))?.endsWith('\t1'),
      'the replica to follow');
    await primary.sql('SET GLOBAL rpl_semi_sync_master_enabled = 1');
  }

  /** Applies all that it has received, and takes writes from now on. */
  async promote() {
    await this.sql('STOP SLAVE IO_THREAD');
    const status = await run('mariadb', ['--no-defaults', `--socket=${this.socket}`, '-e', 'SHOW SLAVE STATUS\\G']);
    const received = status.stdout.match(/Gtid_IO_Pos: (.*)/)[1];
    assert.equal(await this.one(`SELECT MASTER_GTID_WAIT('${received}', 30)`), '0', 'all that was received is applied');
    await this.sql('STOP SLAVE; SET GLOBAL read_only = 0');
  }

  /** Its own last transaction. */
  position() {
    return this.one('SELECT @@GLOBAL.gtid_binlog_pos');
  }
}

/** The MariaDB that run.sh starts and stops. */
export class Own extends Server {
  static async of(stack) {
    const server = new Own();
    Object.assign(server, { stack, name: 'mariadb', dir: stack.file('mariadb'), socket: stack.file('mariadb.sock'),
      port: await freePort() });
    return server;
  }

  start(...args) {
    return this.stack.startPart('mariadb', ...args);
  }

  kill() {
    return this.stack.kill('mariadb', 'KILL');
  }

  stop() {
    return this.stack.stopPart('mariadb');
  }
}

export class Copy extends Server {
  /** Of a server that is stopped. */
  static async of(own, name) { // `own`: an Own or another Copy
    const server = new Copy();
    const dir = own.stack.file(name);
    fs.mkdirSync(path.join(dir, 'tmp'), { recursive: true });
    fs.cpSync(own.dir, path.join(dir, 'data'), { recursive: true });
    Object.assign(server, { stack: own.stack, name, home: dir, dir: path.join(dir, 'data'),
      socket: own.stack.file(`${name}.sock`), port: await freePort() });
    return server;
  }

  async start(...args) {
    const log = fs.openSync(this.stack.file(`${this.name}.log`), 'a');
    const user = process.getuid() === 0 ? ['--user=root'] : [];
    this.child = spawn('mariadbd', [`--defaults-file=${path.join(top, 'deploy', 'mariadb.cnf')}`, ...user,
      `--datadir=${this.dir}`, `--tmpdir=${path.join(this.home, 'tmp')}`, `--socket=${this.socket}`,
      `--pid-file=${path.join(this.home, 'pid')}`, ...args],
    { stdio: ['ignore', log, log], env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin:${lib}` } });
    fs.closeSync(log);
    this.ended = once(this.child, 'exit');
    started.add(this);
    const hasEnded = () => this.child.exitCode !== null || this.child.signalCode !== null;
    await eventually(() => hasEnded() || ask(this.socket, 'SELECT 1'), `${this.name} to start`);
    assert.ok(!hasEnded(), `${this.name} ended: ${this.stack.read(`${this.name}.log`).slice(-2000)}`);
  }

  async end(signal) {
    if (!this.child) return;
    this.child.kill(signal);
    await this.ended;
    started.delete(this);
    this.child = undefined;
  }

  kill() {
    return this.end('SIGKILL');
  }

  stop() {
    return this.end('SIGTERM');
  }
}

/** The next thing a client of the chatroom hears about what it said: 'heard' or the code of an error event. */
function outcome(client, content) {
  return client.until(() => {
    if (client.said.includes(content)) return 'heard';
    const codes = client.events.filter((event) => event.type === 'error').map((event) => event.data.code);
    return codes.length > client.answered ? codes[client.answered++] : undefined;
  }, 'an answer to a message');
}

/** Clients that say one thing after the other until stopped, and remember what they were told about each. */
export class Talk {
  constructor(clients, say) {
    this.fates = new Map();
    this.going = true;
    for (const client of clients) client.answered = client.events.filter((event) => event.type === 'error').length;
    this.heard = clients.map(() => 0);
    this.talks = clients.map(async (client, i) => {
      while (this.going) {
        const content = client.say(say());
        const fate = await outcome(client, content);
        this.fates.set(content, fate);
        if (fate === 'heard') this.heard[i]++;
      }
    });
  }

  count(fate) {
    return [...this.fates.values()].filter((told) => told === fate).length;
  }

  /** Until `more` further messages were heard, and some of each client, whose relay may be the last to recover. */
  async goesOn(more) {
    const before = [...this.heard];
    const sum = (counts) => counts.reduce((a, b) => a + b);
    await eventually(() => sum(this.heard) >= sum(before) + more && this.heard.every((count, i) => count > before[i]),
      `${more} more messages to be heard`);
  }

  /** Until `more` further ones were refused. */
  async isRefused(more) {
    const before = this.count('unavailable');
    await eventually(() => this.count('unavailable') >= before + more, `${more} more messages to be refused`);
  }

  async stop() {
    this.going = false;
    await Promise.all(this.talks);
  }

  /** What was heard is stored once, what was refused is not, what is unknown is so at most once. */
  async check(server) {
    const rows = new Map();
    for (const content of await server.sql('SELECT content FROM message'))
      rows.set(content, (rows.get(content) ?? 0) + 1);
    for (const [content, told] of this.fates) {
      const stored = rows.get(content) ?? 0;
      if (told === 'heard') assert.equal(stored, 1, `what was heard is stored once, not ${stored} times`);
      else if (told === 'unknown') assert.ok(stored <= 1, 'what is unknown is not stored twice');
      else assert.deepEqual([['unavailable', 'busy'].includes(told), stored], [true, 0], `${told}: it is not stored`);
    }
  }
}
