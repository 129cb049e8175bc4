// Is a large database migrated while others write to it, without keeping any of them waiting for more than a second, and is
// every row still there afterwards?
//
//   CG_BIN=build node tests/faults/migrate.mjs [--messages 20000000] [--from 9] [--writers 4] [--dir DIR]
//
// A private MariaDB with the schema of version `from`, so many messages in it, and writers that do what a relay of that version
// does. Then `chaguan migrate`, with nobody in its way; and once more from the same version's schema, without its messages
// written anew, beside a reader that holds the tables open for a while as a backup does. Printed: how long a writer had to
// wait at most, before, while and after it was migrated. With --dir the database is kept in it, as it was before.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import mysql from 'mysql2/promise';

const top = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({ options: { messages: { type: 'string', default: '20000000' }, from: { type: 'string', default: '9' },
  writers: { type: 'string', default: '4' }, dir: { type: 'string' } } });
const messages = Number(values.messages), from = Number(values.from), writers = Number(values.writers);
const EACH = 10_000, HELD_MS = 8000, QUIET_MS = 5000, MOST_MS = 1000;
const conversations = Math.max(writers, Math.ceil(messages / EACH));
const dir = values.dir ? path.resolve(values.dir) : fs.mkdtempSync(path.join(os.tmpdir(), 'cg-migrate-'));
const build = path.resolve(process.env.CG_BIN ?? path.join(top, 'build'));
const env = { ...process.env, CHAGUAN_RUN: dir, PORT: String(20_000 + process.pid % 10_000), RELAYS: '1', WORKERS: '0', ROUND_TRIP: '0',
  CG_BIN: build };
const say = (text) => console.log(`${text}; load average ${os.loadavg()[0].toFixed(1)}`);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const script = (...args) => execFileSync(path.join(top, 'deploy/run.sh'), args, { env, stdio: ['ignore', 'pipe', 'inherit'] }).toString();

// ---- the database as it was ----

let config;
const connect = (more = {}) => mysql.createConnection({ socketPath: path.join(dir, config.db_socket), user: config.db_user,
  password: config.db_password, database: config.db_name, charset: 'utf8mb4', timezone: 'Z', multipleStatements: true, ...more });
const kept = path.join(dir, 'messages');

/** Only MariaDB, and the programs' configuration. */
function begin() {
  const made = fs.existsSync(path.join(dir, 'instance'));
  if (!made) script('up');
  else script('start', 'mariadb');
  for (const part of ['nginx', 'rest', 'relay1', 'redis']) script('stop', part);
  config = Object.fromEntries(fs.readFileSync(path.join(dir, 'chaguan.conf'), 'utf8').split('\n')
    .map((line) => line.match(/^(\w+) = (.*)$/)?.slice(1)).filter(Boolean));
}

async function applyOldSchema(db) {
  await db.query('DROP DATABASE chaguan; CREATE DATABASE chaguan CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; USE chaguan');
  await db.query('CREATE TABLE schema_migration (version INT UNSIGNED NOT NULL PRIMARY KEY, applied_at DATETIME(3) NOT NULL) ENGINE=InnoDB');
  for (const file of fs.readdirSync(path.join(top, 'sql')).sort()) {
    const version = parseInt(file, 10);
    if (!(version <= from)) continue;
    await db.query(fs.readFileSync(path.join(top, 'sql', file), 'utf8'));
    await db.query('INSERT INTO schema_migration (version, applied_at) VALUES (?, UTC_TIMESTAMP(3))', [version]);
  }
}

