// The programs as an administrator meets them: options, settings, errors at the start, up and down, the operator's
// command.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, enter, settle, unique } from './lib/client.mjs';
import { Stack, bin, eventually, request, run, top } from './lib/stack.mjs';

const PROGRAMS = ['chaguan-relay', 'chaguan-rest', 'chaguan-worker', 'chaguan'];
const SERVERS = ['chaguan-relay', 'chaguan-rest', 'chaguan-worker'];
const program = (name) => path.join(bin, name);
const alive = (pid) => fs.existsSync(`/proc/${pid}`);

describe('the programs on their own', () => {
  let dir;
  const file = (name, text) => {
    fs.writeFileSync(path.join(dir, name), text);
    return path.join(dir, name);
  };
  before(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'cg-'));
  });
  after(() => fs.rmSync(dir, { recursive: true, force: true }));

  for (const name of PROGRAMS) {
    it(`${name} says what it is and which version`, async () => {
      const help = await run(program(name), ['--help']);
      assert.equal(help.code, 0);
      assert.match(help.stdout, new RegExp(`^usage: ${name} `));
      for (const option of ['--config', '--set', '--check-config', '--print-config', '--version'])
        assert.ok(help.stdout.includes(option), option);
      const version = await run(program(name), ['--version']);
      assert.equal(version.code, 0);
      assert.match(version.stdout, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+\n$`));
    });

    it(`${name}: what it prints as its settings it reads back to the same, each with its documentation`, async () => {
      const printed = await run(program(name), ['--set', 'log_level=warn', '--print-config']);
      assert.equal(printed.code, 0, printed.stderr);
      assert.match(printed.stdout, /^log_level = warn$/m);
      const again = await run(program(name), ['--config', file(`${name}.conf`, printed.stdout), '--print-config']);
      assert.equal(again.code, 0, again.stderr);
      assert.equal(again.stdout, printed.stdout);
      const check = await run(program(name), ['--config', path.join(dir, `${name}.conf`), '--check-config']);
      assert.equal(check.code, 0, check.stderr);
      for (const block of printed.stdout.split('\n\n').slice(1).filter((text) => text.trim())) {
        assert.match(block, /^# \S+ \S.*\n/, `a sentence before ${block}`);
        assert.match(block, /^(# )?\w+ = /m);
      }
    });

    it(`${name}: a setting given by an old name is taken, and a warning says how it is called now`, async () => {
      const old = await run(program(name), ['--set', 'names_ms=7s', '--set', 'audit_ms=7s', '--check-config']);
      assert.equal(old.code, 0, old.stderr);
      assert.deepEqual(old.stderr.trim().split('\n').filter((line) => /is called/.test(line)),
        [['audit_ms', 'reconcile_ms'], ['names_ms', 'name_cache_ms']].map(([was, is]) =>
          `${name}: warning: the setting ${was} is called ${is} now`));
    });

    it(`${name}: its manual page has all that it says of itself, and no fault`, async () => {
      const made = await run('node', [path.join(top, 'deploy/man.mjs'), bin, path.join(dir, 'man')]);
      assert.equal(made.code, 0, made.stderr);
      const page = await run('groff', ['-man', '-Tutf8', '-P-cbou', '-K', 'utf8', '-ww', path.join(dir, `man/${name}.8`)]);
      assert.equal(page.code, 0);
      assert.equal(page.stderr, '');
      const shown = page.stdout.replaceAll(/\s+/g, ' '), words = (text) => text.trim().split(/\s+/).join(' ');
      const help = (await run(program(name), ['--help'])).stdout.split('\n');
      const terms = help.filter((line) => /^ {2}\S/.test(line)).map((line) => line.slice(2).split(/ {2,}/));
      assert.ok(terms.length > 4);
      for (const term of terms) assert.ok(shown.includes(words(term.join(' '))), term.join(' '));
      const settings = [...(await run(program(name), ['--print-config'])).stdout.matchAll(/^(?:# )?(\w+) = /gm)];
      assert.ok(settings.length > 20);
      for (const [, setting] of settings) assert.match(page.stdout, new RegExp(`^ +${setting}( |$)`, 'm'));
    });

    it(`${name}: a setting that does not exist, a bad value, a bad line and a missing file are named, ` +
      `and nothing starts`, async () => {
      const cases = [
        [['--set', 'no_such_thing=1'], /no_such_thing/], [['--set', 'log_level=loud'], /log_level/],
        [['--set', 'db_port=70000'], /db_port/],
        [['--set', 'db_port=x'], /db_port/], [['--set', 'db_port='], /db_port/], [['--set', 'db_port'], /name=value/],
        [['--set', 'db_timeout_ms=5 parsecs'], /db_timeout_ms/],
        [['--set', 'redis_timeout_ms=-1'], /redis_timeout_ms/],
        [['--set', 'max_name_chars=99999999999999999999'], /max_name_chars/],
        [['--config', path.join(dir, 'nowhere.conf')], /nowhere\.conf/],
        [['--config', file('typo.conf', '# fine\ndb_prot = 1\n')], /typo\.conf line 2.*db_prot/],
        [['--config', file('line.conf', 'log_level\n')], /line\.conf line 1/],
        [['--config', file('value.conf', 'db_port = many\n')], /value\.conf line 1.*db_port/],
        [['--set', `db_socket=/${'x'.repeat(120)}`], /db_socket|107/],
      ];
      for (const [args, message] of cases) {
        for (const mode of [['--check-config'], []]) {
          const result = await run(program(name),
            [...args, ...mode, ...(name === 'chaguan' && !mode.length ? ['check'] : [])]);
          assert.equal(result.code, 2, `${args}: ${result.stdout}${result.stderr}`);
          assert.match(result.stderr, message);
          assert.ok(result.stderr.startsWith(`${name}: `) && result.stderr.trim().split('\n').length === 1,
            `one line: ${result.stderr}`);
        }
      }
      const unknown = await run(program(name), ['--frobnicate']);
      assert.equal(unknown.code, 2);
      const argument = await run(program(name), ['frobnicate']);
      assert.equal(argument.code, 2);
      assert.match(argument.stderr, new RegExp(`${name} --help`));
      const environment = await run(program(name), ['--check-config'], { env: { CHAGUAN_DB_PORT: 'x' } });
      assert.equal(environment.code, 2);
      assert.match(environment.stderr, /environment.*db_port/);
    });

    it(`${name}: the command line is stronger than the environment, and that than the file; ` +
      `passwords are not shown`, async () => {
      const conf =
        file('order.conf', 'db_host = from-file\ndb_user = from-file\ndb_name = from-file\ndb_password = hush-file\n');
      const result = await run(program(name), ['--config', conf, '--set', 'db_host=from-set', '--print-config'],
        { env: { CHAGUAN_DB_HOST: 'from-env', CHAGUAN_DB_USER: 'from-env', CHAGUAN_REDIS_PASSWORD: 'hush-env' } });
      assert.equal(result.code, 0, result.stderr);
      for (const line of ['db_host = from-set', 'db_user = from-env', 'db_name = from-file'])
        assert.ok(result.stdout.split('\n').includes(line), line);
      assert.doesNotMatch(result.stdout, /hush/);
    });
  }

  it('a secret comes from a file or a systemd credential, without one newline, and is never printed', async () => {
    const secret = (name, text, mode = 0o600) => {
      file(name, text);
      fs.chmodSync(path.join(dir, name), mode);
      return path.join(dir, name);
    };
    const given = path.join(dir, 'credentials');
    fs.mkdirSync(given);
    secret('credentials/admin_token', 'credential-7b');
    const rest = (args, env = {}) => run(program('chaguan-rest'), ['--set', `run=${dir}`, ...args], { env });
    // How long a secret is says which it was: one of 13 bytes is refused, with its length.
    const length = async (args, env) => (await rest([...args, '--check-config'], env)).stderr.match(/has (\d+) bytes/)?.[1];
    secret('ten', 'ten-bytes!\n');
    secret('eleven', 'ten-bytes!\n\n');
    secret('twelve', 'ten-bytes!\r\n\n');
    const conf = file('secret.conf', 'admin_token_file = ten\n'), both = file('both.conf', 'admin_token_file = ten\nadmin_token = five5\n');
    assert.equal(await length(['--config', conf]), '10');
    assert.equal(await length(['--set', 'admin_token_file=eleven']), '11');
    assert.equal(await length(['--set', 'admin_token_file=twelve']), '12');
    assert.equal(await length(['--config', both]), '5', 'the later line counts');
    const credentials = { CREDENTIALS_DIRECTORY: given };
    assert.equal(await length(['--config', conf], credentials), '13', 'a credential before the file');
    assert.equal(await length(['--config', conf], { ...credentials, CHAGUAN_ADMIN_TOKEN: 'sixsix' }), '6');
    assert.equal(await length([], { ...credentials, CHAGUAN_ADMIN_TOKEN_FILE: 'eleven' }), '11');
    assert.equal(await length(['--set', 'admin_token=seven77'], { ...credentials, CHAGUAN_ADMIN_TOKEN_FILE: 'eleven' }), '7');

    for (const name of PROGRAMS) {
      const names = [...(await run(program(name), ['--print-config'])).stdout.matchAll(/^# (\w+) = \.\.\.$/gm)].map((match) => match[1]);
      assert.ok(names.length > 2);
      for (const one of names) {
        const [setting, value] = [`${one}_file`, `hush-${'x'.repeat(40)}`];
        const printed = await run(program(name), ['--set', `run=${dir}`, '--set', `${setting}=${secret(one, value)}`, '--print-config']);
        assert.equal(printed.code, 0, printed.stderr);
        assert.match(printed.stdout, new RegExp(`^${setting} = ${one}$`, 'm'));
        assert.ok(!printed.stdout.includes('hush'));
        for (const [wrong, line] of [[secret('open', value, 0o604), /others may read or write it/], [path.join(dir, 'gone'), /No such file/],
          [secret('empty', '\n'), /it is empty/], [secret('nul', 'a\0b'), /holds a NUL/], [secret('long', 'y'.repeat(256)), /more than 255 bytes/],
          [secret('huge', 'y'.repeat(70_000)), /more than 255 bytes/], [dir, /cannot be read|directory/]]) {
          const refused = await run(program(name), ['--set', `${setting}=${wrong}`, '--check-config']);
          assert.equal(refused.code, 2, `${name} ${setting} ${wrong}`);
          assert.match(refused.stderr, line);
          assert.ok(refused.stderr.startsWith(`${name}: ${setting}: `) && !refused.stderr.includes('hush'), refused.stderr);
        }
      }
    }
    assert.equal((await rest(['--set', 'redis_host_file=ten', '--check-config'])).code, 2, 'of secrets only');
  });

  it('the operator\'s command says what it can do, and refuses what it cannot', async () => {
    const help = await run(program('chaguan'), ['--help']);
    for (const command of ['migrate', 'check', 'stats']) assert.match(help.stdout, new RegExp(`^ +${command} `, 'm'));
    for (const args of [[], ['frobnicate'], ['check', 'twice']]) {
      const result = await run(program('chaguan'), args);
      assert.equal(result.code, 2, args.join(' '));
      assert.match(result.stderr, /chaguan --help/);
    }
  });

  it('a database that is not there is a clear error and a status of the operator\'s command', async () => {
    for (const command of ['check', 'migrate', 'stats']) {
      const result = await run(program('chaguan'),
        ['--set', `run=${dir}`, '--set', 'db_socket=nowhere.sock', '--set', 'pid_file=x.pid', command]);
      assert.ok(result.code > 0, `${command}: ${result.code}`);
      assert.match(result.stderr, /database|nowhere\.sock/i);
      assert.ok(!fs.existsSync(path.join(dir, 'x.pid')));
    }
  });

  it('a log file that cannot be written is a clear error and a status', async () => {
    for (const name of SERVERS) {
      const result = await run(program(name), ['--set', `run=${dir}`, '--set', 'log_file=no/such/dir/x.log']);
      assert.equal(result.code, 2);
      assert.match(result.stderr, /log_file: \S+no\/such\/dir: No such file/);
    }
  });
});

describe('a run', () => {
  let stack;
  before(async () => {
    stack = await Stack.start();
  });
  after(() => stack?.remove());
  const parts = ['mariadb', 'redis', 'relay1', 'relay2', 'rest', 'worker1', 'nginx'];
  const server = (name, ...sets) => run(program(name), ['--config', stack.file('chaguan.conf'), '--set', 'name=extra',
    '--set', 'rest_socket=extra.sock', '--set', 'worker_socket=extra.worker.sock', ...sets.flatMap((set) => ['--set', set])]);

  it('has a pid file for each part, and up again changes nothing', async () => {
    const pids = parts.map((name) => stack.pid(name));
    for (const pid of pids) assert.ok(alive(pid));
    await stack.up();
    assert.deepEqual(parts.map((name) => stack.pid(name)), pids);
    assert.equal((await stack.script('status')).code, 0);
  });

  it('up brings back a part that has died', async () => {
    await stack.kill('relay2', 'KILL');
    assert.notEqual((await stack.script('status')).code, 0);
    await stack.up();
    assert.ok(alive(stack.pid('relay2')));
    const client = await Client.join(stack, await enter(stack, unique('room'), unique('nick')), { relay: 2 });
    await client.close();
  });

  it('a round trip is heard on every relay, and names what does not answer', async () => {
    const relays = ['relay1', 'relay2'].map((name) => stack.file(`${name}.sock`));
    const trip = await stack.chaguan('roundtrip', `${stack.url}/`, '--relays', relays.join(','));
    assert.deepEqual([trip.code, trip.stdout], [0, relays.map((relay) => `heard=${relay}\n`).join('')], trip.stderr);
    assert.equal((await stack.chaguan('roundtrip', stack.url)).stdout, 'heard=front\n');
    const said = await stack.sql(`SELECT content FROM message WHERE content LIKE '一杯茶%'`);
    assert.equal(said.length, 2);
    const deaf = await stack.chaguan('roundtrip', stack.url, '--relays', `${relays[0]},${stack.file('nobody.sock')}`);
    assert.equal(deaf.code, 2);
    assert.match(deaf.stderr, /^chaguan: no round trip: nothing heard at: \S+nobody\.sock\n$/);
    await stack.stopPart('rest');
    const mute = await stack.chaguan('roundtrip', stack.url);
    assert.equal(mute.code, 2);
    assert.match(mute.stderr, /^chaguan: no round trip: \/api\/createChatroom: 50[234]/);
    await stack.up();
  });

  it('a start that no message gets through says so, and leaves nothing running', async () => {
    const other = await Stack.start({ relays: 1 });
    try {
      const mended = stack.file('mended');
      fs.mkdirSync(mended);
      for (const name of fs.readdirSync(bin)) fs.symlinkSync(path.join(bin, name), path.join(mended, name));
      fs.unlinkSync(path.join(mended, 'chaguan'));
      fs.writeFileSync(path.join(mended, 'chaguan'), `#!/bin/sh
[ "$1" != roundtrip ] || { echo "chaguan: no round trip: nothing heard" >&2; exit 2; }
exec ${bin}/chaguan "$@"
`, { mode: 0o755 });
      await other.must('down');
      const env = { ...other.env, ROUND_TRIP: '1' };
      const bad = await run(path.join(top, 'deploy', 'run.sh'), ['up'], { env: { ...env, CG_BIN: mended } });
      assert.equal(bad.code, 1);
      assert.match(bad.stderr, /a message does not get through\. chaguan: no round trip: nothing heard/);
      assert.doesNotMatch(bad.stdout, /is up/);
      assert.notEqual((await other.script('status')).code, 0);
      // As users have it: what has a default is not said, and node leaves out what is undefined.
      const defaults = Object.fromEntries(['RELAYS', 'WORKERS', 'LISTEN', 'HANDOFF', 'ADDRESS_MAX', 'ADDRESS_RATE', 'ROUND_TRIP',
        'SETTINGS', 'SITE_DIR', 'SITE_POLICY'].map((name) => [name, undefined]));
      const good = await run(path.join(top, 'deploy', 'run.sh'), ['up'], { env: { ...env, ...defaults } });
      assert.equal(good.code, 0, good.stderr);
      assert.equal((await request(`${other.url}/relay2/readyz`)).status, 200, 'two relays are the default');
    } finally {
      await other.remove();
    }
  });

  it('a relay keeps its port over a restart, also after SIGKILL', async () => {
    const port = stack.relayPort(1);
    await stack.stopPart('relay1');
    await stack.startPart('relay1');
    assert.equal(stack.relayPort(1), port);
    await stack.kill('relay1', 'KILL');
    await stack.startPart('relay1');
    assert.equal(stack.relayPort(1), port);
    await Client.join(stack, await enter(stack, unique('room'), unique('nick')), { relay: 1 });
  });

  it('stands beside another one, and neither sees the other', async () => {
    const other = await Stack.start({ relays: 1 });
    try {
      const roomName = unique('room');
      const here = await Client.join(stack, await enter(stack, roomName, unique('here')));
      const there = await Client.join(other, await enter(other, roomName, unique('there')));
      await here.present(here.seat.nick);
      await there.present(there.seat.nick);
      await settle(here);
      await settle(there);
      assert.ok(!here.said.some((content) => there.said.includes(content)));
      await other.checkAndStop();
    } finally {
      await other.remove();
    }
    await eventually(() => stack.ready(), 'the first to go on');
  });

  it('a wrong password and a database without tables are clear errors at the start', async () => {
    await stack.must('sql', '-e',
      'CREATE DATABASE chaguan_empty; GRANT ALL ON chaguan_empty.* TO chaguan_app@localhost');
    for (const name of SERVERS) {
      const denied = await server(name, 'db_password=wrong');
      assert.equal(denied.code, 2, name);
      assert.match(denied.stderr, /denied/i);
      const empty = await server(name, 'db_name=chaguan_empty');
      assert.ok(empty.code > 0, name);
      assert.match(empty.stderr, /migrate/);
    }
  });

  it('a port that is taken is a clear error at the start', async () => {
    const holder = net.createServer();
    await new Promise((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const result = await server('chaguan-relay', `listen_port=${holder.address().port}`);
    holder.close();
    assert.ok(result.code > 0);
    assert.match(result.stderr, new RegExp(`${holder.address()?.port ?? 'listen|port|address'}|listen|port|address`,
      'i'));
  });

  it('a relay listens on the loopback address and its socket is not for everybody', async () => {
    const listeners = await run('sh', ['-c', 'cat /proc/net/tcp /proc/net/tcp6']);
    const hex = stack.relayPort(1).toString(16).toUpperCase().padStart(4, '0');
    const lines = listeners.stdout.split('\n')
      .filter((line) => new RegExp(`^\\s*\\d+: [0-9A-F]+:${hex} \\S+ 0A `).test(line));
    assert.deepEqual(lines.map((line) => line.match(/: ([0-9A-F]+):/)[1]), ['0100007F']);
    for (const name of ['relay1.sock', 'rest.sock', 'chaguan.conf'])
      assert.equal(fs.statSync(stack.file(name)).mode & 0o007 & ~0o005, 0, name);
    assert.equal(fs.statSync(stack.dir).mode & 0o077, 0, 'the run directory is for its owner');
  });

  it('migrate is safe to repeat, also by several at once', async () => {
    for (const result of await Promise.all([1, 2, 3].map(() => stack.chaguan('migrate'))))
      assert.equal(result.code, 0, result.stderr);
  });

  it('migrate keeps nobody waiting while a transaction has a table open, and is carried out after it', async () => {
    const waiting = () => stack.count("SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata%'");
    await stack.sql('DELETE FROM schema_migration WHERE version = 10'); // it changes the table user
    const reader = await stack.database();
    await reader.query('START TRANSACTION');
    await reader.query('SELECT * FROM user LIMIT 1');
    const migrating = stack.chaguan('migrate');
    await eventually(async () => await waiting() > 0, 'migrate to wait for the table');
    await eventually(async () => await waiting() === 0, 'migrate to let others have it');
    await Client.join(stack, await enter(stack, unique('room'), unique('nick'))); // a row of user
    await reader.query('COMMIT');
    await reader.end();
    const { code, stdout, stderr } = await migrating;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /waiting for a transaction that has a table of 0010_platform.sql open\n(.*\n)*applied 0010_platform.sql/);
  });

  it('a schema that is newer than the programs is left alone, and every program says so', async () => {
    await stack.sql("INSERT INTO schema_migration (version, applied_at) VALUES (9999, UTC_TIMESTAMP(3))");
    try {
      for (const result of [await stack.chaguan('migrate'), await server('chaguan-relay'), await server('chaguan-rest'),
        await server('chaguan-worker')]) {
        assert.ok(result.code > 0);
        assert.match(result.stderr, /the schema is newer than this program/);
      }
    } finally {
      await stack.sql('DELETE FROM schema_migration WHERE version = 9999');
    }
  });

  it('stats counts what there is', async () => {
    const [users, messages] =
      await Promise.all(['user', 'message'].map((table) => stack.count(`SELECT COUNT(*) FROM ${table}`)));
    const stats = await stack.chaguan('stats');
    assert.equal(stats.code, 0, stats.stderr);
    assert.match(stats.stdout, new RegExp(`users\\D+${users}\\b`));
    assert.match(stats.stdout, new RegExp(`messages\\D+${messages}\\b`));
    for (const relay of ['relay1', 'relay2']) assert.ok(stats.stdout.includes(relay), `${relay} is alive`);
  });

  it('check finds a missing message, a number too high and a counter that disagrees, ' +
    'and nothing when they are mended', async () => {
    const client = await Client.join(stack, await enter(stack, unique('room'), unique('nick')));
    for (let i = 0; i < 5; i++) await client.heard(client.say(unique('to check')));
    await client.close();
    const [{ id }] = await stack.sql('SELECT id FROM conversation WHERE public_id = ?', [client.seat.roomId]);
    const finds = async (breakIt, mendIt) => {
      await stack.sql(breakIt, [id]);
      const found = await stack.chaguan('check');
      await stack.sql(mendIt, [id]);
      assert.equal(found.code, 1, `${breakIt}: ${found.stdout}${found.stderr}`);
      assert.ok(found.stdout.includes(String(id)), `names the conversation: ${found.stdout}`);
      assert.doesNotMatch(found.stdout, /room_[0-9a-f]{32}/);
    };
    await stack.script('stop', 'relay1'); // so that no leave line comes in between
    await stack.script('stop', 'relay2');
    await finds('UPDATE message SET seq = 1000 WHERE conversation = ? AND seq = 3',
      'UPDATE message SET seq = 3 WHERE conversation = ? AND seq = 1000');
    await finds('UPDATE conversation SET seq = seq + 1 WHERE id = ?',
      'UPDATE conversation SET seq = seq - 1 WHERE id = ?');
    await finds('UPDATE conversation SET seq = seq - 1 WHERE id = ?',
      'UPDATE conversation SET seq = seq + 1 WHERE id = ?');
    const fine = await stack.chaguan('check');
    assert.equal(fine.code, 0, fine.stdout);
    await stack.startPart('relay1');
    await stack.startPart('relay2');
  });

  it('every counter is documented, and its page is text that Prometheus reads', async () => {
    for (const page of ['/metrics', '/relay1/metrics', '/relay2/metrics']) {
      const { text } = await request(stack.url + page);
      for (const [, name] of text.matchAll(/^(chaguan_\w+)/gm)) {
        assert.match(text, new RegExp(`^# HELP ${name} \\S.*$`, 'm'));
        assert.match(text, new RegExp(`^# TYPE ${name} (counter|gauge)$`, 'm'));
      }
      for (const line of text.trimEnd().split('\n'))
        assert.match(line, /^(# (HELP|TYPE) chaguan_\w+ .+|chaguan_\w+(\{[^}]*\})? -?[0-9.e+]+)$/);
    }
  });

  it('down leaves no process, no pid file and no open port; down again is no error; ' +
    'up again finds everything as it was', async () => {
    const client = await Client.join(stack, await enter(stack, unique('room'), unique('nick')));
    const content = client.say(unique('to be kept'));
    await client.heard(content);
    const pids = parts.map((name) => stack.pid(name));
    const port = stack.relayPort(1);
    assert.equal((await stack.script('down')).code, 0);
    for (const pid of pids) assert.ok(!alive(pid));
    assert.deepEqual(fs.readdirSync(stack.dir).filter((name) => /\.(pid|keeper)$/.test(name)), []);
    for (const closed of [stack.port, port])
      await assert.rejects(request(`http://127.0.0.1:${closed}/`), /ECONNREFUSED/);
    const users = await run('sh', ['-c', `ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -c -- '-> ${stack.dir}' || true`]);
    assert.equal(users.stdout.trim(), '0', 'no process works in the run directory');
    assert.equal((await stack.script('down')).code, 0);
    await stack.up();
    assert.deepEqual(await enter(stack, client.seat.roomName, client.seat.nick), client.seat);
    const again = await Client.join(stack, client.seat);
    assert.ok((await again.history()).some((row) => row.log_content === content));
    await again.close();
  });

  it('afterwards the numbers agree, the parts end well and the logs keep what is secret', () => stack.checkAndStop());
});
