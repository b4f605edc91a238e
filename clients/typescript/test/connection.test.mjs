// The state machine of a connection, without a network, a timer or a client.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { makeConnection } from '../src/connection.js';
import { SluicegateError } from '../src/error.js';

const SETTINGS = { transports: ['websocket', 'sse', 'poll'], reconnect: { baseMs: 500, maxMs: 20_000 }, timeoutMs: 10_000 };
const PING_MS = 25_000;

/** Reads like a log: `state:connected`, `open:sse`. */
function told(effects) {
  return effects.map(([what, value]) => (what === 'state' ? `state:${value.state}` : typeof value === 'string' ? `${what}:${value}` : what));
}

function connected(settings = {}, lifeMs = Infinity) {
  const machine = makeConnection({ ...SETTINGS, ...settings });
  machine.connect(0);
  if (settings.getToken) machine.token(0, 'first');
  machine.connected(0, PING_MS, lifeMs);
  return machine;
}

test('transports are tried in their order, at once, and then it waits', () => {
  const machine = makeConnection(SETTINGS);
  assert.deepEqual(told(machine.connect(0)), ['state:connecting', 'open:websocket']);
  assert.deepEqual(told(machine.lost(10, { code: 1006 })), ['open:sse']);
  assert.deepEqual(told(machine.lost(20, { code: 404 })), ['open:poll']);
  assert.deepEqual(told(machine.lost(30, { code: 1006 })), ['state:disconnected', 'error']);
  assert.ok(machine.wakeAt() <= 30 + 500);
});

test('the transport that worked is tried alone, and after three failures before the others', () => {
  const machine = makeConnection(SETTINGS);
  machine.connect(0);
  machine.lost(0, { code: 1006 });
  machine.connected(0, PING_MS, Infinity);
  machine.lost(60_000, { code: 1006 });
  for (const expected of ['open:sse', 'open:sse', 'open:sse', 'open:sse,open:websocket,open:poll']) {
    const opened = told(machine.tick(machine.wakeAt())).slice(1);
    while (opened.at(-1).startsWith('open')) opened.push(...told(machine.lost(60_000, { code: 1006 })));
    assert.equal(opened.slice(0, -2).join(), expected);
  }
});

test('what worked for others is tried first, if it is wanted at all', () => {
  for (const [transports, first] of [[['websocket', 'sse', 'poll'], 'sse'], [['websocket', 'poll'], 'websocket']]) {
    assert.equal(makeConnection({ ...SETTINGS, transports }, 'sse').connect(0)[1][1], first);
  }
});

test('a transport that does not answer in time is left', () => {
  const machine = makeConnection(SETTINGS);
  machine.connect(0);
  assert.equal(machine.wakeAt(), 10_000);
  assert.deepEqual(machine.tick(9_999), []);
  assert.deepEqual(told(machine.tick(10_000)), ['close', 'open:sse']);
});

test('a refusal of connect is no reason to try another transport', () => {
  const machine = makeConnection(SETTINGS);
  machine.connect(0);
  const error = new SluicegateError(4429, 'rate_limited', 'later', { retry: true, retryAfterMs: 3000 });
  const [[, state]] = machine.lost(0, { code: 4003 }, error);
  assert.equal(state.state, 'disconnected');
  assert.ok(state.retryInMs >= 3000 && state.retryInMs <= 3500, `${state.retryInMs}`);
});

test('what a close code means', () => {
  for (const [codes, isFinal] of [
    [[1001, 1006, 1011, 1012, 4000, 4001, 4003, 4004, 4005, 4300, 4399, 4408], false],
    [[1009, 4500, 4501, 4502, 4503, 4504, 4505, 4506, 4507, 4800, 4899], true],
  ]) {
    for (const code of codes) {
      const effects = connected().lost(60_000, { code, reason: 'why' });
      const [, state] = effects.find(([what]) => what === 'state');
      assert.equal(state.code, code);
      assert.equal(state.reason, 'why');
      assert.equal(state.retryInMs === undefined, isFinal, `${code}`);
      assert.equal(effects.some(([what]) => what === 'end'), isFinal, `${code}`);
    }
  }
});

test('waits have full jitter between nothing and a bound that doubles up to the largest', () => {
  const bounds = [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000];
  const waits = bounds.map(() => []);
  for (let run = 0; run < 400; run += 1) {
    const machine = makeConnection({ ...SETTINGS, transports: ['websocket'] });
    machine.connect(0);
    for (const list of waits) {
      list.push(machine.lost(0, { code: 1006 })[0][1].retryInMs);
      machine.tick(machine.wakeAt());
    }
  }
  for (const [at, list] of waits.entries()) {
    assert.ok(Math.max(...list) <= bounds[at] && Math.max(...list) > bounds[at] * 0.9, `${at}: ${Math.max(...list)}`);
    assert.ok(Math.min(...list) < bounds[at] * 0.1, `${at}: ${Math.min(...list)}`);
  }
});