/** Rows that are made within the server: reading them from a client takes several times as long. */
async function fill(db) {
  await db.query('SET foreign_key_checks = 0, unique_checks = 0');
  await db.query(`INSERT INTO user (id, public_id, realm, name, created_at)
    SELECT seq, CONCAT('user_', seq), 1, CONCAT('u', seq), UTC_TIMESTAMP(3) FROM seq_1_to_1000`);
  for (let c = 1, said = 0; c <= conversations; c++) {
    const count = Math.min(EACH, messages - said);
    await db.query(`INSERT INTO conversation (id, public_id, kind, name, seq, created_at)
      VALUES (?, CONCAT('conv_', ?), 1, CONCAT('c', ?), ?, UTC_TIMESTAMP(3))`, [c, c, c, count]);
    await db.query(`INSERT INTO message (conversation, seq, sender, client_id, batch_id, kind, sender_name, content, created_at)
      SELECT ?, seq, 1 + (seq * 7 + ?) % 1000, CONCAT('c', seq), seq DIV 50, 1, 'somebody',
        CONCAT('what was said as number ', seq, ' of conversation ', ?), '2026-01-01' + INTERVAL seq SECOND FROM seq_1_to_${count}`, [c, c, c]);
    said += count;
  }
}

async function make(db) {
  const begun = Date.now();
  await db.query('SET sql_log_bin = 0; SET GLOBAL innodb_buffer_pool_size = 1 << 30; SET GLOBAL innodb_flush_log_at_trx_commit = 0');
  await applyOldSchema(db);
  await fill(db);
  await db.query('SET GLOBAL innodb_flush_log_at_trx_commit = 1');
  fs.writeFileSync(kept, String(messages));
  say(`${messages} messages of schema ${from} made in ${Math.round((Date.now() - begun) / 1000)} s`);
}

/** What there was, whatever is added meanwhile. */
async function sum(db) {
  const [[row]] = await db.query(`SELECT COUNT(*) AS count, BIT_XOR(CRC32(CONCAT_WS(' ', m.conversation, m.seq, m.sender, m.client_id, m.batch_id, m.kind,
    m.sender_name, m.content, m.created_at))) AS crc FROM message m WHERE m.seq <= ?`, [EACH]);
  return `${row.count} rows, ${row.crc}`;
}

// ---- who writes ----

let over = false, stored = 0;
const waits = []; // [when it began, how long], in ms

/** As a relay's journal does: lock, insert, count, commit. */
async function write(n) {
  const db = await connect();
  for (let i = 0; !over; i++) {
    const at = performance.now(), conversation = 1 + (n + i * writers) % conversations;
    await db.beginTransaction();
    const [[{ seq }]] = await db.query('SELECT seq FROM conversation WHERE id = ? FOR UPDATE', [conversation]);
    const next = Math.max(EACH, seq) + 1;
    await db.query(`INSERT INTO message (conversation, seq, sender, client_id, batch_id, kind, sender_name, content, created_at)
      VALUES (?, ?, 1, ?, 1, 1, 'writer', 'written meanwhile', UTC_TIMESTAMP(3))`, [conversation, next, `w${next}`]);
    await db.query('UPDATE conversation SET seq = ? WHERE id = ?', [next, conversation]);
    await db.commit();
    waits.push([at, performance.now() - at]);
    stored++;
    await pause(2);
  }
  await db.end();
}

/** Of those that began or ended within. */
function waited(begun, ended) {
  const some = waits.filter(([at, ms]) => at + ms >= begun && at <= ended).map(([, ms]) => ms).sort((a, b) => a - b);
  return { writes: some.length, p50: some[some.length >> 1], p99: some[Math.floor(some.length * 0.99)], longest: some.at(-1) };
}
const shown = ({ writes, p50, p99, longest }) => `${writes} writes, p50 ${p50?.toFixed(1)} ms, p99 ${p99?.toFixed(1)} ms, longest ${longest?.toFixed(0)} ms`;

function migrate() {
  return new Promise((resolve) => {
    const child = spawn(path.join(build, 'chaguan'), ['migrate', '--config', path.join(dir, 'chaguan.conf')], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { text += data; });
    child.once('close', (code) => resolve({ code, text: text.trim().replaceAll('\n', ', ') }));
  });
}

