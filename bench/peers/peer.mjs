// What all the Node peers have in common: where the servers are that they use, how they say that they are ready, and how
// they end. They are started by bench/servers.mjs and by nobody else.
//
//   BENCH_DB       the database server's Unix socket          BENCH_DB_USER, BENCH_DB_PASSWORD, BENCH_DB_NAME
//   BENCH_REDIS    Redis' Unix socket                         BENCH_LISTEN  a port of 127.0.0.1, or a Unix socket's path
import mysql from 'mysql2/promise';

export const redisSocket = process.env.BENCH_REDIS;

/** A pool as mysql2 makes one by itself, of ten connections. Its execute() prepares each statement once on each. */
export function openDatabase() {
  const { BENCH_DB: socketPath, BENCH_DB_USER: user, BENCH_DB_PASSWORD: password,
    BENCH_DB_NAME: database } = process.env;
  return mysql.createPool({ socketPath, user, password, database, charset: 'utf8mb4_bin', connectionLimit: 10 });
}

/** Listens and says so on standard output: the line that bench/servers.mjs waits for. Ends when standard input does, so
 *  that nothing is left behind however the benchmark ends. */
export function serve(server) {
  const where = process.env.BENCH_LISTEN;
  const options = where.startsWith('/') ? { path: where } : { port: Number(where), host: '127.0.0.1' };
  server.listen({ ...options, backlog: 4096 }, () => process.stdout.write('ready\n'));
  process.stdin.resume().on('end', () => process.exit(0));
}

// For readings of idle memory: what is garbage shall not count. Only with node's --expose-gc.
if (globalThis.gc) setInterval(() => globalThis.gc(), 1000).unref();
