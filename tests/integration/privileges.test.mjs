// Started by root, a run gives root up where it can, and says why where it cannot.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, enter, unique } from './lib/client.mjs';
import { Stack, bin, eventually, freePort, request, top } from './lib/stack.mjs';

/** The effective user and its groups of every process that works in a run directory: [{ name, uid, groups }]. */
function processesIn(dir) {
  const found = [];
  for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const cwd = fs.readlinkSync(`/proc/${pid}/cwd`);
      if (cwd !== dir && !cwd.startsWith(`${dir}/`)) continue;
      const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
      const field = (name) => status.match(new RegExp(`^${name}:\\s*(.*)$`, 'm'))[1].trim();
      found.push({ name: field('Name'), uids: field('Uid').split('\t').map(Number),
        gids: [...field('Gid').split('\t'), ...field('Groups').split(' ')].filter(Boolean).map(Number),
        capabilities: BigInt(`0x${field('CapPrm')}`) | BigInt(`0x${field('CapInh')}`) });
    } catch (error) {
      if (!['ENOENT', 'ESRCH', 'EACCES'].includes(error.code)) throw error; // it has ended, or is nobody's to look at
    }
  }
  return found;
}

const SERVERS = ['mariadbd', 'redis-server', 'chaguan-relay', 'chaguan-rest', 'chaguan-worker', 'nginx'];
const serversIn = (dir) => [...new Set(processesIn(dir).map((one) => one.name))].filter((name) =>
  SERVERS.some((server) => server.startsWith(name)));

/** By hand: `recursive` of Debian 12's Node takes a socket for a folder. */
function owners(dir, found = new Set()) {
  for (const name of fs.readdirSync(dir)) {
    const entry = fs.lstatSync(path.join(dir, name));
    found.add(entry.uid);
    if (entry.isDirectory()) owners(path.join(dir, name), found);
  }
  return found;
}

/** Where the checkout is in a folder of root's alone, a run keeps root, as the cases with such folders show. */
const reachable = () => [path.join(top, 'deploy/mariadb.cnf'), path.join(bin, 'chaguan-relay')].every((file) =>
  spawnSync('setpriv', ['--reuid=www-data', '--regid=www-data', '--clear-groups', 'test', '-r', file]).status === 0);
const skip = process.getuid() !== 0 ? 'only root has root to give up'
  : reachable() ? false : 'www-data cannot read this checkout';

