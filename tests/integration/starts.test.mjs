// What a start checks, --check-config checks: each wrong setting is named by both, with the same line, and neither wants
// another try; a server that is not there yet is waited for.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, enter, unique } from './lib/client.mjs';
import { Player, claimsOf, login, makeToken, newSpace, read, settle } from './lib/spaces.mjs';
import { Stack, bin, eventually, request, run, top } from './lib/stack.mjs';

const SERVERS = ['relay', 'rest', 'worker'];
const program = (name) => path.join(bin, `chaguan-${name}`);
const args = (sets) => Object.entries(sets).flatMap(([name, value]) => ['--set', `${name}=${value}`]);

/** A program that goes on: what it has said so far, and its end. */
function begin(name, sets, more = [], wrap = null, env = {}) {
  const list = [...more, ...args(sets)];
  const child = spawn(wrap ? 'sh' : program(name), wrap ? wrap(list) : list, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
  const begun = { child, said: '', ended: null };
  child.stderr.on('data', (text) => { begun.said += text; });
  begun.end = new Promise((resolve) => child.on('close', (code, signal) => resolve(begun.ended = { code, signal })));
  return begun;
}

describe('a wrong setting', () => {
  let dir, nowhere;
  before(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-'));
    nowhere = { run: dir, db_socket: 'no-database.sock', redis_socket: 'no-redis.sock', log_file: 'program.log' };
    const pem = (name, type, options) => fs.writeFileSync(path.join(dir, name),
      generateKeyPairSync(type, options).publicKey.export({ type: 'spki', format: 'pem' }));
    pem('weak.pem', 'rsa', { modulusLength: 1024 });
    fs.writeFileSync(path.join(dir, 'a-file'), 'tea\n');
    for (const folder of ['no-keys', 'same-key', 'short-key', 'a-folder']) fs.mkdirSync(path.join(dir, folder));
    fs.writeFileSync(path.join(dir, 'same-key/a.secret'), 's'.repeat(40));
    fs.writeFileSync(path.join(dir, 'short-key/a.secret'), 'short');
    fs.writeFileSync(path.join(dir, 'set.json'), '{"keys":[]}');
  });
  after(() => fs.rmSync(dir, { recursive: true, force: true }));

  /** Both must refuse it with status 2 and one line, which is the same and begins with the setting's name. */
  const refusedByBoth = async (name, sets, line, wrap = (command, list) => [command, list]) => {
    const said = [];
    for (const mode of [['--check-config'], []]) {
      const [command, list] = wrap(program(name), [...mode, ...args({ ...nowhere, ...sets })]);
      const { code, stderr } = await run(command, list, { timeout: 30_000 });
      assert.equal(code, 2, `${name} ${mode} ${JSON.stringify(sets)}: ${code} ${stderr}`);
      said.push(stderr);
    }
    assert.equal(said[0], said[1]);
    assert.match(said[0], line);
    assert.ok(said[0].startsWith(`chaguan-${name}: `) && said[0].trim().split('\n').length === 1, said[0]);
  };

  const file = (setting) => [
    [{ [setting]: 'no-folder/x' }, new RegExp(`: ${setting}: \\S+no-folder: No such file`)],
    [{ [setting]: 'a-file/x' }, new RegExp(`: ${setting}: \\S+: Not a directory`)],
    [{ [setting]: 'a-folder' }, new RegExp(`: ${setting}: \\S+a-folder: Is a directory`)]];
  const socket = (setting) => [
    [{ [setting]: 'no-folder/x' }, new RegExp(`: ${setting}: \\S+no-folder: No such file`)],
    [{ [setting]: 'a-file/x' }, new RegExp(`: ${setting}: \\S+: Not a directory`)],
    [{ [setting]: 'a-file' }, new RegExp(`: ${setting}: \\S+a-file: something else than a socket`)]];
  const folder = (setting, more = {}) => [
    [{ ...more, [setting]: 'no-folder/x' }, new RegExp(`: ${setting}: \\S+no-folder: No such file`)],
    [{ ...more, [setting]: 'a-file' }, new RegExp(`: ${setting}: \\S+a-file: Not a directory`)]];
  const all = [
    [{ redis_addresses: '10.0.0.1' }, /: redis_addresses takes/],
    [{ redis_addresses: 'a:1', redis_sentinels: 'b:2' }, /: redis_addresses takes nothing while/],
    [{ redis_sentinels: 'tea' }, /: redis_sentinels takes/],
    [{ redis_sentinels: 'a:1', redis_master: '' }, /redis_master takes/],
    [{ db_addresses: 'a:0' }, /: db_addresses takes/],
    [{ db_socket: `/${'x'.repeat(120)}` }, /db_socket/],
    [{ name: 'tea house' }, /: name takes/],
    [{ outbox_bytes: '64k' }, /: outbox_bytes must/],
    [{ room_log_bytes: '128k', max_message_bytes: '64k' }, /: room_log_bytes must/],
    [{ create: 'guest' }, /: create is one of keys\|users/],
    [{ doors: 'shut' }, /: doors is one of/],
    [{ signup: 'maybe' }, /: signup is one of/],
    ...file('log_file'), ...file('pid_file')];
  const keys = [
    [{ jwt_secret: 'short' }, /: jwt_secret: has 5 bytes, at least 32/],
    [{ jwt_public_key: 'no.pem' }, /: jwt_public_key: cannot read/],
    [{ jwt_public_key: 'a-file' }, /: jwt_public_key: \S+ holds no RSA/],
    [{ jwt_public_key: 'weak.pem' }, /: jwt_public_key: the key in \S+ has 1024 bits/],
    [{ app_keys: 'no-folder' }, /: app_keys: /], [{ app_keys: 'a-file' }, /: app_keys: /],
    [{ app_keys: 'short-key' }, /: app_keys: /],
    [{ app_keys: 'same-key', jwt_secret: 's'.repeat(40) }, /: app_keys: a key is the same as jwt_secret/],
    [{ app_jwks_file: 'a-file' }, /: app_jwks_file: /], [{ app_jwks_file: 'set.json' }, /: app_jwks_file: /],
    [{ app_jwks_file: 'no.json' }, /: app_jwks_file: /],
    [{ app_jwks_url: 'ftp://keys.example' }, /: app_jwks_url: /]];
  const pages = [
    ...['https://chat.example/', 'chat.example', 'https://', '://x', 'https://chat.example:', 'https://chat.example:8x',
      'https://a.example, https://b.example/page', 'https://*.example'].map((origins) => [{ origins }, /: origins: \S+ is not of the form/]),
    ...['https://chat.example', 'chat.example:80', '*.example', 'chat.example/x'].map((names) =>
      [{ server_names: names }, /: server_names: \S+ is not a name/])];
  const cases = {
    relay: [...all, ...keys, ...pages, ...file('port_file'), ...socket('listen_socket'),
      [{ listen_host: 'nohost0' }, /: listen_host: there is no address or interface nohost0/],
      [{ advertise: 'chat.example' }, /: advertise: chat\.example is not HOST:PORT/],
      [{ io_app: 'tea' }, /: io_app: there is no application tea/],
      ...['news', '/a,/a', '/a b', '/', '/a?x=1'].map((spaces) => [{ io_namespaces: spaces }, /: io_namespaces: /])],
    rest: [...all, ...keys, ...pages, ...socket('rest_socket'), ...folder('media_dir'),
      [{ admin_token: 'fifteen-letters' }, /: admin_token: has 15 bytes, at least 16/],
      [{ thumbnail_program: 'no-program' }, /: thumbnail_program: \S+no-program: No such file/],
      [{ thumbnail_program: 'a-file' }, /: thumbnail_program: \S+a-file: Permission denied/]],
    worker: [...all, ...socket('worker_socket'), ...folder('search_dir', { feed: 'on', search: 'on' }),
      [{ search: 'on' }, /: search = on needs feed = on/]],
  };

  for (const name of SERVERS) {
    it(`of chaguan-${name} is named by the check and the start in the same words: ${cases[name].length} of them`, async () => {
      for (const [sets, line] of cases[name]) await refusedByBoth(name, sets, line);
    });

    it(`chaguan-${name}: too few open files are refused, and a folder that its account may not write to`, async () => {
      await refusedByBoth(name, {}, /: the limit on open files is 100, more than 128 are needed/,
        (command, list) => ['sh', ['-c', 'ulimit -n 100; exec "$@"', 'sh', command, ...list]]);
      if (name === 'rest')
        await refusedByBoth(name, { rest_threads: 200 }, /: rest_threads: 200 need 600 open files, and the limit, 400, allows 272/,
          (command, list) => ['sh', ['-c', 'ulimit -n 400; exec "$@"', 'sh', command, ...list]]);
      const shut = path.join(dir, 'shut');
      fs.mkdirSync(shut, { recursive: true });
      fs.chmodSync(shut, 0o555);
      fs.chmodSync(dir, 0o755);
      const asNobody = (command, list) => process.getuid() ? [command, list]
        : ['setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', command, ...list]];
      const setting = { relay: 'listen_socket', rest: 'rest_socket', worker: 'worker_socket' }[name];
      await refusedByBoth(name, { [setting]: 'shut/x', log_file: '', media_dir: '/tmp' },
        new RegExp(`: ${setting}: \\S+shut: Permission denied`), asNobody);
    });

    it(`chaguan-${name}: without servers the check says so, and that the settings are right`, async () => {
      const { code, stdout, stderr } = await run(program(name), ['--check-config', ...args(nowhere)]);
      assert.deepEqual([code, stderr], [0, '']);
      const lines = stdout.trimEnd().split('\n');
      assert.match(lines[0], /: database at \S+no-database\.sock: cannot use the database: /);
      if (name !== 'worker') assert.match(lines[1], /: Redis at \S+no-redis\.sock: cannot be used: /);
      assert.deepEqual(lines.slice(name === 'worker' ? 1 : 2), [`chaguan-${name}: the settings are right`]);
    });

    it(`chaguan-${name} waits for a database that is not there, says so, and ends cleanly when told to`, async () => {
      const begun = begin(name, { ...nowhere, log_file: '', pid_file: `${name}.pid` });
      await eventually(() => /event=start\.waiting msg="cannot use the database: /.test(begun.said), 'the program to wait');
      assert.equal(begun.ended, null);
      assert.ok(!fs.existsSync(path.join(dir, `${name}.pid`)));
      begun.child.kill('SIGTERM');
      assert.deepEqual(await begun.end, { code: 0, signal: null });
    });
  }

  it('is none of these', async () => {
    for (const sets of [{ origins: '*' }, { origins: 'null' }, { server_names: '*' }, { advertise: '10.0.0.7:7001' },
      { origins: 'https://chat.example, http://localhost:3000,http://[::1]:8080, chrome-extension://abcdef, weapp://tea' },
      { server_names: 'chat.example, tea.local' }, { io_namespaces: '/a,/b' }, { create: 'users' }]) {
      const { code, stderr } = await run(program('relay'), ['--check-config', ...args({ ...nowhere, ...sets })]);
      assert.deepEqual([code, stderr], [0, ''], JSON.stringify(sets));
    }
  });

  it('more connections than files allow are a warning of both', async () => {
    const few = (list) => ['-c', 'ulimit -n 400; exec "$@"', 'sh', program('relay'), ...list];
    const line = /max_connections is 15000, and the limit on open files, 400, allows 272 /;
    const check = await run('sh', few(['--check-config', ...args(nowhere)]));
    assert.equal(check.code, 0);
    assert.match(check.stderr, new RegExp(`^chaguan-relay: warning: ${line.source}`));
    const begun = begin('relay', { ...nowhere, log_file: '' }, [], few);
    await eventually(() => /event=start\.waiting/.test(begun.said), 'the relay to wait');
    begun.child.kill('SIGTERM');
    await begun.end;
    assert.match(begun.said, line);
  });
});