test('a connection that lasted makes the next wait short again, one that did not does not', () => {
  for (const [lastedMs, isShort] of [[5000, true], [4999, false]]) {
    let longest = 0;
    for (let run = 0; run < 200; run += 1) {
      const machine = makeConnection({ ...SETTINGS, transports: ['websocket'] });
      machine.connect(0);
      for (let failure = 0; failure < 5; failure += 1) {
        machine.lost(0, { code: 1006 });
        machine.tick(machine.wakeAt());
      }
      machine.connected(0, PING_MS, Infinity);
      longest = Math.max(longest, machine.lost(lastedMs, { code: 1006 })[0][1].retryInMs);
    }
    assert.equal(longest <= 500, isShort, `${lastedMs}: ${longest}`);
  }
});

test("a server's retry_after_ms is the least, with jitter on top, and being woken does not shorten it", () => {
  const machine = connected();
  const [[, { retryInMs }]] = machine.lost(60_000, { code: 4000, retryAfterMs: 8000 });
  assert.ok(retryInMs >= 8000 && retryInMs <= 8500, `${retryInMs}`);
  assert.deepEqual(machine.wake(61_000), []);
  assert.equal(machine.wakeAt(), 68_000);
  assert.deepEqual(told(machine.tick(68_000)), ['state:connecting', 'open:websocket']);
});

test('being woken ends a wait', () => {
  const machine = connected();
  machine.lost(60_000, { code: 1006 });
  assert.deepEqual(told(machine.wake(60_000)), ['state:connecting', 'open:websocket']);
});

test('silence: a ping after one heartbeat, the end after two and a half', () => {
  const machine = connected();
  assert.equal(machine.wakeAt(), 25_000);
  assert.deepEqual(machine.tick(24_999), []);
  assert.deepEqual(told(machine.tick(25_000)), ['ping']);
  machine.asked(25_000);
  assert.deepEqual(machine.tick(62_499), []);
  assert.deepEqual(told(machine.tick(62_500)), ['close', 'state:disconnected']);
});

test('anything that is heard is a sign of life', () => {
  const machine = connected();
  machine.tick(25_000);
  machine.heard(40_000);
  assert.equal(machine.wakeAt(), 65_000);
  assert.deepEqual(told(machine.tick(65_000)), ['ping']);
});

test('a timer that a hidden page throttled sends the ping late, and waits for its answer', () => {
  const machine = connected();
  assert.deepEqual(told(machine.tick(90_000)), ['ping']);
  assert.deepEqual(machine.tick(90_000 + 37_499), []);
  assert.deepEqual(told(machine.tick(90_000 + 37_500)), ['close', 'state:disconnected']);
});

test('a request without any answer for a heartbeat is the end too', () => {
  const machine = connected();
  machine.asked(1000);
  assert.deepEqual(told(machine.tick(25_000)), ['ping']);
  assert.deepEqual(told(machine.tick(26_000)), ['close', 'state:disconnected']);
});

test('on waking, a connection that was silent for too long is replaced at once, and another is asked', () => {
  assert.deepEqual(told(connected().wake(62_500)), ['close', 'state:disconnected', 'state:connecting', 'open:websocket']);
  const machine = connected();
  assert.deepEqual(told(machine.wake(5000)), ['ping']);
  assert.deepEqual(machine.tick(14_999), []);
  assert.deepEqual(told(machine.tick(15_000)), ['close', 'state:disconnected']);
});

const getToken = () => {};

test('a token is asked for once, and kept for the next connection', () => {
  const machine = makeConnection({ ...SETTINGS, getToken });
  assert.deepEqual(told(machine.connect(0)), ['state:connecting', 'token:connect']);
  assert.deepEqual(machine.token(0, 'a'), [['open', 'websocket', 'a']]);
  machine.connected(0, PING_MS, Infinity);
  machine.lost(60_000, { code: 1006 });
  assert.deepEqual(machine.tick(machine.wakeAt())[1], ['open', 'websocket', 'a']);
});

test('a token that ran out is asked for anew: on 4004, by the clock, and once on 4502', () => {
  for (const [what, lose] of [
    ['4004', (machine) => machine.lost(60_000, { code: 4004 })],
    ['4502', (machine) => machine.lost(60_000, { code: 4502 })],
    ['clock', (machine) => machine.lost(60_000, { code: 1006 })],
  ]) {
    const machine = connected({ getToken }, 60_000);
    assert.match(told(lose(machine)).join(), /^state:disconnected$/, what);
    assert.deepEqual(told(machine.tick(machine.wakeAt())), ['state:connecting', 'token:expired'], what);
    assert.deepEqual(machine.token(70_000, 'b'), [['open', 'websocket', 'b']], what);
  }
});