describe('a run that root starts', { skip }, () => {
  let stack, kept;
  const removed = [];
  /** A stack whose run directory is `dir`, not up yet. */
  async function stackIn(dir, env = {}) {
    const one = new Stack();
    Object.assign(one, { dir, relays: 1, handoff: 1, addressRate: 2000, port: await freePort(), contents: new Set(), settings: {} });
    const given = one.env;
    Object.defineProperty(one, 'env', { get: () => ({ ...given, ...env }) });
    removed.push(one);
    return one;
  }
  async function talks(one) {
    const client = await Client.join(one, await enter(one, unique('room'), unique('nick')));
    await client.heard(client.say(unique('as whoever')));
    await client.close();
  }

  before(async () => {
    stack = await Stack.start();
    kept = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-'));
  });
  after(async () => {
    for (const one of removed) await one.remove();
    await stack?.remove();
    fs.rmSync(kept, { recursive: true, force: true });
  });

  it('no process of it is root or has a capability or one of root\'s groups, and nothing it writes is root\'s', async () => {
    await talks(stack);
    const processes = processesIn(stack.dir);
    assert.deepEqual(serversIn(stack.dir).length, SERVERS.length, JSON.stringify(processes.map((one) => one.name)));
    for (const { name, uids, gids, capabilities } of processes) {
      assert.ok(uids.every((uid) => uid === fs.statSync(stack.dir).uid && uid !== 0), `${name} is ${uids}`);
      assert.ok(!gids.includes(0), `${name} has groups ${gids}`);
      assert.equal(capabilities, 0n, name);
    }
    assert.ok(!owners(stack.dir).has(0));
  });

  it('root and what runs as root still have their way into the database and to every command', async () => {
    assert.match(await stack.must('sql', '-e', 'SELECT COUNT(*) FROM message'), /\d/);
    for (const name of ['relay1', 'rest', 'nginx']) await stack.reload(name);
    await stack.kill('relay1', 'KILL');
    await stack.startPart('relay1');
    await stack.stopPart('nginx');
    await stack.startPart('nginx');
    assert.equal((await stack.script('status')).code, 0);
    assert.ok(processesIn(stack.dir).every(({ uids }) => !uids.includes(0)));
    await talks(stack);
  });

  it('RUN_AS=root keeps root; the next one gives up what that has stored, and it is all there', async () => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-'));
    const asRoot = await stackIn(dir, { RUN_AS: 'root' });
    const first = await asRoot.script('up');
    assert.deepEqual([first.code, first.stderr], [0, '']);
    assert.ok(processesIn(dir).every(({ uids }) => uids[1] === 0));
    await talks(asRoot);
    await asRoot.must('down');
    const next = await stackIn(dir);
    const second = await next.script('up');
    assert.deepEqual([second.code, second.stderr], [0, '']);
    assert.ok(processesIn(dir).every(({ uids }) => !uids.includes(0)));
    assert.ok(!owners(dir).has(0));
    assert.ok(await next.count('SELECT COUNT(*) FROM message') > 0);
    await talks(next);
    await next.must('clean');
    assert.ok(!fs.existsSync(dir), 'clean deletes it, though the directory above is root\'s');
  });

  it('a run directory below one that is only root\'s: one line says so, and it comes up as root', async () => {
    const one = await stackIn(path.join(kept, 'run'));
    const up = await one.script('up');
    assert.equal(up.code, 0, up.stderr);
    const lines = up.stderr.trim().split('\n');
    assert.equal(lines.length, 1, up.stderr);
    assert.match(lines[0], /everything runs as root, not as www-data/);
    assert.ok(lines[0].includes(`${kept};`), lines[0]);
    await eventually(() => one.ready(), 'it to serve');
    assert.equal((await request(`${one.url}/`)).status, 200);
    await one.must('down');
  });

  it('a file that a setting names, and a port below 1024: said, and it is root that has them', async () => {
    const keys = path.join(kept, 'keys'), key = path.join(keys, 'key.pem');
    fs.mkdirSync(keys, { mode: 0o755 });
    fs.writeFileSync(key, 'none');
    const cases = [[{ SETTINGS: `log_level=info jwt_public_key=${key}` }, `it may not use ${key};`],
      [{ SETTINGS: `log_level=info app_keys=${keys}` }, `it may not use ${key};`],
      [{ PORT: '7' }, 'it may not listen on port 7;']];
    if (Number(fs.readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8')) <= 7) cases.pop();
    fs.chmodSync(kept, 0o755);
    fs.chmodSync(key, 0o600);
    for (const [env, why] of cases) {
      const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-'));
      // It ends before anything is started: what it says before that is what counts.
      const up = await (await stackIn(dir, { ...env, RELAYS: 'none' })).script('up');
      assert.ok(up.stderr.includes(`everything runs as root, not as www-data: ${why}`), up.stderr);
    }
    fs.chmodSync(key, 0o644); // a folder of keys that everybody may read, and only root write to, will do
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-'));
    const up = await (await stackIn(dir, { ...cases[1][0], RELAYS: 'none' })).script('up');
    assert.doesNotMatch(up.stderr, /runs as root/);
    fs.chmodSync(kept, 0o700);
  });

  it('an account that does not exist, and a directory with other things in it: said, and not given away', async () => {
    const one = await stackIn(path.join(kept, 'run'), { RUN_AS: 'no-such-account' });
    const up = await one.script('up');
    assert.equal(up.code, 0, up.stderr);
    assert.match(up.stderr, /not as no-such-account: there is no such account/);
    await one.must('clean');
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-'));
    fs.writeFileSync(path.join(dir, 'mine'), 'not a run\'s');
    const other = await stackIn(dir);
    const up2 = await other.script('up');
    assert.equal(up2.code, 0, up2.stderr);
    assert.match(up2.stderr, /holds files that are not of a run/);
    assert.deepEqual([...owners(dir)], [0]);
    await other.must('down');
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
