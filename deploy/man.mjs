// Writes the manual page of each program from what the program itself says with --help and --print-config:
//   node deploy/man.mjs FOLDER-OF-PROGRAMS FOLDER-TO-WRITE-TO
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const [programs, out] = process.argv.slice(2);
const ABOUT = {
  chaguan: 'the operator’s command of Chaguan', 'chaguan-relay': 'holds the connections of Chaguan’s clients',
  'chaguan-rest': 'answers the HTTP calls of Chaguan',
  'chaguan-worker': 'carries on what Chaguan has stored',
};
/** Without settings of the caller's, which would be shown as if they were everybody's. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CHAGUAN_')));
const says = (name, option) => execFileSync(path.join(programs, name), [option], { encoding: 'utf8', env });

/** For roff; a long word may be broken after its commas. */
const escape = (text) => text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^([.'])/, '\\&$1')
  .replaceAll(/\S{40,}/g, (word) => word.replaceAll(',', ',\\:'));
const bold = (text) => `\\fB${escape(text)}\\fR`;
const entry = (term, ...lines) => ['.TP', bold(term), ...lines.map(escape)];

/** Where the last column of a list begins: no word of any line lies across it, and some stand apart. 0: there is none. */
function column(lines) {
  for (let at = 60; at > 4; at--)
    if (lines.some((line) => line.length > at && line[at - 2] === ' ') &&
      lines.every((line) => line.length <= at || (line[at - 1] === ' ' && line[at] !== ' '))) return at;
  return 0;
}

/** Indented lines are a list of terms and what they mean; the rest is prose. */
function body(lines) {
  const result = [];
  for (let i = 0; i < lines.length;) {
    let end = i;
    const isEntry = (line) => line?.startsWith('  ');
    while (end < lines.length && lines[end] && isEntry(lines[end]) === isEntry(lines[i])) end++;
    const block = lines.slice(i, end), at = isEntry(lines[i]) ? column(block) : 0;
    if (at)
      for (const line of block) result.push(...entry(line.slice(2, at).trim(), ...(line.length > at ? [line.slice(at)] : [])));
    else if (block.length) result.push('.PP', ...block.map((line) => escape(line.trim())));
    i = end + (lines[end] === '' ? 1 : 0);
  }
  return result;
}

/** Every setting, its documentation, its bounds and default; not its present value. */
function settings(text) {
  return text.split('\n\n').slice(1).filter((block) => block.trim()).flatMap((block) => {
    const lines = block.trim().split('\n'), name = lines.pop().match(/\w+/)[0];
    return entry(name, ...lines.map((line) => line.replace(/^# ?/, '')).map((line, i, all) =>
      (i === all.length - 1 ? `(${line})` : line)));
  });
}

fs.mkdirSync(out, { recursive: true });
for (const name of Object.keys(ABOUT)) {
  const [usage, , ...help] = says(name, '--help').trimEnd().split('\n');
  const version = says(name, '--version').trim().split(' ')[1];
  const options = help.findIndex((line) => line.startsWith('  --config ')), environment = help.length - 1;
  const synopsis = usage.replace(`usage: ${name} `, '');
  const page = [
    '.ds AD l', // groff 1.23 goes back to this at each heading, and would warn of lines that it cannot spread to the margin
    `.TH ${name.toUpperCase()} 8 "" "Chaguan ${version}" "Chaguan"`,
    '.ad l', '.nh', '.SH NAME', `${escape(name)} \\- ${escape(ABOUT[name])}`,
    '.SH SYNOPSIS', `${bold(name)} ${escape(synopsis)}`,
    '.SH DESCRIPTION', ...body(help.slice(0, options)),
    '.SH OPTIONS', ...body(help.slice(options, environment)),
    '.SH SETTINGS', ...settings(says(name, '--print-config')),
    '.SH ENVIRONMENT', escape(help[environment]),
    '.SH SEE ALSO',
    Object.keys(ABOUT).filter((other) => other !== name).map((other) => `${bold(other)}(8)`).join(', '),
  ];
  fs.writeFileSync(path.join(out, `${name}.8`), `${page.join('\n')}\n`);
}
