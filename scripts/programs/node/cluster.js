// Workers that share a port: the primary accepts, or (with "none") the workers themselves; one of them is killed.
'use strict';
const assert = require('assert');
const cluster = require('cluster');
const { once } = require('events');
const http = require('http');

cluster.schedulingPolicy = process.argv[2] === 'none' ? cluster.SCHED_NONE : cluster.SCHED_RR;
const WORKERS = 3;

async function ask(port) {
  const [response] = await once(http.get({ port, host: '127.0.0.1', agent: false }), 'response');
  let said = '';
  for await (const part of response) said += part;
  return said;
}

async function primary() {
  const all = Array.from({ length: WORKERS }, () => cluster.fork());
  const addresses = await Promise.all(all.map(async (worker) => (await once(worker, 'listening'))[0]));
  const { port } = addresses[0];
  const pids = new Set();
  for (let i = 0; i < 90; i += 1) pids.add(await ask(port));
  assert([...pids].every((pid) => all.some((worker) => String(worker.process.pid) === pid)));
  console.log('shared ok');
  all[0].process.kill('SIGKILL');
  await once(all[0], 'exit');
  for (let i = 0; i < 30; i += 1) assert.notEqual(await ask(port), String(all[0].process.pid));
  console.log('killed ok');
  cluster.disconnect();
}

if (cluster.isPrimary) primary();
else http.createServer((_, response) => response.end(String(process.pid))).listen(0, '127.0.0.1');
