// What the server API says of itself (/v1/openapi.json), and whether what it does is so.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import Ajv7 from 'ajv';
import Ajv from 'ajv/dist/2020.js';
import { top } from './stack.mjs';

export class Described {
  #schemas = new Map();
  seen = new Set();

  constructor(spec) {
    this.spec = spec;
    this.ajv = new Ajv({ strict: false, allErrors: true });
    this.calls = Object.entries(spec.paths).flatMap(([path, verbs]) => Object.entries(verbs).map(([verb, call]) =>
      ({ path, verb, call, pattern: new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}$`) })));
  }

  find(method, path) {
    const bare = path.split('?')[0];
    return this.calls.find(({ verb, pattern }) => verb === method.toLowerCase() && pattern.test(bare));
  }

  #schema(call, status) {
    const key = `${call.verb} ${call.path} ${status}`;
    if (!this.#schemas.has(key)) {
      const told = call.call.responses[status];
      const { content } = told ?? this.spec.components.responses.failure;
      assert.ok(told || status >= 400, `${key} is not described`);
      const schema = content?.['application/json']?.schema;
      this.#schemas.set(key, schema ? this.ajv.compile(schema) : null);
    }
    return this.#schemas.get(key);
  }

  /** Fails unless an answer is as described; a path that is no call says nothing. */
  check(method, path, { status, json, text, headers }) {
    const call = this.find(method, path);
    if (!call || status === 502 || status === 405) return;
    const fits = this.#schema(call, status);
    this.seen.add(`${call.verb} ${call.path}`);
    if (fits && (status >= 400 || headers['content-type']?.startsWith('application/json')))
      assert.ok(fits(json), `${method} ${path} ${status}: ${this.ajv.errorsText(fits.errors)}: ${text}`);
  }
}

/** Sockets as an AsyncAPI document tells of them: each frame is one of those that stand there. Its schemas are those of
 *  JSON Schema, draft 7. */
class DescribedFrames {
  seen = new Set();

  constructor(file) {
    this.file = file;
    this.spec = JSON.parse(fs.readFileSync(`${top}/${file}`, 'utf8'));
    this.ajv = new Ajv7({ strict: false, allErrors: true });
    this.ajv.addSchema(this.spec, 'asyncapi.json');
  }

  /** Fails unless the frame is that message. */
  check(message, frame) {
    this.seen.add(message);
    const known = this.spec.components.messages[message];
    assert.ok(known, `${message} is not described: ${JSON.stringify(frame)}`);
    const fits = this.ajv.getSchema(`asyncapi.json${known.payload.$ref}`);
    assert.ok(fits(frame), `${this.file}, ${message}: ${this.ajv.errorsText(fits.errors)}: ${JSON.stringify(frame)}`);
  }
}

/** One of the five front ends (docs/clients/NAME.asyncapi.json). A suite gives it to its clients' class as `described`. */
export class DescribedFrontEnd extends DescribedFrames {
  constructor(name) {
    super(`docs/clients/${name}.asyncapi.json`);
  }

  /** The forms of a message that has several, or it alone. */
  #forms(message) {
    const { messages, schemas } = this.spec.components;
    const nameOf = ({ $ref }) => $ref.split('/').at(-1);
    if (!messages[message].payload) return [];
    const { items, oneOf = items?.oneOf } = schemas[nameOf(messages[message].payload)];
    return oneOf ? oneOf.map(nameOf) : [message];
  }

  check(message, frame) {
    super.check(message, frame);
    for (const form of this.#forms(message))
      if (!this.seen.has(form) && [frame].flat().some(this.ajv.getSchema(`asyncapi.json#/components/schemas/${form}`)))
        this.seen.add(form);
  }

  /** What these channels are described to carry and did not. */
  unseen(...channels) {
    return channels.flatMap((channel) => Object.keys(this.spec.channels[channel].messages))
      .flatMap((message) => this.#forms(message)).filter((form) => !this.seen.has(form));
  }
}

/** The native protocol (docs/asyncapi.json). */
export class DescribedSocket extends DescribedFrames {
  constructor() {
    super('docs/asyncapi.json');
  }

  /** A frame of the server's; `asked`: the command that it answers, if it is known. */
  heard(frame, asked) {
    if (!('re' in frame)) {
      this.check(`event_${frame.ev ?? 'beat'}`, frame);
    } else if (!frame.ok) {
      this.check('refusal', frame);
    } else if (asked) {
      this.check(`command_${asked.cmd}`, { id: frame.re, ...asked });
      this.check(`answer_${asked.cmd}`, frame);
    }
  }
}