describe('under systemd', () => {
  let dir;
  before(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-'));
  });
  after(() => fs.rmSync(dir, { recursive: true, force: true }));

  const installed = spawnSync('systemd-analyze', ['--version']).status === 0;
  it('the units are right, each restarts but for a wrong setting, and is never given up', { skip: !installed && 'no systemd-analyze' }, async () => {
    const from = path.join(top, 'deploy/systemd'), units = fs.readdirSync(from).filter((name) => /\.(service|target|timer)$/.test(name));
    assert.ok(units.length > 5);
    const makefile = fs.readFileSync(path.join(top, 'Makefile'), 'utf8');
    for (const unit of units) {
      assert.ok(makefile.includes(unit), `${unit} is installed`);
      const text = fs.readFileSync(path.join(from, unit), 'utf8').replaceAll('@bindir@', bin).replaceAll('@datadir@', top)
        .replaceAll('@sysconfdir@', dir).replaceAll('@rundir@', dir).replaceAll('@statedir@', dir);
      assert.doesNotMatch(text, /@[a-z]+@/);
      fs.writeFileSync(path.join(dir, unit), text);
      if (!text.includes('Type=notify')) continue;
      for (const line of ['Restart=on-failure', 'RestartPreventExitStatus=2', 'StartLimitIntervalSec=0', 'TimeoutStartSec=infinity', 'PartOf=chaguan.target'])
        assert.ok(text.split('\n').includes(line), `${unit}: ${line}`);
    }
    const { code, stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no',
      ...units.map((unit) => path.join(dir, unit))]);
    assert.deepEqual([code, stdout, stderr], [0, '', '']);
  });

  it('each line has its priority where standard error is the journal, and nowhere else', async () => {
    const lines = async (stream, sets) => {
      const fd = fs.openSync(path.join(dir, 'journal'), 'w+'), is = fs.fstatSync(fd);
      const child = spawn(program('rest'), args({ run: dir, db_socket: 'no.sock', ...sets }),
        { stdio: ['ignore', 'ignore', fd], env: { ...process.env, JOURNAL_STREAM: stream(is) } });
      const end = new Promise((resolve) => child.on('close', resolve));
      const read = () => fs.readFileSync(path.join(dir, 'journal'), 'utf8');
      await eventually(() => read().includes('\n'), 'a line');
      child.kill('SIGTERM');
      await end;
      fs.closeSync(fd);
      return read().trimEnd().split('\n');
    };
    const own = (is) => `${is.dev}:${is.ino}`, other = (is) => `${is.dev}:${is.ino + 1}`;
    const waiting = await lines(own, {});
    assert.match(waiting[0], /^<4>ts=\S+ level=warn .*event=start\.waiting/);
    assert.match(waiting.at(-1), /^<6>ts=\S+ level=info .*event=stop/);
    assert.match((await lines(own, { admin_token: 'short' }))[0], /^<3>chaguan-rest: admin_token: /);
    assert.match((await lines(other, {}))[0], /^ts=/);
    assert.match((await lines(other, { admin_token: 'short' }))[0], /^chaguan-rest: /);
  });
});

