// Runs the load generator (bench/load/) once and judges what it says.
import { spawn } from 'node:child_process';
import path from 'node:path';

const GRACE_MS = 180_000;       // for connecting, and for what comes late

let current;
process.once('exit', () => current?.kill('SIGKILL'));

/** Its figures. `problem` is set in them if messages were lost, came twice or out of order. Throws if it could not run.
 *  load: the generator's options by name; true for one without a value. */
export async function measure(build, protocol, target, load) {
  const args = ['--protocol', protocol, '--to', target.to.join(',')];
  if (target.http) args.push('--http', String(target.http));
  for (const [group, pids] of Object.entries(target.pids))
    if (pids.length) args.push('--pids', `${group}=${pids.join(',')}`);
  for (const [name, value] of Object.entries(load)) args.push(`--${name}`, ...value === true ? [] : [String(value)]);
  const { code, stdout, stderr } = await finish(path.join(build, 'bench-load'), args);
  const said = stderr.trim().split('\n').slice(-3).join('; ');
  if (code !== 0 && code !== 1) throw new Error(`bench-load ${args.join(' ')}: ${said || `status ${code}`}`);
  const figures = JSON.parse(stdout);
  if (code === 1 || figures.lost || figures.faults)
    figures.problem = `${figures.lost} lost, ${figures.faults} faults${said ? ` (${said})` : ''}`;
  return figures;
}

function finish(program, args) {
  return new Promise((resolve, reject) => {
    const child = current = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    let stdout = '', stderr = '';
    child.stdout.on('data', (data) => { stdout += data; });
    child.stderr.on('data', (data) => { stderr = (stderr + data).slice(-4000); });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      current = undefined;
      resolve({ code, stdout, stderr: signal ? `${stderr}\nended by ${signal}` : stderr });
    });
  });
}

/** Of several runs' figures the one in the middle, number by number; of two the mean. */
export function median(runs) {
  const [first] = runs;
  if (typeof first === 'number') {
    const sorted = runs.filter((n) => typeof n === 'number').sort((a, b) => a - b), middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
  if (first === null || typeof first !== 'object') return first;
  return Object.fromEntries(Object.keys(first).map((key) => [key, median(runs.map((figures) => figures?.[key]))]));
}
