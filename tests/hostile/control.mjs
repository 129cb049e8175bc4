// What the machine itself takes, at the same time as the honest people's talk and noticed by the same process: one step of
// what a message needs, without Chaguan. A process of its own is woken by a socket, writes a little and syncs it to the
// disk that the database is on, and answers. It has nothing of Chaguan's: no loop, no queue, no server. So a relay that
// stands still, or lets somebody wait behind somebody else, or keeps the database busy, leaves it as it is; a machine that
// is paused, slow, or has other things to do does not.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { percentile } from './percentile.mjs';

const FILE = fileURLToPath(import.meta.url);
const TICK_MS = 20;

/** What half of the steps and all but a hundredth of them take at most on a machine that is not a slow one just now. */
const USUAL_MS = 2.5;
const LONGEST_MS = 25;

/** By how much the bounds of what people may notice are to be wider: 1 on a machine that is not slow. */
export const slowness = ({ p50, p99 }) => Math.max(1, p50 / USUAL_MS, p99 / LONGEST_MS);

export class Control {
  latencies = [];
  waiting = [];

  /** dir: where the database's files are. */
  static async begin(dir) {
    const control = new Control();
    control.child = spawn(process.execPath, [FILE, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    const port = await new Promise((resolve, reject) => {
      control.child.stdout.once('data', (data) => resolve(Number(data)));
      control.child.once('close', () => reject(new Error('the control ended')));
    });
    control.socket = net.connect(port, '127.0.0.1').setNoDelay(true);
    await new Promise((resolve, reject) => control.socket.once('connect', resolve).once('error', reject));
    control.socket.on('data', () => control.answered());
    control.timer = setInterval(() => control.tick(), TICK_MS);
    return control;
  }

  /** Somebody comes at every tick, and whoever comes while a step is under way waits for it. */
  tick() {
    this.waiting.push(performance.now());
    if (this.waiting.length === 1) this.socket.write('.');
  }

  answered() {
    const now = performance.now();
    for (const since of this.waiting) this.latencies.push(now - since);
    this.waiting = [];
  }

  /** As it is so far. */
  figures() {
    const now = performance.now();
    const all = [...this.latencies, ...this.waiting.map((since) => now - since)];
    return { p50: percentile(all, 0.5), p99: percentile(all, 0.99), steps: all.length };
  }

  end() {
    clearInterval(this.timer);
    const figures = this.figures();
    this.socket.destroy();
    this.child.kill();
    return figures;
  }
}

/* The other process. */
if (process.argv[1] === FILE) {
  const path = `${process.argv[2]}/control`;
  const file = fs.openSync(path, 'w');
  fs.unlinkSync(path);
  const server = net.createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('data', () => {
      fs.writeSync(file, Buffer.alloc(512), 0, 512, 0);
      fs.fdatasyncSync(file);
      socket.write('.');
    });
    socket.on('close', () => process.exit());
    socket.on('error', () => process.exit());
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
}