describe('with servers', () => {
  let stack;
  before(async () => {
    stack = await Stack.start({ relays: 1 });
  });
  after(() => stack?.remove());
  const own = (name) => ({ log_file: 'extra.log', pid_file: 'extra.pid', name: 'extra', rest_socket: 'extra.sock',
    worker_socket: 'extra.worker.sock', ...(name === 'relay' ? { port_file: 'extra.port', listen_socket: '' } : {}) });
  const config = () => ['--config', stack.file('chaguan.conf')];

  for (const name of SERVERS) {
    it(`chaguan-${name}: the check says which it reached`, async () => {
      const { code, stdout } = await run(program(name), [...config(), '--check-config', ...args(own(name))]);
      assert.equal(code, 0);
      assert.match(stdout, /: database at \S+: reached\n/);
      assert.equal(/: Redis at \S+: reached\n/.test(stdout), name !== 'worker');
    });

    it(`chaguan-${name}: a server that does not let it in is a wrong setting to both`, async () => {
      const wrong = [[{ db_password: 'wrong' }, /Access denied/], [{ db_user: 'nobody' }, /denied/], [{ db_name: 'no_such' }, /no_such|denied/]];
      if (name !== 'worker') wrong.push([{ redis_password: 'wrong' }, /Redis at .*(AUTH|WRONGPASS)/]);
      for (const [sets, line] of wrong) {
        const said = [];
        for (const mode of [['--check-config'], []]) {
          const { code, stderr } = await run(program(name), [...config(), ...mode, ...args({ ...own(name), ...sets })], { timeout: 30_000 });
          assert.equal(code, 2, `${name} ${mode} ${JSON.stringify(sets)}: ${stderr}`);
          said.push(stderr.split('\n').filter((text) => text && !text.includes(': warning: ')));
        }
        assert.deepEqual(said[0], said[1]);
        assert.equal(said[0].length, 1);
        assert.match(said[0][0], line);
        assert.ok(!said[0][0].includes('wrong'));
      }
    });
  }

  for (const name of SERVERS) {
    it(`chaguan-${name} tells systemd that it serves, and that it ends; the relay also that its loop goes on`, async () => {
      const socket = stack.file('notify.sock');
      fs.rmSync(socket, { force: true });
      // Node has no datagram sockets of Unix; Perl is in every Debian.
      const listener = spawn('perl', ['-MSocket', '-e', 'socket(S,AF_UNIX,SOCK_DGRAM,0)||die; bind(S,pack_sockaddr_un($ARGV[0]))||die;' +
        '$|=1; while(defined recv(S,my $t,4096,0)){$t=~s/\\n/|/g; print "$t\\n"}', socket], { stdio: ['ignore', 'pipe', 'inherit'] });
      let told = '';
      listener.stdout.on('data', (text) => { told += text; });
      try {
        await eventually(() => fs.existsSync(socket), 'the socket');
        const begun = begin(name, { ...own(name), log_file: '' }, config(), null, { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '200000' });
        await eventually(() => told.includes('READY=1|STATUS=serving\n'), 'it to be ready');
        assert.ok(fs.existsSync(stack.file('extra.pid')));
        if (name === 'relay') await eventually(() => told.split('WATCHDOG=1\n').length > 3, 'the loop to say that it goes on');
        else assert.doesNotMatch(told, /WATCHDOG/);
        assert.doesNotMatch(told, /STOPPING/);
        begun.child.kill('SIGTERM');
        assert.deepEqual(await begun.end, { code: 0, signal: null }, begun.said);
        await eventually(() => told.includes('STOPPING=1\n'), 'it to say that it ends');
      } finally {
        listener.kill();
      }
    });
  }

  for (const [name, server] of [['rest', 'redis'], ['relay', 'redis'], ['worker', 'mariadb'], ['rest', 'mariadb']]) {
    it(`chaguan-${name} starts before ${server}, and serves once that is there`, async () => {
      await stack.kill(server);
      const begun = begin(name, { ...own(name), log_file: '' }, config());
      try {
        await eventually(() => /event=start\.waiting/.test(begun.said), 'the program to wait');
        assert.ok(!fs.existsSync(stack.file('extra.pid')));
        await stack.startPart(server);
        await eventually(() => fs.existsSync(stack.file('extra.pid')), 'the program to be ready');
      } finally {
        begun.child.kill('SIGTERM');
      }
      assert.deepEqual(await begun.end, { code: 0, signal: null }, begun.said);
    });
  }

  it('afterwards everything is in order', () => stack.checkAndStop());
});

