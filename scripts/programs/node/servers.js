// http, net, dgram, worker threads, and sockets that are handed to a child process.
'use strict';
const assert = require('assert');
const childProcess = require('child_process');
const dgram = require('dgram');
const { once } = require('events');
const http = require('http');
const net = require('net');
const { Worker } = require('worker_threads');

if (process.argv[2] === 'child') {
  process.on('message', (_, socket) => socket.end('from the child'));
  return;
}

async function get(options) {
  const [response] = await once(http.get({ host: 'localhost', ...options }), 'response');
  const parts = [];
  for await (const part of response) parts.push(part);
  return Buffer.concat(parts);
}

async function web() {
  const server = http.createServer((request, response) => {
    if (request.url === '/big') return response.end(Buffer.alloc(3e6, 'b'));
    let length = 0;
    request.on('data', (part) => { length += part.length; });
    request.on('end', () => response.end(`${request.method} ${length}`));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  const answers = await Promise.all(Array.from({ length: 200 }, () => get({ port, agent })));
  assert(answers.every((answer) => answer.toString() === 'GET 0'));
  assert((await get({ port, agent, path: '/big' })).equals(Buffer.alloc(3e6, 'b')));
  const url = `http://127.0.0.1:${port}/`;
  assert.equal(await (await fetch(url, { method: 'POST', body: Buffer.alloc(2e6) })).text(), 'POST 2000000');
  console.log('http ok');
  const curl = childProcess.spawn('curl', ['-sS', url]);
  let said = '';
  curl.stdout.on('data', (part) => { said += part; });
  await once(curl, 'close');
  assert.equal(said, 'GET 0');
  console.log('child_process ok');
  agent.destroy();
  server.close();
  server.closeAllConnections();
}

async function streams() {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  await once(server.listen(0, '::1'), 'listening');
  const { port } = server.address();
  const socket = net.connect(port, '::1');
  let length = 0;
  socket.on('data', (part) => { length += part.length; });
  socket.end(Buffer.alloc(8e6));
  await once(socket, 'end');
  assert.equal(length, 8e6);
  server.close();
  await once(server, 'close');
  const [error] = await once(net.connect(port, '::1'), 'error');
  assert.equal(error.code, 'ECONNREFUSED');
  console.log('net ok');
}

async function datagrams() {
  const server = dgram.createSocket('udp4');
  await once(server.bind(0, '127.0.0.1'), 'listening');
  server.on('message', (message, from) => server.send(message.toString().toUpperCase(), from.port, from.address));
  const client = dgram.createSocket('udp4');
  const seen = new Set();
  await new Promise((done) => {
    client.on('message', (message) => { if (seen.add(message.toString()).size === 100) done(); });
    for (let i = 0; i < 100; i += 1) client.send(`x${i}`, server.address().port, '127.0.0.1');
  });
  client.close();
  server.close();
  const member = dgram.createSocket({ type: 'udp4', reuseAddr: true });
  await once(member.bind(0), 'listening');
  member.addMembership('239.1.2.3', '127.0.0.1');
  member.setMulticastInterface('127.0.0.1');
  member.send('to all', member.address().port, '239.1.2.3');
  assert.equal((await once(member, 'message'))[0].toString(), 'to all');
  member.close();
  console.log('dgram ok');
}

async function workers() {
  const code = `
    const { parentPort } = require('worker_threads');
    const server = require('net').createServer((socket) => socket.pipe(socket));
    server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
    parentPort.on('message', () => process.exit());`;
  const all = Array.from({ length: 3 }, () => new Worker(code, { eval: true }));
  const ports = await Promise.all(all.map(async (worker) => (await once(worker, 'message'))[0]));
  for (const port of ports) {
    const socket = net.connect(port, '127.0.0.1');
    socket.write('hello');
    assert.equal((await once(socket, 'data'))[0].toString(), 'hello');
    socket.destroy();
  }
  await Promise.all(all.map((worker) => { worker.postMessage('end'); return once(worker, 'exit'); }));
  console.log('worker_threads ok');
}

async function handingOver() {
  const child = childProcess.fork(__filename, ['child']);
  const server = net.createServer({ pauseOnConnect: true }, (socket) => child.send('take', socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  for (let i = 0; i < 3; i += 1) {
    const socket = net.connect(server.address().port, '127.0.0.1');
    assert.equal((await once(socket, 'data'))[0].toString(), 'from the child');
    socket.destroy();
  }
  child.kill();
  server.close();
  console.log('handed-over ok');
}

(async () => {
  await web();
  await streams();
  await datagrams();
  await workers();
  await handingOver();
})();
