// Starts the broker under test, on a port of its own, and mints tokens for its users.
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const START_MS = 180_000; // to compile a plugin on a cold and busy machine
const SECRET = 'a-secret-that-only-these-tests-know-0123';

const config = ({ port, plugins, pingMs, origins, limits }) => `
[server]
listen = "127.0.0.1:${port}"
node = "sdk"
drain_seconds = 1
ping_ms = ${pingMs}
poll_timeout_ms = 3600000
default_tenant = "acme"

[backplane]
kind = "memory"

[plugins.authorize]
file = "${plugins}/authorize.wasm"

[[tenants]]
name = "acme"
allowed_origins = ${JSON.stringify(origins)}

[[tenants.chain]]
plugin = "authorize"
deadline_ms = 2000

[tenants.chain.config]
leeway_seconds = 0

[[tenants.chain.config.keys]]
alg = "HS256"
secret = "${SECRET}"

[[tenants.chain.config.rules]]
channels = "room:*"
allow = ["subscribe", "publish", "presence", "history"]

[[tenants.chain.config.rules]]
channels = "short:*"
allow = ["subscribe", "publish", "presence", "history"]

[[tenants.chain.config.rules]]
channels = "bytes:*"
allow = ["subscribe", "publish", "history"]

[[tenants.chain.config.rules]]
channels = "plain:*"
allow = ["subscribe", "publish"]

[[tenants.channels]]
match = "room:*"
history = { size = 5000, ttl_seconds = 600 }
presence = true
join_leave = true

[[tenants.channels]]
match = "short:*"
history = { size = 3, ttl_seconds = 600 }

[[tenants.channels]]
match = "bytes:*"
content = "binary"
history = { size = 100, ttl_seconds = 600 }

[[tenants.channels]]
match = "plain:*"

[tenants.limits]
connections = 100000
connections_per_user = 1000
channels_per_connection = 2000
${limits}
`;

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; \`cargo xtask test\` sets it`);
  return value;
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** A token for a user, good for so many seconds. */
export function token(user, seconds = 3600) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: user, iat: now - 5, exp: now + seconds })}`;
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}

export class Broker {
  /** A broker that listens at `url`; on a given port it takes the place of another. */
  static async start({ port, pingMs = 25_000, origins = ['*'], limits = 'publish_per_second = 0\nrequests_per_second = 0', text } = {}) {
    const broker = new Broker();
    broker.port = port ?? (await freePort());
    broker.url = `ws://127.0.0.1:${broker.port}/ws`;
    broker.folder = await mkdtemp(join(tmpdir(), 'sluicegate-'));
    const file = join(broker.folder, 'sluicegate.toml');
    await writeFile(file, text?.replace(':8080', `:${broker.port}`) ?? config({ port: broker.port, plugins: required('SLUICEGATE_PLUGINS'), pingMs, origins, limits }));
    broker.process = spawn(required('SLUICEGATE_BIN'), ['serve', '--config', file], { stdio: ['ignore', 'pipe', 'pipe'] });
    broker.log = [];
    createInterface(broker.process.stderr).on('line', (line) => broker.log.push(line));
    broker.exited = once(broker.process, 'exit');
    await new Promise((resolve, reject) => {
      const fail = (why) => reject(new Error(`the broker ${why}\n${broker.log.join('\n')}`));
      const limit = setTimeout(() => fail('does not listen'), START_MS);
      broker.process.once('exit', (code) => fail(`ended with ${code}`));
      broker.process.once('error', reject);
      createInterface(broker.process.stdout).on('line', (line) => {
        if (!line.startsWith('listening on http://')) return;
        clearTimeout(limit);
        resolve();
      });
    });
    return broker;
  }

  /** Drains and stops it; it must leave in good order. */
  async stop() {
    this.process.kill('SIGTERM');
    const [code] = await this.exited;
    await rm(this.folder, { recursive: true });
    if (code !== 0) throw new Error(`the broker ended with ${code}\n${this.log.join('\n')}`);
  }

  /** As a power cut. */
  async kill() {
    this.process.kill('SIGKILL');
    await this.exited;
    await rm(this.folder, { recursive: true });
  }
}