test('4502 for a fresh token is the end, and after the next connection it is asked once more', () => {
  const machine = connected({ getToken });
  machine.lost(60_000, { code: 4502 });
  machine.tick(machine.wakeAt());
  machine.token(61_000, 'b');
  const again = new SluicegateError(4401, 'not_authenticated');
  assert.deepEqual(told(machine.lost(61_000, { code: 4502 }, again)), ['end', 'state:disconnected']);
  assert.deepEqual(told(machine.connect(62_000)), ['state:connecting', 'token:connect']);
  machine.token(62_000, 'c');
  machine.connected(62_000, PING_MS, Infinity);
  assert.deepEqual(told(machine.lost(70_000, { code: 4502 })), ['state:disconnected']);
});

test('without somebody to ask, 4502 is the end, and 4004 comes back with what there is', () => {
  assert.deepEqual(told(connected({ token: 'a' }).lost(0, { code: 4502 })), ['end', 'state:disconnected']);
  const machine = connected({ token: 'a' });
  machine.lost(60_000, { code: 4004 });
  assert.deepEqual(machine.tick(machine.wakeAt())[1], ['open', 'websocket', 'a']);
});

test('a token is refreshed at 70 to 90 percent of its life, never more than once a second', () => {
  const times = [];
  for (let run = 0; run < 300; run += 1) times.push(Math.min(connected({ getToken }, 20_000).wakeAt()));
  assert.ok(Math.min(...times) >= 14_000 && Math.min(...times) < 14_400, `${Math.min(...times)}`);
  assert.ok(Math.max(...times) <= 18_000 && Math.max(...times) > 17_600, `${Math.max(...times)}`);
  assert.equal(connected({ getToken }, -60_000).wakeAt(), 1000);
  assert.equal(connected({ token: 'a' }, Infinity).wakeAt(), PING_MS);
});

test('a refresh: asked for, sent, and the next one by the new life', () => {
  const machine = connected({ getToken }, 10_000);
  const at = machine.wakeAt();
  assert.deepEqual(told(machine.tick(at)), ['token:refresh']);
  assert.deepEqual(machine.token(at, 'b'), [['refresh', 'b']]);
  machine.refreshed(at, 10_000, 'b');
  assert.ok(machine.wakeAt() >= at + 7000);
  machine.lost(at, { code: 1006 });
  assert.deepEqual(machine.tick(machine.wakeAt())[1], ['open', 'websocket', 'b']);
});

test('a refresh that fails is tried again, as expired if the token was refused', () => {
  for (const [code, reason] of [[0, 'refresh'], [4401, 'expired'], [4410, 'expired'], [4403, 'refresh']]) {
    const machine = connected({ getToken }, 10_000);
    machine.tick(machine.wakeAt());
    assert.deepEqual(told(machine.refreshFailed(9000, new SluicegateError(code, 'why'))), ['error']);
    assert.equal(machine.wakeAt(), 10_000);
    assert.deepEqual(told(machine.tick(10_000)), [`token:${reason}`]);
  }
});

test('no token: an error, and another try after a wait', () => {
  for (const nothing of [undefined, null, '', 7, {}]) {
    const machine = makeConnection({ ...SETTINGS, getToken });
    machine.connect(0);
    const effects = machine.token(0, nothing);
    assert.deepEqual(told(effects), ['state:disconnected', 'error']);
    assert.equal(effects[1][1].reason, 'token_failed');
    assert.deepEqual(told(machine.tick(machine.wakeAt())), ['state:connecting', 'token:connect']);
  }
});

test('a client that rests hears nothing, and can begin again', () => {
  const machine = connected();
  assert.deepEqual(told(machine.disconnect()), ['close', 'end', 'state:disconnected']);
  assert.deepEqual(told(machine.disconnect()), ['end'], 'for what waits to be sent');
  for (const effects of [machine.lost(0, { code: 1006 }), machine.wake(0), machine.tick(1e9), machine.token(0, 'a')]) {
    assert.deepEqual(effects, []);
  }
  assert.equal(machine.wakeAt(), Infinity);
  assert.deepEqual(told(machine.connect(0)), ['state:connecting', 'open:websocket']);
});

test('a refresh that fails because the connection ended is nobody\'s business', () => {
  const machine = connected({ getToken });
  machine.lost(60_000, { code: 1006 });
  assert.deepEqual(machine.refreshFailed(60_000, new SluicegateError(0, 'connection_lost')), []);
  assert.deepEqual(machine.tokenFailed(60_000, 'why'), []);
});