describe('rotating secrets', () => {
  let stack, user, space;
  const parts = ['relay1', 'rest', 'worker1'];
  before(async () => {
    stack = await Stack.start({ relays: 1 });
    user = await login(stack);
    space = await newSpace(stack, user);
  });
  after(() => stack?.remove());
  const admin = async (token) => (await request(`${stack.url}/api/io/counts`, { headers: { Authorization: `Bearer ${token}` } })).status;
  const occurrences = (text, part) => stack.read(`${part}.log`).split(text).length - 1;
  /** Changes the file, as an administrator does, has all parts read it, and waits until each has said `said` once more. */
  const change = async (setting, line, said) => {
    const text = stack.read('chaguan.conf');
    fs.writeFileSync(stack.file('chaguan.conf'), text.replace(new RegExp(`^${setting} = .*$`, 'm'), line));
    const before = Object.fromEntries(Object.keys(said).map((part) => [part, occurrences(said[part], part)]));
    for (const part of parts) process.kill(stack.pid(part), 'SIGHUP');
    await eventually(() => Object.keys(said).every((part) => occurrences(said[part], part) > before[part]), `${setting} to be read`);
  };
  const renewed = (setting, of) => Object.fromEntries(of.map((part) => [part, `event=settings.renewed name=${setting}`]));

  it('the admin token: the former one is refused, and the new one opens', async () => {
    const former = stack.config().admin_token, next = 'a-new-token-of-the-administrator';
    await change('admin_token', `admin_token = ${next}`, renewed('admin_token', ['rest']));
    assert.deepEqual([await admin(former), await admin(next)], [401, 200]);
  });

  it('the key of tokens, now in a file: in the REST process and in the relay', async () => {
    await change('jwt_secret', `jwt_secret_file = ${owned('jwt', `${'k'.repeat(40)}\n`)}`, renewed('jwt_secret', ['rest', 'relay1']));
    assert.equal((await read(stack, `spaces/${space.roomId}`, user)).status, 401);
    assert.equal((await Player.at(stack, space, user).closed).code, 1006, 'its handshake is refused');
    const again = { userId: user.userId, token: makeToken(claimsOf(user.userId), 'k'.repeat(40)) };
    assert.equal((await read(stack, `spaces/${space.roomId}`, again)).status, 200);
    const fresh = await login(stack);
    const own = await newSpace(stack, fresh), player = await Player.enter(stack, own, fresh);
    await settle(player);
    await player.close();
  });

  it('the password of the database: connections made from then on have it', async () => {
    const next = 'a-new-password-of-the-database';
    stack.keepSecret(next);
    await stack.must('sql', '-e', `ALTER USER chaguan_app@localhost IDENTIFIED BY '${next}'`);
    await change('db_password', `db_password = ${next}`, renewed('db_password', parts));
    const ids = (await stack.sql("SELECT id FROM information_schema.processlist WHERE user = 'chaguan_app'")).map((row) => row.id);
    assert.ok(ids.length > 3);
    for (const id of ids) await stack.script('sql', '-e', `KILL ${id}`); // one of them is the one that asked
    const client = await Client.join(stack, await enter(stack, unique('room'), unique('nick')));
    await client.heard(client.say(unique('with the new password')));
    await client.close();
    for (const part of parts) assert.ok(!stack.read(`${part}.log`).includes('Access denied'), part);
  });

  it('a change that is wrong is told, and the secrets of before stay', async () => {
    await change('admin_token', 'admin_token = short', { rest: 'event=settings.not_renewed msg="admin_token: has 5 bytes' });
    assert.deepEqual([await admin('short'), await admin('a-new-token-of-the-administrator')], [401, 200]);
    await change('admin_token', 'admin_token = a-third-token-of-the-administrator', renewed('admin_token', ['rest']));
    assert.deepEqual([await admin('a-new-token-of-the-administrator'), await admin('a-third-token-of-the-administrator')], [401, 200]);
  });

  it('afterwards everything is in order', () => stack.checkAndStop());

  /** A file in the run directory, its owner's alone. */
  function owned(name, text) {
    const is = fs.statSync(stack.dir);
    fs.writeFileSync(stack.file(name), text, { mode: 0o600 });
    fs.chownSync(stack.file(name), is.uid, is.gid);
    return stack.file(name);
  }
});