/** Migrates beside the writers; `held`: a reader has the tables open at first. */
async function migrateBeside(held) {
  const reader = await connect();
  over = false;
  waits.length = 0;
  const writing = Promise.all(Array.from({ length: writers }, (_, n) => write(n)));
  const before = performance.now();
  await pause(QUIET_MS);
  if (held) await reader.query('START TRANSACTION WITH CONSISTENT SNAPSHOT; SELECT MAX(id) FROM conversation; SELECT * FROM message LIMIT 1');
  const begun = performance.now(), migrated = migrate();
  if (held) {
    await pause(HELD_MS);
    await reader.query('ROLLBACK');
  }
  const { code, text } = await migrated, ended = performance.now();
  await pause(QUIET_MS);
  over = true;
  await writing;
  await reader.end();
  if (code) throw new Error(`chaguan migrate: status ${code}: ${text}`);
  const during = waited(begun, ended), earlier = waited(before, begun);
  say(`migrated in ${((ended - begun) / 1000).toFixed(2)} s${held ? `, while a reader held the tables for ${HELD_MS / 1000} s` : ''}: ${text}`);
  for (const [name, figures] of [['before', earlier], ['meanwhile', during], ['after', waited(ended, performance.now())]])
    console.log(`  ${name}: ${shown(figures)}`);
  return during.longest - earlier.longest; // what is not the migration's
}

/** The tables and columns that came since go again; what is left is the older schema, with all its rows. */
async function goBack(db) {
  await db.query('CREATE DATABASE aside CHARACTER SET utf8mb4 COLLATE utf8mb4_bin');
  await db.query('USE chaguan');
  const of = async (schema) => (await db.query(`SELECT table_name AS t, column_name AS c FROM information_schema.columns
    WHERE table_schema = ?`, [schema]))[0];
  await db.query('USE aside');
  await db.query('CREATE TABLE schema_migration (version INT UNSIGNED NOT NULL PRIMARY KEY, applied_at DATETIME(3) NOT NULL) ENGINE=InnoDB');
  for (const file of fs.readdirSync(path.join(top, 'sql')).sort())
    if (parseInt(file, 10) <= from) await db.query(fs.readFileSync(path.join(top, 'sql', file), 'utf8'));
  const old = await of('aside'), now = await of('chaguan');
  await db.query('DROP DATABASE aside; USE chaguan; SET foreign_key_checks = 0');
  const tables = new Set(old.map(({ t }) => t)), columns = new Set(old.map(({ t, c }) => `${t}.${c}`));
  for (const table of new Set(now.map(({ t }) => t))) if (!tables.has(table)) await db.query(`DROP TABLE \`${table}\``);
  for (const { t, c } of now) if (tables.has(t) && !columns.has(`${t}.${c}`)) await db.query(`ALTER TABLE \`${t}\` DROP COLUMN \`${c}\``);
  await db.query('DELETE FROM schema_migration WHERE version > ?', [from]);
}

begin();
try {
  script('sql', '-e', `GRANT ALL ON *.* TO ${config.db_user}@localhost`);
  const db = await connect();
  if (!fs.existsSync(kept)) await make(db);
  else await goBack(db);
  const sumBefore = await sum(db);
  const longest = [await migrateBeside(false)];
  await goBack(db);
  longest.push(await migrateBeside(true));
  const sumAfter = await sum(db);
  const [[{ added }]] = await db.query('SELECT COUNT(*) AS added FROM message WHERE seq > ?', [EACH]);
  say(`before: ${sumBefore}; after: ${sumAfter}; written meanwhile: ${stored}, found: ${added}`);
  await db.end();
  const bad = sumBefore !== sumAfter || (!values.dir && Number(added) !== stored) || longest.some((ms) => ms > MOST_MS);
  console.log(bad ? 'NOT as it should be' : 'as it should be');
  process.exitCode = bad ? 1 : 0;
} finally {
  script(values.dir ? 'down' : 'clean');
  if (!values.dir) fs.rmSync(dir, { recursive: true, force: true });
}
